// SPDX-License-Identifier: Apache-2.0

// Package report has the figures and the ways to show them: tables, JSON, Go's
// benchmark format, HTML, comparisons and verdicts. It measures nothing.
package report

import (
	"fmt"

	"github.com/mizar-net/mizar/bench/sample"
)

// Figure is what one way of a packet costs, or what goes over it, with all that
// says how sure it is.
type Figure struct {
	Name string
	// What says in a line what is measured.
	What string
	// Instrument is "test_run" (BPF_PROG_TEST_RUN with a wrapper that
	// restores the packet), "live" (frames through veth pairs) or "sockets"
	// (what stacks at both ends make of it).
	Instrument string
	Form       string
	Unit       Unit
	// Family is 4 or 6, or 0 for both, Flows how many different packets, or
	// connections, take turns.
	Family, Flows int
	// Floor names what the figure is compared with.
	Floor string
	// Rows, unless 0, is how many rows there are of what grows; Axis says
	// what that is. Figures of one series differ in Rows alone.
	Rows int
	Axis string
	// Rounds are the samples of each load.
	Rounds int
	Loads  []Load
	// Share is which packets of recorded traffic these are; nil: the packets
	// are the case's own.
	Share *Share
	// Devices are those on the way, where their offloads matter.
	Devices []Device
	// Note is what has to be known to read the figure.
	Note string
}

// Load is what was measured between loading programs and maps and unloading
// them, in the figure's unit.
type Load struct {
	// Program and Floor are net of the instrument's own cost.
	Program sample.Spread `json:"program"`
	Floor   sample.Spread `json:"floor"`
	// Wrapper is that cost; zero for live frames, which have none. For
	// recorded live frames it is the generator, whose cost is not
	// subtracted.
	Wrapper sample.Spread `json:"wrapper"`
	// Delivered is which part of the packets arrived, for live frames.
	Delivered float64 `json:"delivered,omitempty"`
}

// Families is the family as people read it.
func (f Figure) Families() string {
	if f.Family == 0 {
		return "both"
	}
	return fmt.Sprintf("v%d", f.Family)
}

// ID tells figures of one run apart.
func (f Figure) ID() string {
	return fmt.Sprintf("%s/%s/%s/v%d/%d", f.Instrument, f.Name, f.Form, f.Family, f.Flows)
}

// over gathers one number of every load.
func (f Figure) over(get func(Load) float64) []float64 {
	all := make([]float64, len(f.Loads))
	for i, l := range f.Loads {
		all[i] = get(l)
	}
	return all
}

// Net is the spread of the program: the median over the loads of each quantile.
func (f Figure) Net() sample.Spread {
	return sample.Spread{
		P5:     sample.Median(f.over(func(l Load) float64 { return l.Program.P5 })),
		Median: sample.Median(f.over(func(l Load) float64 { return l.Program.Median })),
		P90:    sample.Median(f.over(func(l Load) float64 { return l.Program.P90 })),
	}
}

// judged is the quantile that a figure is judged by: the p5 with one flow, the
// median with many and between sockets, whose quietest sample says little.
func (f Figure) judged(s sample.Spread) float64 {
	if f.Flows > 1 || f.Unit != PerPacket {
		return s.Median
	}
	return s.P5
}

// Cost is the value that the figure is judged by, and where it lies.
func (f Figure) Cost() (float64, sample.Interval) {
	all := f.over(func(l Load) float64 { return f.judged(l.Program) })
	return sample.Median(all), sample.MedianInterval(all)
}

// FloorCost is the same of the floor.
func (f Figure) FloorCost() float64 {
	return sample.Median(f.over(func(l Load) float64 { return f.judged(l.Floor) }))
}

// Ratio is that value as a multiple of the floor's, load by load, and where it
// lies.
func (f Figure) Ratio() (float64, sample.Interval) {
	all := f.over(func(l Load) float64 { return f.judged(l.Program) / f.judged(l.Floor) })
	return sample.Median(all), sample.MedianInterval(all)
}

// shares are which part of a limit each load uses: at most 1 is within it, whichever
// way the figure improves.
func (f Figure) shares(t Target) []float64 {
	return f.over(func(l Load) float64 {
		limit := t.allowed(f.judged(l.Floor))
		if f.Unit.MoreIsBetter() {
			return limit / f.judged(l.Program)
		}
		return f.judged(l.Program) / limit
	})
}

// Delivered is the least part of the packets that arrived in any load.
func (f Figure) Delivered() float64 {
	least := 1.0
	for _, l := range f.Loads {
		least = min(least, l.Delivered)
	}
	return least
}
