// SPDX-License-Identifier: Apache-2.0

package scenario

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/controlplane/object/strict"
	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/topology"
)

// underlay reads segments and routers:
//
//	segments:
//	  left:  {cidrs: [192.0.2.0/25]}
//	  right: {cidrs: [192.0.2.128/25], mtu: 1500}
//	routers:
//	  r1: {ports: {left: {addresses: [192.0.2.126]}, right: {addresses: [192.0.2.254]}}}
func (d *decoder) underlay(segments, routers strict.Value, mtu int) topology.Underlay {
	var u topology.Underlay
	if mtu == 0 {
		mtu = object.DefaultMTU
	}
	for _, e := range segments.Entries() {
		u.Segments = append(u.Segments, segment(e, mtu, u))
	}
	slices.SortFunc(u.Segments, func(a, b topology.Segment) int { return strings.Compare(a.Name, b.Name) })
	taken := map[netip.Addr]string{}
	for _, e := range routers.Entries() {
		u.Routers = append(u.Routers, router(e, u, taken))
	}
	slices.SortFunc(u.Routers, func(a, b topology.Router) int { return strings.Compare(a.Name, b.Name) })
	if routers.Present() && len(u.Segments) < 2 {
		routers.FailGot("routers without segments to join", "two segments at least")
	}
	return u
}

// segment reads one; before are those that stand above it.
func segment(e strict.Entry, mtu int, before topology.Underlay) topology.Segment {
	f := e.Value.Fields("cidrs", "mtu")
	cidrs := f.Required("cidrs", "one or two prefixes, one a family")
	s := topology.Segment{Name: e.Key, CIDRs: strict.Each(cidrs, strict.Value.Prefix), MTU: f.Optional("mtu").Int(object.MinMTU, object.MaxMTU)}
	if s.MTU == 0 {
		s.MTU = mtu
	}
	for i, v := range cidrs.List() {
		c := s.CIDRs[i]
		if !c.IsValid() {
			continue
		}
		if c != c.Masked() {
			v.Fail("a prefix without host bits")
		}
		for _, other := range append(before.Segments, topology.Segment{Name: s.Name, CIDRs: s.CIDRs[:i]}) {
			for _, o := range other.CIDRs {
				if o.IsValid() && (o.Overlaps(c) || (other.Name == s.Name && o.Addr().Is4() == c.Addr().Is4())) {
					v.FailGot(fmt.Sprintf("%s beside %s of segment %s", c, o, other.Name), "one prefix a family, with addresses that no other segment has")
				}
			}
		}
	}
	return s
}

// router reads one router.
func router(e strict.Entry, u topology.Underlay, taken map[netip.Addr]string) topology.Router {
	r := topology.Router{Name: e.Key}
	ports := e.Value.Fields("ports").Required("ports", "the segments that the router is on, with its addresses there")
	for _, port := range ports.Entries() {
		f := port.Value.Fields("addresses", "mac")
		s, known := u.Segment(port.Key)
		if !known {
			unknown(port.Value, "segment", port.Key, segmentNames(u))
		}
		p := topology.RouterPort{Segment: port.Key, MTU: s.MTU, MAC: state.MAC(f.Optional("mac").MAC())}
		if p.MAC == (state.MAC{}) {
			p.MAC = topology.RouterMAC(r.Name, p.Segment)
		}
		addresses := f.Required("addresses", "one or two addresses of the segment")
		for _, v := range addresses.List() {
			if a := v.Addr(); a.IsValid() && known {
				p.Addresses = append(p.Addresses, onSegment(v, a, s, r.Name, taken))
			}
		}
		r.Ports = append(r.Ports, p)
	}
	slices.SortFunc(r.Ports, func(a, b topology.RouterPort) int { return strings.Compare(a.Segment, b.Segment) })
	if ports.Present() && len(r.Ports) < 2 {
		ports.FailGot(fmt.Sprintf("%d ports", len(r.Ports)), "two at least: a router joins segments")
	}
	return r
}

// onSegment is a router's address with the length of its segment's prefix.
func onSegment(v strict.Value, a netip.Addr, s topology.Segment, router string, taken map[netip.Addr]string) netip.Prefix {
	if other, ok := taken[a]; ok {
		v.FailGot(fmt.Sprintf("%s, an address of router %s", a, other), "an address of its own for each port")
	}
	taken[a] = router
	for _, c := range s.CIDRs {
		if c.IsValid() && c.Contains(a) {
			return netip.PrefixFrom(a, c.Bits())
		}
	}
	v.Fail(fmt.Sprintf("an address of segment %s, %v", s.Name, s.CIDRs))
	return netip.Prefix{}
}

func segmentNames(u topology.Underlay) []string {
	var names []string
	for _, s := range u.Segments {
		names = append(names, s.Name)
	}
	return names
}

// place checks that every host of a set is on one segment, and none has a
// router's address.
func (d *decoder) place(set object.Set, u topology.Underlay) {
	if !u.Routed() {
		return
	}
	for _, h := range set.Hosts {
		fail := func(field, got, want string) {
			d.others = append(d.others, &object.Error{
				File: h.At.File, Line: h.At.Line, Object: object.Ref{Kind: object.KindHost, Key: h.Key()}.String(),
				Field: field, Got: got, Want: want,
			})
		}
		if h.VLAN != 0 {
			fail("vlan", fmt.Sprint(h.VLAN), "an untagged underlay, because routers know no tags")
		}
		first, _, _ := u.Of(h.Addresses[0])
		for i, a := range h.Addresses {
			field := fmt.Sprintf("addresses[%d]", i)
			on, _, ok := u.Of(a)
			_, routers := u.MACOf(a)
			switch {
			case !ok:
				fail(field, a.String(), fmt.Sprintf("an address of one of the segments %s", strings.Join(segmentNames(u), ", ")))
			case routers:
				fail(field, a.String()+", a router's address", "one of its own")
			case on.Name != first.Name:
				fail(field, fmt.Sprintf("%s of segment %s, beside one of %s", a, on.Name, first.Name), "all addresses of one segment: a host has one uplink")
			}
			if ok && h.MTU > on.MTU {
				fail("mtu", fmt.Sprint(h.MTU), fmt.Sprintf("at most %d, what segment %s carries", on.MTU, on.Name))
			}
		}
	}
}

// Rebuild is a change of the underlay while the network runs.
type Rebuild struct {
	// Underlay is the whole after the change.
	Underlay topology.Underlay
	// What was changed, for people.
	What []string
}

// rebuild reads other MACs of routers and MTUs of segments:
//
//	underlay: {routers: {r1: {left: {mac: "02:aa:00:00:00:01"}}}, segments: {right: {mtu: 1400}}}
func (d *decoder) rebuild(v strict.Value) *Rebuild {
	f := v.Fields("routers", "segments")
	before := d.failures()
	c := &Rebuild{Underlay: clone(d.ground)}
	for _, e := range f.Optional("routers").Entries() {
		c.router(e)
	}
	for _, e := range f.Optional("segments").Entries() {
		c.segment(e)
	}
	if len(c.What) == 0 && d.failures() == before {
		v.FailGot("no change", "routers with ports' MACs, or segments with MTUs")
	}
	d.ground = c.Underlay
	return c
}

// router reads other MACs of one router's ports.
func (c *Rebuild) router(e strict.Entry) {
	r, known := c.Underlay.Router(e.Key)
	if !known {
		var names []string
		for _, r := range c.Underlay.Routers {
			names = append(names, r.Name)
		}
		unknown(e.Value, "router", e.Key, names)
	}
	for _, port := range e.Value.Entries() {
		mac := state.MAC(port.Value.Fields("mac").Required("mac", "the port's new Ethernet address").MAC())
		k := slices.IndexFunc(r.Ports, func(p topology.RouterPort) bool { return p.Segment == port.Key })
		switch {
		case k >= 0:
			r.Ports[k].MAC = mac // the router's own, as the underlay is a clone
			c.What = append(c.What, fmt.Sprintf("router %s on %s has MAC %s", e.Key, port.Key, mac))
		case known:
			port.Value.FailGot("a port on "+port.Key, fmt.Sprintf("a segment that router %s is on", e.Key))
		}
	}
}

// segment reads another MTU of one segment.
func (c *Rebuild) segment(e strict.Entry) {
	mtu := e.Value.Fields("mtu").Required("mtu", "the largest IP packet that routers put on it").Int(object.MinMTU, object.MaxMTU)
	i := slices.IndexFunc(c.Underlay.Segments, func(s topology.Segment) bool { return s.Name == e.Key })
	if i < 0 {
		unknown(e.Value, "segment", e.Key, segmentNames(c.Underlay))
		return
	}
	c.Underlay.Segments[i].MTU = mtu
	for _, r := range c.Underlay.Routers {
		for p := range r.Ports {
			if r.Ports[p].Segment == e.Key {
				r.Ports[p].MTU = mtu
			}
		}
	}
	c.What = append(c.What, fmt.Sprintf("segment %s carries %d bytes", e.Key, mtu))
}

// clone is an underlay whose parts can be changed.
func clone(u topology.Underlay) topology.Underlay {
	u.Segments, u.Routers = slices.Clone(u.Segments), slices.Clone(u.Routers)
	for i := range u.Routers {
		u.Routers[i].Ports = slices.Clone(u.Routers[i].Ports)
	}
	return u
}
