// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/cilium/ebpf"

	"github.com/mizar-net/mizar/bench/probe"
	"github.com/mizar-net/mizar/bench/report"
	"github.com/mizar-net/mizar/dataplane"
	"github.com/mizar-net/mizar/sim/crowd"
	"github.com/mizar-net/mizar/sim/frame"
)

// growthRounds are enough samples of a figure that is one of many: what counts
// is the median over the loads.
const growthRounds = 8

// at is the name of the figure with so many rows.
func (s Series) at(size int) string { return fmt.Sprintf("%s/%d", s.Name, size) }

// floor is what figures of the series are compared with: the series itself, with
// few rows.
func (s Series) floor() string { return fmt.Sprintf("at-%d", s.Base) }

// figureOf is a figure of the series, not measured yet.
func (s Series) figureOf(size int, k Key) report.Figure {
	f := figureOf(s.caseOf(size), k)
	f.Axis, f.Rows = s.Axis, size
	return f
}

func (s Series) caseOf(size int) Case {
	program := func(d *dataplane.Datapath) (*ebpf.Program, error) { return s.program(d), nil }
	return Case{Name: s.at(size), What: s.What, Form: probe.XDP, Floor: s.floor(), want: s.want, program: program}
}

// sizesFor are the sizes that the filter asks for, and the base; none when it
// asks for nothing.
func (s Series) sizesFor(f Filter, k Key) []int {
	var all []int
	for _, size := range s.Sizes {
		if (k.Flows == 1 || size >= s.Base) && f.Wants(s.figureOf(size, k)) {
			all = append(all, size)
		}
	}
	if len(all) > 0 && !slices.Contains(all, s.Base) {
		all = append([]int{s.Base}, all...)
	}
	return all
}

// packets are as many as there are flows; they meet the rows that the base has.
func (s Series) packets(size int, k Key) ([][]byte, error) {
	all := make([][]byte, k.Flows)
	for i := range all {
		n := i % s.Base
		if s.cold {
			n = i * size / k.Flows
		}
		spec, err := s.frames(k.Family, n)
		if err != nil {
			return nil, err
		}
		spec.SrcPort += uint16(i)
		if all[i], err = frame.Build(spec); err != nil {
			return nil, fmt.Errorf("%s, packet %d: %w", s.at(size), i, err)
		}
	}
	return all, nil
}

// ground is what is measured side by side: the series of one axis, in one
// family.
type ground struct {
	axis   *axis
	family int
	plots  []plot
}

// plot is a series with a number of flows, and the sizes that are asked for.
type plot struct {
	Series
	key   Key
	sizes []int
}

// Grow measures the series that a filter selects, as [Run] does cases. The floor
// of a figure is the same case with the base's number of rows.
func Grow(ctx context.Context, f Filter, p Plan) ([]report.Figure, error) {
	p.Rounds = min(p.Rounds, growthRounds)
	grounds := groundsOf(f)
	r := runner{Plan: p, total: p.Loads * len(grounds) * p.Rounds}
	var all gathered
	for range p.Loads {
		for _, g := range grounds {
			loaded, err := r.grow(ctx, g, f)
			if err != nil {
				return nil, fmt.Errorf("growth with the number of %s, IPv%d: %w", g.axis.name, g.family, err)
			}
			all.add(loaded)
		}
	}
	return all.figures, nil
}

func groundsOf(f Filter) []ground {
	var all []ground
	for _, family := range f.Families {
		for _, s := range Growing() {
			for _, flows := range s.Flows {
				k := Key{family, flows}
				sizes := s.sizesFor(f, k)
				if len(sizes) == 0 {
					continue
				}
				at := slices.IndexFunc(all, func(g ground) bool { return g.axis.name == s.Axis && g.family == family })
				if at < 0 {
					at = len(all)
					all = append(all, ground{axis: s.axis, family: family})
				}
				all[at].plots = append(all[at].plots, plot{s, k, sizes})
			}
		}
	}
	return all
}

// grow measures a ground once, with everything loaded afresh.
func (r *runner) grow(ctx context.Context, g ground, f Filter) (figures []report.Figure, err error) {
	s := &stand{}
	defer func() { err = errors.Join(err, s.Close()) }()
	hosts := map[int]*dataplane.Datapath{}
	for _, p := range g.plots {
		for _, size := range p.sizes {
			if hosts[size] == nil {
				if hosts[size], err = s.populate(g, size); err != nil {
					return nil, fmt.Errorf("%d rows: %w", size, err)
				}
			}
		}
		if err := s.addPlot(p, hosts); err != nil {
			return nil, fmt.Errorf("%s: %w", p.Name, err)
		}
	}
	if err := r.rounds(ctx, s); err != nil {
		return nil, err
	}
	at := 0
	for _, p := range g.plots {
		for _, size := range p.sizes {
			figure := s.entries[at].figure()
			figure.Axis, figure.Rows = p.Axis, size
			if f.Wants(figure) {
				figures = append(figures, figure)
			}
			at++
		}
	}
	return figures, nil
}

// populate loads a host and gives it a crowd, through the tables that are
// production's.
func (s *stand) populate(g ground, size int) (*dataplane.Datapath, error) {
	c, err := g.axis.crowd(g.family, size)
	if err != nil {
		return nil, err
	}
	held, local := c.State()
	o := dataplane.Options{Uplink: dataplane.Transmits, TokenSecret: 1}
	if g.axis.limits != nil {
		o.Limits = g.axis.limits(held)
	}
	d, err := dataplane.Load(o)
	if err != nil {
		return nil, err
	}
	s.closers = append(s.closers, d.Close)
	if _, err := d.Apply(held, local); err != nil {
		return nil, err
	}
	if g.axis.learned == nil {
		return d, nil
	}
	// The rows that packets meet are the last that are learned.
	for n := g.axis.learned(size) - 1; n >= 0; n-- {
		if err := d.Learn(crowd.VNI+uint32(n%c.VPCs), crowd.Elsewhere(g.family, n), crowd.PeerName(n%c.Hosts)); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// addPlot puts the sizes of a series on the stand, beside the base.
func (s *stand) addPlot(p plot, hosts map[int]*dataplane.Datapath) error {
	var alone *contender
	alones, programs := map[int]*contender{}, map[int]*contender{}
	var entries []*entry
	for _, size := range p.sizes {
		packets, err := p.packets(size, p.key)
		if err != nil {
			return err
		}
		if alone == nil || p.cold {
			if alone, err = s.addAlone("wrapper", probe.XDP, workload{Case: p.caseOf(size), packets: packets}); err != nil {
				return err
			}
		}
		c := p.caseOf(size)
		alones[size] = alone
		j := &judge{datapath: hosts[size], want: p.want, memory: p.memory, packets: packets}
		programs[size] = &contender{
			name: c.Name, instrument: alone.instrument, program: p.program(hosts[size]), begin: j.begin, check: j.check, once: p.memory != lasting,
		}
		if p.settle != nil { // before each run: other series of this host forget flows
			programs[size].begin = func() error { return errors.Join(p.settle(hosts[size], packets), j.begin()) }
		}
		s.contenders = append(s.contenders, programs[size])
		entries = append(entries, &entry{Case: c, key: p.key, alone: alone, program: programs[size]})
	}
	for _, e := range entries {
		e.floor, e.floorAlone = programs[p.Base], alones[p.Base]
	}
	s.entries = append(s.entries, entries...)
	return nil
}
