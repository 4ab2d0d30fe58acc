// SPDX-License-Identifier: Apache-2.0

// Package load measures how long it takes to make a host hold something: to load
// its programs and maps, to apply states of many rows to it, and to change one
// endpoint among many.
package load

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/mizar-net/mizar/bench/sample"
	"github.com/mizar-net/mizar/dataplane"
	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/crowd"
)

// Figure is how long one thing takes, once for each time that it was done.
type Figure struct {
	// Name is what is done and with how many: "apply/directory/1000".
	Name string
	// Rows are written, of so many that the host then holds.
	Rows, Of int
	Seconds  []float64
}

// Cost is the median and where it lies.
func (f Figure) Cost() (float64, sample.Interval) {
	return sample.Median(f.Seconds), sample.MedianInterval(f.Seconds)
}

// Rate is rows written in a second.
func (f Figure) Rate() float64 {
	cost, _ := f.Cost()
	return float64(f.Rows) / cost
}

// world is a state that is applied.
type world struct {
	name  string
	crowd crowd.Crowd
}

// worlds are hosts with more and more endpoints, and bouncers with more and more
// addresses in their directories, up to a number.
func worlds(most int) []world {
	var all []world
	for _, n := range []int{10, 1000, 4095} {
		all = append(all, world{fmt.Sprintf("endpoints/%d", n), crowd.Crowd{Family: 4, VPCs: 1, Hosts: 64, Endpoints: n}})
	}
	for _, n := range []int{1000, 100_000, 1_000_000} {
		all = append(all, world{fmt.Sprintf("directory/%d", n), crowd.Crowd{Family: 4, VPCs: 1, Hosts: 64, Endpoints: 1, Directory: n}})
	}
	return slices.DeleteFunc(all, func(w world) bool { return w.crowd.Directory > most })
}

// Plan is how often everything is done, and the most rows of a directory.
type Plan struct {
	Loads, Most int
	// Progress is told after every host, out of how many; nil: nobody asks.
	Progress func(done, of int)
}

// Measure does everything as often as the plan says, each time with a fresh host.
func Measure(ctx context.Context, p Plan) ([]Figure, error) {
	m := measurement{}
	all := worlds(p.Most)
	for n := range p.Loads {
		for i, w := range all {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			if err := m.host(w); err != nil {
				return nil, fmt.Errorf("%s: %w", w.name, err)
			}
			if p.Progress != nil {
				p.Progress(n*len(all)+i+1, p.Loads*len(all))
			}
		}
	}
	return m.figures, nil
}

type measurement struct{ figures []Figure }

// host loads a host and makes it hold a world, three times: from nothing, the
// same again, and with one endpoint changed.
func (m *measurement) host(w world) error {
	began := time.Now()
	d, err := dataplane.Load(dataplane.Options{TokenSecret: 1})
	if err != nil {
		return err
	}
	defer d.Close() // a failure to unload spoils no figure
	m.note("load", 0, 0, time.Since(began))
	s, l := w.crowd.State()
	of := 0
	for _, step := range []struct {
		name   string
		change func(*state.Host)
	}{
		{"apply", func(*state.Host) {}},
		{"again", func(*state.Host) {}},
		{"change", changeOne},
	} {
		step.change(&s)
		began = time.Now()
		report, err := d.Apply(s, l)
		took := time.Since(began)
		if err != nil {
			return err
		}
		if of == 0 {
			of = report.Rows()
		}
		if err := expected(step.name, report.Rows()); err != nil {
			return err
		}
		m.note(step.name+"/"+w.name, report.Rows(), of, took)
	}
	return nil
}

// changeOne gives the last endpoint of the host, or of the directory, another
// identity.
func changeOne(s *state.Host) {
	if n := len(s.Directory); n > 0 {
		s.Directory[n-1].Identity++
		return
	}
	s.Endpoints[len(s.Endpoints)-1].Identity++
}

// expected refuses a figure of something else than was to be done.
func expected(step string, rows int) error {
	if step == "again" && rows != 0 || step == "change" && rows != 1 || step == "apply" && rows == 0 {
		return fmt.Errorf("%s: %d rows were written", step, rows)
	}
	return nil
}

func (m *measurement) note(name string, rows, of int, took time.Duration) {
	for i := range m.figures {
		if m.figures[i].Name == name {
			m.figures[i].Seconds = append(m.figures[i].Seconds, took.Seconds())
			return
		}
	}
	m.figures = append(m.figures, Figure{Name: name, Rows: rows, Of: of, Seconds: []float64{took.Seconds()}})
}
