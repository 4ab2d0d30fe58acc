// SPDX-License-Identifier: Apache-2.0

// Package oracle says what must become of every packet, from the objects
// alone. It is slow and obvious on purpose: no maps of bytes, no compiled
// state, no programs; one packet at a time, walked from host to host by the
// rules of the overlay. A scenario holds every wire against it.
//
//	probe (the sender's stack) ─► leave (port) ─► arrive (uplink) ─► … ─► delivered
//	                                │ refuse        │ relay, not-here, refuse
//	                                └ ICMP error ◄──┘
//
// Each host has a view of its own: the objects that it last got, whom it takes
// to be down, and what it has learned, which survives changes of objects. It
// shares with production only what hosts must agree on by definition: which of
// them bounce or divide, and which of these a pair of addresses asks
// (controlplane/overlay).
package oracle

import (
	"slices"
	"time"

	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/controlplane/overlay"
	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/wire"
)

// Oracle remembers what hosts have learned from the packets it was asked
// about. Not safe for concurrent use.
type Oracle struct {
	// real is the world of the moment; hosts that are behind know an earlier one.
	real  world
	nodes map[string]*node
	// conditions, believes and filling outlive hosts that come and go.
	conditions map[string]wire.Condition
	believes   map[string][]string
	filling    map[string][]string
	roles      overlay.Roles
	ahead      map[string]time.Duration
	time       time.Duration
	// port is the last one that a stack chose.
	port uint16
	// neighbours are those that endpoints' stacks have found since the last Apply.
	neighbours map[neighbour]bool
}

// New returns an oracle for a network without objects.
func New() *Oracle {
	return &Oracle{
		real: newWorld(object.Set{}, nil), nodes: map[string]*node{},
		conditions: map[string]wire.Condition{}, believes: map[string][]string{},
		filling: map[string][]string{}, ahead: map[string]time.Duration{},
		neighbours: map[neighbour]bool{},
	}
}

// Apply changes the objects. Every host that is not behind gets them, and
// forgets what they contradict.
func (o *Oracle) Apply(set object.Set) error {
	before := o.real
	o.real = newWorld(set, o.roles)
	for name := range o.nodes {
		if _, ok := set.Host(name); !ok {
			delete(o.nodes, name)
		}
	}
	for _, h := range set.Hosts {
		if o.nodes[h.Name] == nil {
			o.nodes[h.Name] = newNode(h.Name)
		}
		if !o.conditions[h.Name].Behind() {
			o.update(h.Name)
		}
	}
	o.move(before)
	clear(o.neighbours)
	return nil
}

// update gives a host all that is known of the network.
func (o *Oracle) update(host string) {
	if n := o.nodes[host]; n != nil {
		n.leave(o.real, o.time)
		n.hold(view{world: o.real, down: o.believes[host], filling: o.filling[host]})
	}
}

// Down says whom a host takes to be down. It counts from the next [Oracle.Apply]
// on, as the host's state does.
func (o *Oracle) Down(host string, down []string) { o.believes[host] = slices.Clone(down) }

// Roles says who holds roles from the next [Oracle.Apply] on; nil: who is to hold
// them while all hosts are alive.
func (o *Oracle) Roles(r overlay.Roles) { o.roles = r }

// Filling names the subnets that a host bounces without knowing any of their
// endpoints yet. It counts from the next [Oracle.Apply] on.
func (o *Oracle) Filling(host string, subnets []string) { o.filling[host] = slices.Clone(subnets) }

// Forget removes what hosts have learned of some places, or of all when none is
// named.
func (o *Oracle) Forget(places ...state.Place) {
	names := map[uint32]string{}
	for _, v := range o.real.set.VPCs {
		names[v.VNI] = v.Name
	}
	for _, n := range o.nodes {
		if len(places) == 0 {
			n.paths = map[place]path{}
		}
		for _, at := range places {
			delete(n.paths, place{names[at.VNI], at.Address})
		}
	}
}

// Advance steps the clock.
func (o *Oracle) Advance(d time.Duration) { o.time += d }

// now is the time at a host.
func (o *Oracle) now(host string) time.Duration { return o.time + o.ahead[host] }
