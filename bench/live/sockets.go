// SPDX-License-Identifier: Apache-2.0

package live

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mizar-net/mizar/bench/report"
	"github.com/mizar-net/mizar/bench/sample"
	"github.com/mizar-net/mizar/bench/suite"
)

// Exercise is what sockets of two endpoints do with each other.
type Exercise struct {
	Name, What string
	// mtu is the underlay's.
	mtu int
	// connections are how many there are at a time.
	connections []int
	// values are what a sample gives, in their order.
	values   []value
	profiles []profile
	// begin readies both ends on a rig.
	begin func(ctx context.Context, c *contender, cpu int) (talk, error)
	// needs says what is missing for it; nil: it needs nothing.
	needs func() error
}

// value is one of the things that a sample says. A single one has no name.
type value struct {
	name, what string
	unit       report.Unit
}

// talk is two ends that are ready.
type talk interface {
	// run talks over so many connections for about so long, and gives the
	// exercise's values.
	run(ctx context.Context, connections int, about time.Duration) ([]float64, error)
	close() error
}

// Exercises is the table.
func Exercises() []Exercise {
	stream := Exercise{
		What: "one TCP stream by iperf3", connections: []int{1}, values: []value{{unit: report.Gigabits}},
		profiles: streamProfiles(), begin: beginStream, needs: iperf3,
	}
	small, jumbo := stream, stream
	small.Name, small.mtu = "tcp-stream/1500", 1500
	jumbo.Name, jumbo.mtu = "tcp-stream/9000", 9000
	return []Exercise{small, jumbo, {
		Name: "tcp-rr", What: "a byte there and a byte back over TCP, on each of the connections", mtu: 1500, connections: []int{1, 10, 40},
		values: []value{
			{"rate", "transactions", report.Transactions},
			{"p50", "half of them took less", report.Microseconds},
			{"p99", "99 of 100 took less", report.Microseconds},
		},
		profiles: rrProfiles(), begin: beginEcho,
	}}
}

// Brief are the exercises that a short run has: enough to see that they work.
var Brief = []string{"tcp-rr", "tcp-stream/1500/xdp"}

// Figures are what an exercise gives, for one family and number of connections.
func (e Exercise) Figures(family, connections int) []report.Figure {
	var all []report.Figure
	for _, p := range e.profiles {
		all = append(all, e.of(p, family, connections)...)
	}
	return all
}

// of are the figures of one profile: one for each value.
func (e Exercise) of(p profile, family, connections int) []report.Figure {
	all := make([]report.Figure, len(e.values))
	for i, v := range e.values {
		all[i] = report.Figure{
			Name: e.Name + "/" + v.name, What: e.What + ": " + v.what, Instrument: report.Sockets, Form: p.form, Unit: v.unit,
			Family: family, Flows: connections, Floor: kernelVXLAN,
		}
		if v.name == "" {
			all[i].Name, all[i].What = e.Name+"/"+p.name, e.What+": "+p.what
		}
	}
	return all
}

const (
	// longer is how many times longer a sample of sockets is, fewer how many
	// times fewer there are: windows have to open first.
	longer = 10
	fewer  = 4
)

// RunSockets measures the exercises that a filter selects, on one CPU, and says
// which of them it could not.
func RunSockets(ctx context.Context, f suite.Filter, cpu int, p suite.Plan) ([]report.Figure, []report.Omission, error) {
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
			if err := b.load(ctx, cpu, p, round); err != nil {
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
			b := &bout{Exercise: e, family: family}
			b.profiles, b.connections = nil, nil
			for _, connections := range e.connections {
				if e.wanted(f, e.profiles, family, connections) {
					b.connections = append(b.connections, connections)
				}
			}
			for _, p := range e.profiles {
				if e.wantsProfile(f, p, family) && !omitted.add(e.Name+"/"+p.name, p.needs) {
					b.profiles = append(b.profiles, p)
				}
			}
			if len(b.profiles) > 0 && !omitted.add(e.Name, e.needs) {
				all = append(all, b)
			}
		}
	}
	return all, omitted
}

func (e Exercise) wantsProfile(f suite.Filter, p profile, family int) bool {
	for _, connections := range e.connections {
		if e.wanted(f, []profile{p}, family, connections) {
			return true
		}
	}
	return false
}

// wanted says whether a filter asks for any figure.
func (e Exercise) wanted(f suite.Filter, profiles []profile, family, connections int) bool {
	for _, p := range profiles {
		for _, g := range e.of(p, family, connections) {
			if f.Wants(g) {
				return true
			}
		}
	}
	return false
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
func (b *bout) load(ctx context.Context, cpu int, p suite.Plan, round func()) (err error) {
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
		if s.talk, err = b.begin(ctx, c, cpu); err != nil {
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
