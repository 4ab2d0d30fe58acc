// SPDX-License-Identifier: Apache-2.0

package nexthop

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/mizar-net/mizar/dataplane/state"
)

// readAll reads devices, routes and neighbours anew.
func (w *Watcher) readAll() error {
	again := func(err error) bool { return errors.Is(err, netlink.ErrDumpInterrupted) }
	for {
		err := w.readOnce()
		if again(err) {
			continue // something changed meanwhile
		}
		return err
	}
}

func (w *Watcher) readOnce() error {
	links, err := w.kernel.LinkList()
	if err != nil {
		return fmt.Errorf("list devices: %w", err)
	}
	routes, err := w.kernel.RouteListFiltered(netlink.FAMILY_ALL, &netlink.Route{Table: unix.RT_TABLE_MAIN}, netlink.RT_FILTER_TABLE)
	if err != nil {
		return fmt.Errorf("list routes: %w", err)
	}
	neighbours, err := w.kernel.NeighList(0, netlink.FAMILY_ALL)
	if err != nil {
		return fmt.Errorf("list neighbours: %w", err)
	}
	w.table = Table{Devices: map[int]Device{}, Neighbours: map[Neighbour]state.MAC{}}
	for _, l := range links {
		a := l.Attrs()
		w.table.Devices[a.Index] = Device{MAC: hardware(a.HardwareAddr), MTU: a.MTU, Up: a.RawFlags&unix.IFF_UP != 0 && a.RawFlags&unix.IFF_LOWER_UP != 0}
	}
	for _, r := range routes {
		if known, ok := route(r); ok {
			w.table.Routes = append(w.table.Routes, known)
		}
	}
	w.neighbours = map[Neighbour]neighbour{}
	for _, n := range neighbours {
		w.note(n, false)
	}
	return nil
}

// route is one of the kernel's; false for those that decide nothing here.
func route(r netlink.Route) (Route, bool) {
	to, ok := prefixOf(r)
	if !ok {
		return Route{}, false
	}
	known := Route{To: to, Metric: r.Priority, MTU: r.MTU, Source: address(r.Src)}
	switch r.Type {
	case unix.RTN_UNICAST:
	case unix.RTN_BLACKHOLE, unix.RTN_UNREACHABLE, unix.RTN_PROHIBIT:
		known.Forbidden = true
		return known, true
	default:
		return Route{}, false
	}
	for _, leg := range r.MultiPath {
		known.Via = append(known.Via, Via{Device: leg.LinkIndex, Gateway: gateway(leg.Gw, leg.Via)})
	}
	if len(r.MultiPath) == 0 {
		known.Via = []Via{{Device: r.LinkIndex, Gateway: gateway(r.Gw, r.Via)}}
	}
	return known, true
}

// prefixOf is a route's; the default route may have none written.
func prefixOf(r netlink.Route) (netip.Prefix, bool) {
	if r.Dst != nil {
		ones, _ := r.Dst.Mask.Size()
		return netip.PrefixFrom(address(r.Dst.IP), ones), address(r.Dst.IP).IsValid()
	}
	if r.Family == unix.AF_INET6 {
		return netip.PrefixFrom(netip.IPv6Unspecified(), 0), true
	}
	return netip.PrefixFrom(netip.IPv4Unspecified(), 0), r.Family == unix.AF_INET
}

// gateway is a next hop of the route's family, or of the other (RTA_VIA).
func gateway(own net.IP, other netlink.Destination) netip.Addr {
	if via, ok := other.(*netlink.Via); ok && via != nil {
		return address(via.Addr)
	}
	return address(own)
}

func address(ip net.IP) netip.Addr {
	a, _ := netip.AddrFromSlice(ip)
	return a.Unmap()
}

// hardware is an Ethernet address; the zero value for any other.
func hardware(a net.HardwareAddr) (m state.MAC) {
	if len(a) == len(m) {
		copy(m[:], a)
	}
	return m
}

// valid are the states of a neighbour whose address can be used, NUD_VALID of
// the kernel.
const valid = netlink.NUD_PERMANENT | netlink.NUD_NOARP | netlink.NUD_REACHABLE | netlink.NUD_PROBE | netlink.NUD_STALE | netlink.NUD_DELAY

// note takes over what the kernel says of a neighbour. Bridges have some of
// their own, which are none of ours.
func (w *Watcher) note(n netlink.Neigh, gone bool) {
	if n.Family != unix.AF_INET && n.Family != unix.AF_INET6 {
		return
	}
	key := Neighbour{n.LinkIndex, address(n.IP)}
	delete(w.table.Neighbours, key)
	delete(w.neighbours, key)
	if gone {
		return
	}
	w.neighbours[key] = neighbour{hardware(n.HardwareAddr), n.State}
	if n.State&valid != 0 && hardware(n.HardwareAddr) != (state.MAC{}) {
		w.table.Neighbours[key] = hardware(n.HardwareAddr)
	}
}

// attend makes the kernel look for next hops that it does not know, and ask
// those that it has not heard of for a while whether they are still there.
// Nothing here waits: what comes of it is an event, and an event leads back
// here, so that a silent next hop is asked for as often as the kernel gives up.
func (w *Watcher) attend() {
	for key := range w.needed() {
		known := w.neighbours[key]
		ask := &netlink.Neigh{LinkIndex: key.Device, IP: key.IP.AsSlice()}
		switch known.state {
		case netlink.NUD_STALE:
			ask.State, ask.HardwareAddr = netlink.NUD_PROBE, known.mac[:]
		case netlink.NUD_NONE, netlink.NUD_FAILED:
			ask.Flags = netlink.NTF_USE
		default:
			continue
		}
		// A device that goes meanwhile is an event too.
		_ = w.kernel.NeighSet(ask)
	}
}

// needed are the neighbours that answers stand on.
func (w *Watcher) needed() map[Neighbour]bool {
	all := map[Neighbour]bool{}
	for _, hop := range w.answers {
		if hop.Why == Resolved || hop.Why == NoNeighbour {
			all[Neighbour{hop.Device, hop.IP}] = true
		}
	}
	return all
}
