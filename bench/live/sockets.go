// SPDX-License-Identifier: Apache-2.0

package live

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/mizar-net/mizar/bench/report"
	"github.com/mizar-net/mizar/bench/sample"
	"github.com/mizar-net/mizar/bench/suite"
)

const (
	// longer is how many times longer a sample of sockets is, fewer how many
	// times fewer there are: windows have to open first.
	longer = 10
	fewer  = 4
)

// RunSockets measures the exercises that a filter selects and says which of them
// it could not.
func RunSockets(ctx context.Context, f suite.Filter, on CPUs, p suite.Plan) ([]report.Figure, []report.Omission, error) {
	p.Rounds, p.Sample = max(1, p.Rounds/fewer), p.Sample*longer
	bouts, omitted := bouts(f)
	total, done := 0, 0
	for _, b := range bouts {
		total += p.Loads * p.Rounds * len(b.connections)
	}
	round := func() {
		done++
		if p.Progress != nil {
			p.Progress(done, total)
		}
	}
	for range p.Loads {
		for _, b := range bouts {
			if err := b.load(ctx, on, p, round); err != nil {
				return nil, nil, fmt.Errorf("%s, IPv%d: %w", b.Name, b.family, err)
			}
		}
	}
	var figures []report.Figure
	for _, b := range bouts {
		for _, g := range b.figures {
			if f.Wants(*g) {
				g.Rounds = p.Rounds
				figures = append(figures, *g)
			}
		}
	}
	return figures, omitted, nil
}

// bout is an exercise in one family: all its profiles side by side.
type bout struct {
	Exercise
	family int
	// figures are those of all connections and profiles, as they are gathered.
	figures []*report.Figure
}

// bouts are those that a filter asks for, with the profiles and connections that
// it does, and what can't be measured.
func bouts(f suite.Filter) ([]*bout, []report.Omission) {
	var all []*bout
	var omitted omissions
	for _, e := range Exercises() {
		for _, family := range f.Families {
			b := e.bout(f, family)
			if len(b.profiles) == 0 || omitted.add(e.Name, e.needs) {
				continue
			}
			b.profiles = slices.DeleteFunc(b.profiles, func(p profile) bool { return omitted.add(e.Name+"/"+p.name, p.needs) })
			if len(b.profiles) > 0 {
				all = append(all, b)
			}
		}
	}
	return all, omitted
}

// bout has the profiles and connections that a filter asks for.
func (e Exercise) bout(f suite.Filter, family int) *bout {
	b := &bout{Exercise: e, family: family}
	b.profiles, b.connections = nil, nil
	for _, connections := range e.connections {
		if e.wanted(f, e.profiles, family, connections) {
			b.connections = append(b.connections, connections)
		}
	}
	for _, p := range e.profiles {
		if slices.ContainsFunc(e.connections, func(n int) bool { return e.wanted(f, []profile{p}, family, n) }) {
			b.profiles = append(b.profiles, p)
		}
	}
	return b
}

// side is a contender and its talk.
type side struct {
	*contender
	profile profile
	talk    talk
	// gathered has the samples of each value.
	gathered [][]float64
}

func (s *side) close() error {
	var err error
	if s.talk != nil {
		err = s.talk.close()
	}
	return errors.Join(err, s.contender.close())
}

// load measures once, with everything built and loaded afresh.
func (b *bout) load(ctx context.Context, on CPUs, p suite.Plan, round func()) (err error) {
	var sides []*side
	defer func() {
		for _, s := range sides {
			err = errors.Join(err, s.close())
		}
	}()
	for _, profile := range append([]profile{floorProfile()}, b.profiles...) {
		c, err := profile.stage(ctx, b.family, b.mtu)
		if err != nil {
			return err
		}
		s := &side{contender: c, profile: profile}
		sides = append(sides, s)
		if s.talk, err = b.begin(ctx, c, on); err != nil {
			return fmt.Errorf("%s: %w", profile.name, err)
		}
	}
	for _, connections := range b.connections {
		if err := b.rounds(ctx, sides, connections, p, round); err != nil {
			return fmt.Errorf("%d connections: %w", connections, err)
		}
		if err := b.gather(sides, connections); err != nil {
			return err
		}
	}
	return nil
}

// rounds lets all sides take turns; the first turn of each counts for nothing.
func (b *bout) rounds(ctx context.Context, sides []*side, connections int, p suite.Plan, round func()) error {
	for turn := range 1 + p.Rounds {
		for _, s := range sides {
			values, err := s.talk.run(ctx, connections, p.Sample)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
			if turn == 0 {
				s.gathered = make([][]float64, len(b.values))
				if err := s.checked(); err != nil {
					return err
				}
				continue
			}
			for i, v := range values {
				s.gathered[i] = append(s.gathered[i], v)
			}
		}
		if turn > 0 {
			round()
		}
	}
	return nil
}

// gather adds the loads that sides, the floor's first, make to the figures.
func (b *bout) gather(sides []*side, connections int) error {
	below, err := sides[0].devices(kernelVXLAN)
	if err != nil {
		return err
	}
	for _, s := range sides[1:] {
		own, err := s.devices(s.profile.name)
		if err != nil {
			return err
		}
		for i, f := range b.of(s.profile, b.family, connections) {
			g := b.figure(f)
			g.Note, g.Devices = s.note, append(own, below...)
			g.Loads = append(g.Loads, report.Load{Program: sample.Of(s.gathered[i]), Floor: sample.Of(sides[0].gathered[i])})
		}
	}
	return nil
}

// figure finds a figure that is being gathered, or begins it.
func (b *bout) figure(f report.Figure) *report.Figure {
	for _, g := range b.figures {
		if g.ID() == f.ID() {
			return g
		}
	}
	b.figures = append(b.figures, &f)
	return &f
}
