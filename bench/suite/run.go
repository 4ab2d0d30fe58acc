// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/mizar-net/mizar/bench/report"
	"github.com/mizar-net/mizar/bench/sample"
)

// Plan says how much is measured.
type Plan struct {
	// Loads is how often programs and maps are loaded afresh, Rounds how
	// many samples each contender then gives, Sample how long each of them
	// takes.
	Loads, Rounds int
	Sample        time.Duration
	// Progress is told after every round, out of how many; nil: nobody asks.
	Progress func(done, of int)
}

// Run measures the cases that a filter selects. Contenders take turns, round by
// round, so that the machine's drift hits all alike; the thread must stay on one
// CPU.
func Run(ctx context.Context, cases []Case, f Filter, p Plan) ([]report.Figure, error) {
	groups, err := group(cases, f)
	if err != nil {
		return nil, err
	}
	r := runner{Plan: p, total: p.Loads * len(groups) * p.Rounds}
	var all gathered
	for range p.Loads {
		for _, g := range groups {
			loaded, err := r.load(ctx, g)
			if err != nil {
				return nil, err
			}
			all.add(loaded)
		}
	}
	return all.figures, nil
}

// gathered are figures with their loads.
type gathered struct{ figures []report.Figure }

// add puts one load of figures to those of the loads before.
func (g *gathered) add(loaded []report.Figure) {
	for _, f := range loaded {
		at := slices.IndexFunc(g.figures, func(have report.Figure) bool { return have.ID() == f.ID() })
		if at < 0 {
			g.figures = append(g.figures, f)
			continue
		}
		g.figures[at].Loads = append(g.figures[at].Loads, f.Loads...)
	}
}

// group gathers the workloads that are measured side by side: those of one key.
func group(cases []Case, f Filter) ([][]workload, error) {
	var groups [][]workload
	for _, c := range cases {
		for _, k := range f.keys(c) {
			packets, err := c.packets(k)
			if err != nil {
				return nil, err
			}
			at := slices.IndexFunc(groups, func(g []workload) bool { return g[0].key == k })
			if at < 0 {
				at = len(groups)
				groups = append(groups, nil)
			}
			groups[at] = append(groups[at], workload{c, k, packets})
		}
	}
	return groups, nil
}

type runner struct {
	Plan
	done, total int
}

// load measures a group once, with everything loaded afresh.
func (r *runner) load(ctx context.Context, g []workload) ([]report.Figure, error) {
	s, err := newStand(g)
	if err != nil {
		return nil, fmt.Errorf("set up IPv%d, %d flows: %w", g[0].key.Family, g[0].key.Flows, err)
	}
	if err := r.rounds(ctx, s); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	var figures []report.Figure
	for _, e := range s.entries {
		figures = append(figures, e.figure())
	}
	return figures, s.Close()
}

// rounds lets all contenders take turns.
func (r *runner) rounds(ctx context.Context, s *stand) error {
	for _, c := range s.contenders {
		if err := r.calibrate(c); err != nil {
			return err
		}
	}
	for range r.Rounds {
		if err := ctx.Err(); err != nil {
			return err
		}
		for _, c := range s.contenders {
			gross, err := c.run(c.repetitions)
			if err != nil {
				return err
			}
			c.samples = append(c.samples, gross)
		}
		r.done++
		if r.Progress != nil {
			r.Progress(r.done, r.total)
		}
	}
	return nil
}

// calibrate warms a contender up and finds out how often it fits into a sample.
func (r *runner) calibrate(c *contender) error {
	gross, err := c.run(1)
	if err == nil {
		gross, err = c.run(1)
	}
	if err != nil {
		return err
	}
	c.repetitions = int(float64(r.Sample.Nanoseconds()) / gross)
	return nil
}

// figureOf is the figure of a case, not measured yet.
func figureOf(c Case, k Key) report.Figure {
	return report.Figure{
		Name: c.Name, What: c.What, Instrument: report.TestRun, Form: string(c.Form),
		Family: k.Family, Flows: k.Flows, Floor: c.Floor,
	}
}

// figure is what a load says about a case.
func (e *entry) figure() report.Figure {
	f := figureOf(e.Case, e.key)
	f.Rounds = len(e.program.samples)
	alone := sample.Of(e.alone.samples)
	f.Loads = []report.Load{{
		Program: sample.Of(e.program.samples).Minus(alone),
		Floor:   sample.Of(e.floor.samples).Minus(sample.Of(e.floorAlone.samples)),
		Wrapper: alone,
	}}
	return f
}
