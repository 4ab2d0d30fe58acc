// SPDX-License-Identifier: Apache-2.0

// Package suite has the cases: what is measured of the programs, packet by
// packet, beside the floors that they stand on. A feature adds its cases to the
// table in table.go.
package suite

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cilium/ebpf"

	"github.com/mizar-net/mizar/bench/probe"
	"github.com/mizar-net/mizar/bench/report"
	"github.com/mizar-net/mizar/dataplane"
	"github.com/mizar-net/mizar/dataplane/kernel"
	"github.com/mizar-net/mizar/sim/crowd"
	"github.com/mizar-net/mizar/sim/frame"
)

// Case is one way of a packet through one program.
type Case struct {
	// Name is the program and what the packet meets in it.
	Name string
	// What says it in a line.
	What string
	Form probe.Form
	// Flows are the numbers of different packets that it is measured with.
	Flows []int
	// Floor is the least such a program can cost: a program of probe's
	// floors without the family's number.
	Floor string

	program func(*dataplane.Datapath) (*ebpf.Program, error)
	// reference is a floor that is measured in the place of a program.
	reference string
	// memory says what the host knows when a run begins.
	memory memory
	// beside is a case that this one is compared with in the place of a floor, whose
	// name Floor then is.
	beside *Case
	// guard is what policy says of the endpoint under test.
	guard crowd.Guard
	// services is how many the endpoint's VPC has; flows are to the first.
	services int
	// gated says that clients outside come to the first service at the host as well.
	gated bool
	// frames builds the n-th packet.
	frames func(family, n int) frame.Spec
	want   want
}

// memory is what a host has learned.
type memory int

const (
	// lasting hosts know the way to every place "learned", and may learn
	// more.
	lasting memory = iota
	// emptied hosts have learned nothing at the beginning of every run, in
	// which every packet comes once (but the first, which ends it, too).
	emptied
	// unopened hosts know the ways, and have no flows at the beginning of every run,
	// in which every packet comes once (but the first, which ends it, too).
	unopened
	// awaited hosts know the ways, and have a flow for every packet in which the other
	// side alone has spoken, at the beginning of every run, in which every packet
	// comes once (but the first, which ends it, too).
	awaited
)

// want is what has to become of every packet.
type want struct {
	action  kernel.Action
	verdict string
	// drop is the reason, for the verdict "drop".
	drop string
	// frame looks at the last packet; nil: it must be what went in.
	frame func(before, after frame.Packet) error
	// resizing says whether the packet's length changes.
	resizing probe.Resizing
}

// Every number of flows, and one or many.
var (
	hotAndCold = []int{1, probe.MaxFlows}
	hot        = []int{1}
	cold       = []int{probe.MaxFlows}
)

// Filter selects cases.
type Filter struct {
	// Names are beginnings of names; none: all.
	Names    []string
	Families []int
	// Flows are numbers of flows; none: those of the case.
	Flows []int
	// Only, unless empty, are the targets that figures are needed for.
	Only []report.Target
}

// Wants says whether a figure is asked for, from any instrument.
func (f Filter) Wants(g report.Figure) bool {
	named := len(f.Names) == 0 || slices.ContainsFunc(f.Names, func(n string) bool {
		return g.Name == n || strings.HasPrefix(g.Name, n+"/")
	})
	needed := len(f.Only) == 0 || slices.ContainsFunc(f.Only, func(t report.Target) bool { return t.Covers(g) })
	return named && needed && slices.Contains(f.Families, g.Family) &&
		(len(f.Flows) == 0 || slices.Contains(f.Flows, g.Flows))
}

// Key says which figure of a case.
type Key struct {
	Family, Flows int
}

// keys are the figures of a case that the filter asks for.
func (f Filter) keys(c Case) []Key {
	var all []Key
	for _, family := range f.Families {
		for _, flows := range c.Flows {
			if k := (Key{family, flows}); f.Wants(figureOf(c, k)) {
				all = append(all, k)
			}
		}
	}
	return all
}

// packets builds the packets of a case.
func (c Case) packets(k Key) ([][]byte, error) {
	all := make([][]byte, k.Flows)
	for n := range all {
		b, err := frame.Build(c.frames(k.Family, n))
		if err != nil {
			return nil, fmt.Errorf("case %s, packet %d: %w", c.Name, n, err)
		}
		all[n] = b
	}
	return all, nil
}
