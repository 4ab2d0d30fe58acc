// SPDX-License-Identifier: Apache-2.0

package cmd

import (
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/mizar-net/mizar/sim/run"
)

// printer tells people what happens in a run: on a terminal with a line for
// what is being done, in a pipe with plain lines alone.
type printer struct {
	w io.Writer
	// columns is the terminal's width; 0 in a pipe.
	columns int
	verbose bool
	// transient says that a line is shown that will be overwritten.
	transient bool
	// first is the underlay of the tour's first run; broken are the steps of the tour that failed in this run.
	first  string
	broken []int
}

func newPrinter(w io.Writer) *printer {
	p := &printer{w: w}
	f, ok := w.(*os.File)
	if !ok {
		return p
	}
	if columns, _, err := term.GetSize(int(f.Fd())); err == nil {
		p.columns = max(columns, 1)
	}
	return p
}

func (p *printer) printf(format string, args ...any) {
	p.erase()
	fmt.Fprintf(p.w, format, args...)
}

// doing shows a line until the next one.
func (p *printer) doing(format string, args ...any) {
	if p.columns == 0 {
		return
	}
	p.erase()
	line := []rune(fmt.Sprintf(format, args...))
	fmt.Fprint(p.w, string(line[:min(len(line), p.columns-1)]))
	p.transient = true
}

// erase takes the line away that was only for the moment.
func (p *printer) erase() {
	if p.transient {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.transient = false
	}
}

// event prints one event of a run.
func (p *printer) event(e run.Event) {
	switch e.Kind {
	case run.Opening:
		p.doing("%s: building %s …", e.Scenario.Name, strings.Join(e.Wires, " and "))
	case run.Opened:
		p.opened(e)
	case run.StepStarted:
		p.doing("  …     %d/%d %s", e.Index+1, e.Total, e.Step.Name)
	case run.StepDone:
		p.step(*e.Done)
	}
}

func (p *printer) opened(e run.Event) {
	over := ""
	if e.Underlay != "" {
		over = ", underlay " + e.Underlay
	}
	if e.Form != "" {
		over += ", form " + e.Form
	}
	if e.XDP != "" {
		over += ", XDP " + e.XDP
	}
	p.printf("%s: %s (%s%s)\n", e.Scenario.Name, e.Scenario.Title, strings.Join(e.Wires, " and "), over)
	if !p.verbose {
		return
	}
	for _, wire := range e.Wires {
		if report := e.Reports[wire]; report != "" {
			p.printf("  devices of the %s wire:\n%s", wire, indent(report, "    "))
		}
	}
}

func (p *printer) step(s run.Step) {
	mark := "pass"
	if s.Status == run.Fail {
		mark = "FAIL"
	}
	rows := ""
	if len(s.Rows) > 0 {
		rows = " [" + strings.Join(s.Rows, " ") + "]"
	}
	p.printf("  %s  %s%s\n", mark, s.Name, rows)
	if s.Matrix != nil {
		p.printf("%s", indent(s.Matrix.String(), "        "))
	}
	for _, c := range s.Checks {
		if c.Status == run.Fail || p.verbose {
			p.check(c)
		}
	}
}

func (p *printer) check(c run.Check) {
	p.printf("        %-4s %s on %s: %s\n", c.Status, c.Name, c.Wire, c.Seen)
	for _, f := range c.Failures {
		p.printf("%s", indent(f.String(), "             "))
	}
}

func (p *printer) summary(r run.Result) {
	checks, failed := r.Count()
	what := fmt.Sprintf("%d checks", checks)
	if failed > 0 {
		what = fmt.Sprintf("%d of %d checks failed", failed, checks)
	}
	p.printf("%s: %s: %s in %.1f s\n", r.Status, r.Scenario, what, r.Elapsed.Seconds())
}

// indent puts a prefix before each line, and ends the last.
func indent(text, prefix string) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return prefix + strings.Join(lines, "\n"+prefix) + "\n"
}
