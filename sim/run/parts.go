// SPDX-License-Identifier: Apache-2.0

package run

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mizar-net/mizar/sim/wire"
)

// scattered are the different ways over hosts that the fragments of a packet took,
// in the order in which they were first taken.
func scattered(p wire.Packet) []string {
	var ways []string
	for _, part := range p.Parts {
		if s := strings.Join(part.Hosts, " → "); !slices.Contains(ways, s) {
			ways = append(ways, s)
		}
	}
	return ways
}

// under adds the outer source ports to the way of a fragment: by those the underlay
// chooses among its own ways.
func under(p wire.Packet) string {
	s := strings.Join(p.Hosts, " → ")
	for _, f := range tunnelFrames([]wire.Packet{p}) {
		s += fmt.Sprintf(", port %d", f.OuterSport)
	}
	return s
}

// parted holds the ways that the fragments of each packet took against how many there
// must be. A packet that was not cut, or one of whose fragments was lost, shows nothing.
func (t conversation) parted(a answer) Check {
	c := Check{
		Name: t.name + ", the ways of fragments", Wire: a.who,
		Cell: Cell{Family: t.cell.Family, Proto: "paths", Underlay: t.cell.Underlay, Wire: a.who},
	}
	fail := func(got, want string) {
		c.Failures = append(c.Failures, Failure{Field: "ways of the fragments", Who: a.who, Got: got, Against: "the scenario", Want: want})
	}
	var seen []string
	for _, p := range slices.Concat(a.requests, a.replies) {
		var ways []string
		for _, part := range p.Parts {
			if !part.Delivered {
				fail("a fragment "+fate(part), "all delivered")
			}
			if s := under(part); !slices.Contains(ways, s) {
				ways = append(ways, s)
			}
		}
		got := fmt.Sprintf("%d fragments by %s", len(p.Parts), strings.Join(ways, "; by "))
		seen = append(seen, got)
		if len(p.Parts) < 2 || len(ways) != t.expect.Paths {
			fail(got, fmt.Sprintf("several fragments by %d", t.expect.Paths))
		}
	}
	if c.Seen = join(seen); len(seen) == 0 {
		fail("no packet", "packets in fragments")
	}
	return c
}
