// SPDX-License-Identifier: Apache-2.0

package corpus

import (
	"context"
	"fmt"
	"time"

	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/sim/wire/testrun"
)

// mostSurprises is how many surprises are kept; the rest is only counted.
const mostSurprises = 100

// Report is what running a corpus found.
type Report struct {
	Table
	// Found are the first surprises.
	Found []Surprise `json:"found"`
}

// Run sends all captures under the folders through the programs of a machine
// that holds nothing yet. What a program does wrong is a [Surprise]; an error
// means that the corpus could not be run.
func Run(ctx context.Context, m testrun.Machine, folders ...string) (Report, error) {
	list, err := files(folders)
	if err != nil {
		return Report{}, err
	}
	if _, err := m.Apply(host()); err != nil {
		return Report{}, fmt.Errorf("set up the host: %w", err)
	}
	if err := m.SetNow(time.Minute); err != nil {
		return Report{}, fmt.Errorf("set the clock: %w", err)
	}
	r := runner{machine: m, tally: newTally()}
	if r.drops, err = m.Drops(); err != nil {
		return Report{}, fmt.Errorf("read the drop counters: %w", err)
	}
	for _, file := range list {
		if err := ctx.Err(); err != nil {
			return Report{}, err
		}
		if err := r.file(file); err != nil {
			return Report{}, err
		}
	}
	return Report{Table: r.tally.table(r.surprises), Found: r.found}, nil
}

// runner sends frames through one machine.
type runner struct {
	machine testrun.Machine
	tally   tally
	// drops is what the drop counters must hold.
	drops     map[string]uint64
	found     []Surprise
	surprises int
}

// file sends one capture every way.
func (r *runner) file(name string) error {
	frames, err := r.tally.open(name)
	if err != nil {
		return err
	}
	r.tally.files++
	r.tally.frames += len(frames)
	for _, w := range Ways() {
		for _, f := range frames {
			if err := r.frame(w, f); err != nil {
				return err
			}
		}
		if err := r.counted(name, w); err != nil {
			return err
		}
	}
	return nil
}

// frame sends one frame one way.
func (r *runner) frame(w Way, f heard) error {
	p, err := w.prepare(f.frame)
	if err != nil {
		return fmt.Errorf("%s: packet %d: %s: %w", f.file, f.number, w.Name, err)
	}
	if cause := w.fits(len(p.frame)); cause != "" {
		r.tally.rows[Row{Way: w.Name, Verdict: notRun, Reason: cause}]++
		return nil
	}
	port, mtu := w.port()
	out, err := r.machine.Run(testrun.Arrival{Program: w.Program, Form: w.Form, Port: port, MTU: mtu, Frame: p.frame})
	s := Surprise{File: f.file, Number: f.number, Way: w.Name, Frame: p.frame, Out: out.Frame}
	if err != nil {
		s.Broken = fmt.Sprintf("the program did not run: %v", err)
		r.surprise(s)
		return nil
	}
	t := trial{way: w, in: p, out: out, head: headOf(p.inner)}
	if s.Broken = t.broken(); s.Broken != "" {
		r.surprise(s)
	}
	r.count(t)
	return nil
}

// count adds a trial to the table.
func (r *runner) count(t trial) {
	row := Row{Way: t.way.Name, Verdict: t.verdict().String()}
	if t.reason() != bpf.RowDropReasonDROP_NONE {
		row.Reason = t.reason().String()
		r.drops[row.Reason]++
	}
	r.tally.rows[row]++
	if t.in.forced {
		r.tally.notes[Note{Way: t.way.Name, Note: "too broken to rewrite, addresses forced"}]++
	}
	if t.verdict() != bpf.RowVerdictVERDICT_DROP && len(badChecksums(t.in.inner)) > 0 {
		r.tally.notes[Note{Way: t.way.Name, Note: "went on with a checksum as wrong as before"}]++
	}
}

// counted holds the drop counters to what was recorded.
func (r *runner) counted(file string, w Way) error {
	got, err := r.machine.Drops()
	if err != nil {
		return fmt.Errorf("read the drop counters: %w", err)
	}
	for n := bpf.RowDropReason(0); n < bpf.RowDropReasonDROP_MAX; n++ {
		if reason := n.String(); got[reason] != r.drops[reason] {
			r.surprise(Surprise{File: file, Way: w.Name, Broken: fmt.Sprintf("%d packets died of %s, but %d are counted", r.drops[reason], reason, got[reason])})
		}
	}
	r.drops = got
	return nil
}

func (r *runner) surprise(s Surprise) {
	r.surprises++
	if len(r.found) < mostSurprises {
		r.found = append(r.found, s)
	}
}
