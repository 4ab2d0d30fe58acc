// SPDX-License-Identifier: Apache-2.0

package cmd

import (
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/term"
)

// progress shows how far it is, on a terminal only.
type progress struct {
	w       io.Writer
	what    string
	started time.Time
	shown   bool
}

func newProgress(w io.Writer, what string) *progress {
	p := &progress{w: io.Discard, what: what, started: time.Now()}
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		p.w = w
	}
	return p
}

// tell shows the part that is done and the time that is left.
func (p *progress) tell(done, of int) {
	p.shown = true
	left := time.Duration(float64(time.Since(p.started)) / float64(done) * float64(of-done))
	fmt.Fprintf(p.w, "\r\033[K%s: %3d %%, %s left", p.what, 100*done/of, left.Round(time.Second))
}

// end clears the line.
func (p *progress) end() {
	if p.shown {
		fmt.Fprint(p.w, "\r\033[K")
	}
}
