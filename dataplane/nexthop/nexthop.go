// SPDX-License-Identifier: Apache-2.0

// Package nexthop answers how a host reaches underlay addresses: by which
// device, from which address, by which next hop and its Ethernet address, and
// how large a packet may be. It reads the kernel's own routes and neighbours, so
// that whatever manages them (an operator, DHCP, BGP) manages the tunnels too.
//
//	routes, neighbours, devices ──Table.Resolve──► Hop       (pure)
//	netlink events ──Watch──► Changed(answers)               (kept current)
//
// A datapath that goes past the stack never confirms a neighbour, and the kernel
// would let it go stale; [Watch] has them asked for.
package nexthop

import (
	"net/netip"

	"github.com/mizar-net/mizar/dataplane/state"
)

// Hop is how an underlay address is reached.
type Hop struct {
	// Why says whether the rest holds.
	Why Why
	// Source is what the route prefers as our address; invalid: it says none.
	Source netip.Addr
	// Device is the index of the device that packets leave by, DeviceMAC its
	// address.
	Device    int
	DeviceMAC state.MAC
	// IP is the next hop: the address itself, or a gateway, of either family.
	IP netip.Addr
	// MAC is the next hop's. Zero unless resolved.
	MAC state.MAC
	// MTU is the largest IP packet of the way, in bytes: the route's own, or
	// the device's.
	MTU int
}

// Why says whether an address can be reached, and if not, what is missing.
type Why string

// The reasons.
const (
	// Resolved: packets can be sent.
	Resolved Why = "resolved"
	// NoRoute: no route has the address, or the best forbids it.
	NoRoute Why = "no route"
	// DeviceDown: all routes that have it leave by a device without a link.
	DeviceDown Why = "device down"
	// NoNeighbour: the next hop has not said its Ethernet address.
	NoNeighbour Why = "no neighbour"
)

// Route is one of the kernel's, of the main table.
type Route struct {
	To netip.Prefix
	// Via are the ways, of which one is taken.
	Via []Via
	// Metric decides between routes of one prefix, the lowest wins.
	Metric int
	// Source is the preferred source address, if any.
	Source netip.Addr
	// MTU is 0 unless the route says one.
	MTU int
	// Forbidden: packets are not to be sent (blackhole, unreachable, …).
	Forbidden bool
}

// Via is one way of a route.
type Via struct {
	Device int
	// Gateway is invalid for what is on the link itself.
	Gateway netip.Addr
}

// Device is one of the kernel's.
type Device struct {
	MAC state.MAC
	MTU int
	// Up says that it is set up and has a link.
	Up bool
}

// Neighbour is an address on a device's link.
type Neighbour struct {
	Device int
	IP     netip.Addr
}

// Table is what a host's kernel knows of its underlay. The zero value knows
// nothing.
type Table struct {
	Routes     []Route
	Devices    map[int]Device
	Neighbours map[Neighbour]state.MAC
}

// Resolve answers how an address is reached: the longest prefix decides, of equal
// ones the lowest metric. A route whose devices are all down is passed over, for
// one of a shorter prefix or a higher metric, as the kernel does that is told to
// ignore links that are down. An unspecified address stands for the outside, which
// is reached by a default route with a gateway, and by no other.
func (t Table) Resolve(to netip.Addr) Hop {
	hop := Hop{Why: NoRoute}
	var best *Route
	for i := range t.Routes {
		r := &t.Routes[i]
		if !r.To.Contains(to) || !better(r, best) {
			continue
		}
		if !r.Forbidden && len(t.usable(r)) == 0 {
			hop.Why = DeviceDown
			continue
		}
		best = r
	}
	if best == nil {
		return hop
	}
	if hop.Why = NoRoute; best.Forbidden {
		return hop
	}
	if along := t.along(best, to); along.IP != to || !to.IsUnspecified() {
		return along
	}
	return hop
}

// better says whether a route comes before another.
func better(r, than *Route) bool {
	switch {
	case than == nil || r.To.Bits() > than.To.Bits():
		return true
	case r.To.Bits() < than.To.Bits():
		return false
	}
	return r.Metric < than.Metric
}

// usable are the ways of a route by devices that are up.
func (t Table) usable(r *Route) []Via {
	var all []Via
	for _, v := range r.Via {
		if t.Devices[v.Device].Up {
			all = append(all, v)
		}
	}
	return all
}

// along is the hop of a route that has one.
func (t Table) along(r *Route, to netip.Addr) Hop {
	v := choose(t.usable(r), to)
	d := t.Devices[v.Device]
	hop := Hop{Why: NoNeighbour, Source: r.Source, Device: v.Device, DeviceMAC: d.MAC, IP: v.Gateway, MTU: d.MTU}
	if !hop.IP.IsValid() {
		hop.IP = to
	}
	if r.MTU > 0 {
		hop.MTU = min(r.MTU, d.MTU)
	}
	if mac, ok := t.Neighbours[Neighbour{v.Device, hop.IP}]; ok {
		hop.MAC, hop.Why = mac, Resolved
	}
	return hop
}

// choose takes one of several ways, for one address always the same, so that
// the packets of a tunnel stay in order.
func choose(ways []Via, to netip.Addr) Via {
	sum := uint32(2166136261) // FNV-1a
	for _, b := range to.As16() {
		sum = (sum ^ uint32(b)) * 16777619
	}
	return ways[sum%uint32(len(ways))]
}
