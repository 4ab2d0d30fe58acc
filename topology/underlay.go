// SPDX-License-Identifier: Apache-2.0

package topology

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/mizar-net/mizar/dataplane/state"
)

// Underlay is the network between hosts: L2 segments, and routers between them.
//
//	h1 ── left ── r1 ── right ── h2
//
// The zero value is one segment with all hosts on it, whatever their addresses
// are. Slices are sorted by name.
type Underlay struct {
	Segments []Segment
	Routers  []Router
	// Outside is who is there and in no overlay. All of it is one machine, which hosts
	// send what is for the outside to.
	Outside []Outsider
}

// Segment is one L2 network of the underlay, on which every host reaches every
// other without a router.
type Segment struct {
	Name string
	// CIDRs are the addresses on it, at most one prefix a family; none: all
	// addresses are on it.
	CIDRs []netip.Prefix
	// MTU is the largest IP packet that its routers put on it, in bytes.
	MTU int
}

// Router joins segments: it forwards between its ports.
type Router struct {
	Name string
	// Ports are sorted by segment.
	Ports []RouterPort
}

// RouterPort is a router's place on one segment.
type RouterPort struct {
	Segment string
	// Addresses have the length of their segment's prefix, at most one a
	// family.
	Addresses []netip.Prefix
	MAC       state.MAC
	// MTU is the segment's.
	MTU int
}

// Route is where packets to a prefix go next.
type Route struct {
	To  netip.Prefix
	Via netip.Addr
}

// OneSegment is the name of the only segment of an underlay that names none.
const OneSegment = "underlay"

// Routed says that addresses decide who is on which segment.
func (u Underlay) Routed() bool { return len(u.Segments) > 0 }

// Segment returns the segment of that name.
func (u Underlay) Segment(name string) (Segment, bool) {
	i := slices.IndexFunc(u.Segments, func(s Segment) bool { return s.Name == name })
	if i < 0 {
		return Segment{}, false
	}
	return u.Segments[i], true
}

// Router returns the router of that name.
func (u Underlay) Router(name string) (Router, bool) {
	i := slices.IndexFunc(u.Routers, func(r Router) bool { return r.Name == name })
	if i < 0 {
		return Router{}, false
	}
	return u.Routers[i], true
}

// Of returns the segment that an address is on, and its prefix there.
func (u Underlay) Of(a netip.Addr) (Segment, netip.Prefix, bool) {
	for _, s := range u.Segments {
		for _, c := range s.CIDRs {
			if c.Contains(a) {
				return s, c, true
			}
		}
	}
	return Segment{}, netip.Prefix{}, false
}

// RouterMAC is the Ethernet address of a router's port that none is given for.
func RouterMAC(router, segment string) state.MAC {
	h := sum(router + "/" + segment)
	return state.MAC{0x02, 0x72, byte(h >> 24), byte(h >> 16), byte(h >> 8), byte(h)}
}

// Routes are those of whoever is on a segment, to all others that routers lead
// to: by the fewest routers, and of equals the first by name.
func (u Underlay) Routes(segment string) []Route {
	var all []Route
	for _, s := range u.Segments {
		if s.Name == segment {
			continue
		}
		for _, c := range s.CIDRs {
			if via, ok := u.towards(segment, s.Name, c.Addr().Is4()); ok {
				all = append(all, Route{To: c, Via: via})
			}
		}
	}
	return all
}

// RoutesOf are those of a router to segments that it is not on.
func (u Underlay) RoutesOf(router string) []Route {
	r, _ := u.Router(router)
	var all []Route
	for _, s := range u.Segments {
		if slices.ContainsFunc(r.Ports, func(p RouterPort) bool { return p.Segment == s.Name }) {
			continue
		}
		for _, c := range s.CIDRs {
			if via, ok := u.fewest(r, s.Name, c.Addr().Is4()); ok {
				all = append(all, Route{To: c, Via: via})
			}
		}
	}
	return all
}

// fewest is a router's next router to a segment that it is not on, by the port
// that leads there by the fewest others.
func (u Underlay) fewest(r Router, to string, v4 bool) (via netip.Addr, ok bool) {
	least := len(u.Routers) + 1
	for _, p := range r.Ports {
		hop, length, found := u.path(p.Segment, to, v4, r.Name)
		if found && length < least {
			via, least, ok = hop, length, true
		}
	}
	return via, ok
}

// towards is the address of the router on one segment that leads to another.
func (u Underlay) towards(from, to string, v4 bool) (netip.Addr, bool) {
	via, _, ok := u.path(from, to, v4, "")
	return via, ok
}

// path walks from segment to segment, the nearest first, without one router:
// the first router's address on the way, and how many there are.
func (u Underlay) path(from, to string, v4 bool, without string) (via netip.Addr, length int, ok bool) {
	type step struct {
		segment string
		first   netip.Addr
		length  int
	}
	seen := map[string]bool{from: true}
	for queue := []step{{segment: from}}; len(queue) > 0; queue = queue[1:] {
		at := queue[0]
		if at.segment == to {
			return at.first, at.length, true
		}
		for _, r := range u.Routers {
			enters, on := r.on(at.segment)
			address, speaks := enters.address(v4)
			if !on || !speaks || r.Name == without {
				continue
			}
			first := at.first
			if at.length == 0 {
				first = address
			}
			for _, p := range r.Ports {
				if _, speaks := p.address(v4); speaks && !seen[p.Segment] {
					seen[p.Segment] = true
					queue = append(queue, step{p.Segment, first, at.length + 1})
				}
			}
		}
	}
	return netip.Addr{}, 0, false
}

// on is the router's port on a segment.
func (r Router) on(segment string) (RouterPort, bool) {
	i := slices.IndexFunc(r.Ports, func(p RouterPort) bool { return p.Segment == segment })
	if i < 0 {
		return RouterPort{}, false
	}
	return r.Ports[i], true
}

func (p RouterPort) address(v4 bool) (netip.Addr, bool) {
	for _, a := range p.Addresses {
		if a.Addr().Is4() == v4 {
			return a.Addr(), true
		}
	}
	return netip.Addr{}, false
}

// Address is the port's own of the family of another.
func (p RouterPort) Address(like netip.Addr) (netip.Addr, bool) { return p.address(like.Is4()) }

// MACOf is the Ethernet address of the router that has an underlay address.
func (u Underlay) MACOf(a netip.Addr) (state.MAC, bool) {
	for _, r := range u.Routers {
		for _, p := range r.Ports {
			for _, own := range p.Addresses {
				if own.Addr() == a {
					return p.MAC, true
				}
			}
		}
	}
	return state.MAC{}, false
}

// PortOf is the router's port with an Ethernet address.
func (u Underlay) PortOf(m state.MAC) (Router, RouterPort, bool) {
	for _, r := range u.Routers {
		for _, p := range r.Ports {
			if p.MAC == m {
				return r, p, true
			}
		}
	}
	return Router{}, RouterPort{}, false
}

// NextHop is whom somebody on a segment gives packets to an address to: the
// address itself, or a router there.
func (u Underlay) NextHop(segment string, to netip.Addr) (netip.Addr, bool) {
	s, _, ok := u.Of(to)
	if !ok {
		return netip.Addr{}, false
	}
	if s.Name == segment {
		return to, true
	}
	return u.towards(segment, s.Name, to.Is4())
}

// Forward is by which of its ports a router sends packets to an address, and to
// whom on that segment.
func (u Underlay) Forward(r Router, to netip.Addr) (out RouterPort, hop netip.Addr, ok bool) {
	s, _, ok := u.Of(to)
	if !ok {
		return RouterPort{}, netip.Addr{}, false
	}
	if p, on := r.on(s.Name); on {
		return p, to, true
	}
	hop, ok = u.fewest(r, s.Name, to.Is4())
	if !ok {
		return RouterPort{}, netip.Addr{}, false
	}
	on, _, _ := u.Of(hop)
	out, ok = r.on(on.Name)
	return out, hop, ok
}

// Over is [FromStates] on an underlay: hosts are on the segments that their
// addresses are of.
func Over(u Underlay, hosts []state.Host) (Topology, error) {
	t := FromStates(hosts)
	t.Outside = u.Outside
	if !u.Routed() {
		return t, nil
	}
	t.Segments, t.Routers = u.Segments, u.Routers
	for i := range t.Hosts {
		if err := t.Hosts[i].place(u); err != nil {
			return Topology{}, err
		}
	}
	return t, nil
}

// place puts a host on its segment, with routes to all others.
func (h *Host) place(u Underlay) error {
	var on []string
	for _, a := range h.Addresses {
		s, prefix, ok := u.Of(a)
		if !ok {
			return fmt.Errorf("host %s: its address %s is on none of the segments; add the prefix to one", h.Name, a)
		}
		h.Links = append(h.Links, prefix)
		on = append(on, s.Name)
	}
	if slices.Sort(on); len(slices.Compact(slices.Clone(on))) != 1 {
		return fmt.Errorf("host %s: its addresses are on segments %s; a host has one uplink, so take addresses of one", h.Name, strings.Join(on, " and "))
	}
	h.Segment = on[0]
	for _, r := range u.Routes(h.Segment) {
		if slices.ContainsFunc(h.Addresses, func(a netip.Addr) bool { return a.Is4() == r.To.Addr().Is4() }) {
			h.Routes = append(h.Routes, r)
		}
	}
	h.Routes = append(h.Routes, u.routesOut(*h)...)
	return nil
}

// checkRouters says what stops routers from being built.
func (t Topology) checkRouters(macs map[state.MAC]string, addresses map[netip.Addr]string, devices map[string]string) error {
	var errs []error
	for _, r := range t.Routers {
		for _, p := range r.Ports {
			who := fmt.Sprintf("router %s on %s", r.Name, p.Segment)
			if other, ok := macs[p.MAC]; ok {
				errs = append(errs, fmt.Errorf("%s and %s: both have MAC %s; give one another", other, who, p.MAC))
			}
			macs[p.MAC] = who
			for _, a := range p.Addresses {
				if other, ok := addresses[a.Addr()]; ok {
					errs = append(errs, fmt.Errorf("%s and %s: both have underlay address %s; give each its own", other, who, a.Addr()))
				}
				addresses[a.Addr()] = who
			}
			errs = append(errs, claim(devices, Device(RouterPrefix, r.Name+"."+p.Segment), who),
				claim(devices, r.Name+" "+Device(FabricPrefix, p.Segment), who))
		}
	}
	return errors.Join(errs...)
}
