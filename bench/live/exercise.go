// SPDX-License-Identifier: Apache-2.0

package live

import (
	"context"
	"time"

	"github.com/mizar-net/mizar/bench/report"
	"github.com/mizar-net/mizar/bench/suite"
)

// CPUs are where the two ends run.
type CPUs struct{ Sender, Receiver int }

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
	begin func(ctx context.Context, c *contender, on CPUs) (talk, error)
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
		switch {
		case v.name == "":
			all[i].Name, all[i].What = e.Name+"/"+p.name, e.What+": "+p.what
		case p.name != p.form: // it is not the only one of its form
			all[i].Name = e.Name + "/" + p.name + "/" + v.name
		}
	}
	return all
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
