// SPDX-License-Identifier: Apache-2.0

package fuzz

import (
	"net/netip"

	"github.com/mizar-net/mizar/dataplane/state"
)

// The ports of the host.
const (
	uplinkPort    = 1
	mePort        = 100
	neighbourPort = 101
	bluePort      = 102
	nobodysPort   = 999
	underlayMTU   = 1500
	endpointMTU   = 1400
	red, blue     = 100, 200
)

// The host h3 of every case, and who else there is.
//
//	h1 192.0.2.1   bounces a, divides ──┐               ┌ me         a, VPC red
//	h2 2001:db8::2 bounces b          ──┼ underlay ─ h3 ┼ neighbour  b, VPC red
//	h4 192.0.2.4   has no role        ──┘               └ me's twin  c, VPC blue
var (
	self4, self6 = netip.MustParseAddr("192.0.2.3"), netip.MustParseAddr("2001:db8::3")
	h1, h2, h4   = netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::2"), netip.MustParseAddr("192.0.2.4")
	stranger     = netip.MustParseAddr("203.0.113.9")

	gatewayMAC = state.MAC{2, 0x4d, 0x5a, 0, 0, 100}
	uplinkMAC  = state.MAC{2, 1, 1, 1, 1, 3}
	hopMAC     = map[netip.Addr]state.MAC{h1: {2, 1, 1, 1, 1, 1}, h2: {2, 1, 1, 1, 1, 2}, h4: {2, 1, 1, 1, 1, 4}}
)

// endpoint is one of the host's.
type endpoint struct {
	name       string
	port, vni  uint32
	subnet     *subnet
	v4, v6     netip.Addr
	mac        state.MAC
	identity   uint32
	generation uint8
}

type subnet struct {
	name     string
	vni      uint32
	v4, v6   netip.Prefix
	bouncers []string // others
}

// gateway is that of the family of the address.
func (s *subnet) gateway(like netip.Addr) netip.Addr { return s.of(like).Addr().Next() }

func (s *subnet) of(like netip.Addr) netip.Prefix {
	if like.Unmap().Is4() {
		return s.v4
	}
	return s.v6
}

var (
	subnetA = &subnet{"a", red, netip.MustParsePrefix("10.0.0.0/24"), netip.MustParsePrefix("fd00:a::/64"), []string{"h1"}}
	subnetB = &subnet{"b", red, netip.MustParsePrefix("10.0.1.0/24"), netip.MustParsePrefix("fd00:b::/64"), []string{"h2"}}
	subnetC = &subnet{"c", blue, netip.MustParsePrefix("10.0.0.0/24"), netip.MustParsePrefix("fd00:a::/64"), nil}
	subnets = []*subnet{subnetA, subnetB, subnetC}

	me        = &endpoint{"me", mePort, red, subnetA, netip.MustParseAddr("10.0.0.10"), netip.MustParseAddr("fd00:a::10"), state.MAC{2, 0, 0, 0, 0, 10}, 70, 3}
	neighbour = &endpoint{"neighbour", neighbourPort, red, subnetB, netip.MustParseAddr("10.0.1.11"), netip.MustParseAddr("fd00:b::11"), state.MAC{2, 0, 0, 0, 0, 11}, 71, 4}
	twin      = &endpoint{"twin", bluePort, blue, subnetC, me.v4, me.v6, state.MAC{2, 0, 0, 0, 0, 12}, 72, 5}
	endpoints = []*endpoint{me, neighbour, twin}
)

// place is where an endpoint of another host is.
type place struct {
	subnet     *subnet
	host       string
	identity   uint32
	generation uint8
}

// elsewhere are the endpoints of other hosts, all in VPC red; the last two are
// said to be here, and are not.
var elsewhere = map[netip.Addr]place{
	netip.MustParseAddr("10.0.0.20"):  {subnetA, "h4", 80, 9},
	netip.MustParseAddr("fd00:a::20"): {subnetA, "h4", 80, 9},
	netip.MustParseAddr("10.0.1.21"):  {subnetB, "h1", 81, 10},
	netip.MustParseAddr("fd00:b::21"): {subnetB, "h1", 81, 10},
	netip.MustParseAddr("10.0.1.22"):  {subnetB, "h2", 82, 11},
	netip.MustParseAddr("fd00:b::22"): {subnetB, "h2", 82, 11},
	netip.MustParseAddr("10.0.0.30"):  {subnetA, "h3", 83, 12},
	netip.MustParseAddr("fd00:a::30"): {subnetA, "h3", 83, 12},
}

// Role is what the host is to VPC red.
type Role uint8

// The roles.
const (
	None     Role = iota // neither bouncer nor divider
	Filling              // bounces a and b, its directory is not complete
	Complete             // bounces a and b, and divides
	Divider              // divides only
	roles
)

func (r Role) bounces() state.Bouncer {
	return [...]state.Bouncer{state.NoBouncer, state.Filling, state.Complete, state.NoBouncer}[r]
}

func (r Role) divides() bool { return r == Complete || r == Divider }

// dividers of VPC red.
func (r Role) dividers() []string {
	if r.divides() {
		return []string{"h1", "h3"}
	}
	return []string{"h1"}
}

// bouncers of a subnet.
func (r Role) bouncers(s *subnet) []string {
	if r.bounces() != state.NoBouncer && s.vni == red {
		return append(append([]string(nil), s.bouncers...), "h3")
	}
	return s.bouncers
}

// routed says that the host knows the subnet as one it bounces or divides.
func (r Role) routed(s *subnet) bool {
	return s.vni == red && (r.divides() || r.bounces() != state.NoBouncer)
}

// located is what the host's directory says.
func (r Role) located(vni uint32, a netip.Addr) (place, bool) {
	if vni != red || r.bounces() == state.NoBouncer {
		return place{}, false
	}
	p, ok := elsewhere[a]
	return p, ok
}

// host is what the machine holds.
func (r Role) host() (state.Host, state.Local) {
	s := state.Host{
		Name: "h3", Addresses: []netip.Addr{self4, self6}, MTU: underlayMTU,
		Peers: []state.Peer{{Name: "h1", Addresses: []netip.Addr{h1}}, {Name: "h2", Addresses: []netip.Addr{h2}}, {Name: "h4", Addresses: []netip.Addr{h4}}},
		VPCs:  []state.VPC{{Name: "blue", VNI: blue}, {Name: "red", VNI: red, Dividers: r.dividers(), Divider: r.divides()}},
	}
	l := state.Local{UplinkIndex: uplinkPort, UplinkMAC: uplinkMAC, NextHops: hopMAC, Ports: map[string]uint32{}}
	for _, n := range subnets {
		c := state.Subnet{Name: n.name, VNI: n.vni, CIDRs: []netip.Prefix{n.v4, n.v6}, Gateways: []netip.Addr{n.gateway(n.v4.Addr()), n.gateway(n.v6.Addr())},
			GatewayMAC: gatewayMAC, Bouncers: r.bouncers(n)}
		if n.vni == red {
			c.Bouncer = r.bounces()
		}
		s.Subnets = append(s.Subnets, c)
	}
	s.Services, s.Outside = services(), outsideServices()
	for _, e := range endpoints {
		s.Endpoints = append(s.Endpoints, state.Endpoint{Name: e.name, VNI: e.vni, Subnet: e.subnet.name, Addresses: []netip.Addr{e.v4, e.v6},
			MAC: e.mac, MTU: endpointMTU, Identity: e.identity, Generation: e.generation})
		l.Ports[e.name] = e.port
	}
	for a, p := range elsewhere {
		if r.bounces() != state.NoBouncer {
			s.Directory = append(s.Directory, state.Location{VNI: red, Address: a, Subnet: p.subnet.name, Host: p.host, Identity: p.identity, Generation: p.generation})
		}
	}
	return s, l
}

// atPort is the endpoint of a port.
func atPort(port uint32) *endpoint {
	for _, e := range endpoints {
		if e.port == port {
			return e
		}
	}
	return nil
}

// living is the endpoint of this host that has an address.
func living(vni uint32, a netip.Addr) *endpoint {
	for _, e := range endpoints {
		if e.vni == vni && (e.v4 == a || e.v6 == a) {
			return e
		}
	}
	return nil
}

// subnetOf is the subnet of a VPC that holds an address.
func subnetOf(vni uint32, a netip.Addr) *subnet {
	for _, s := range subnets {
		if s.vni == vni && s.of(a).Contains(a) {
			return s
		}
	}
	return nil
}

// named is a host's address of the underlay.
var named = map[string]netip.Addr{"h1": h1, "h2": h2, "h4": h4}

// nameOf is the name of the host with an address of the underlay, "" for none.
func nameOf(a netip.Addr) string {
	for name, at := range named {
		if at == a {
			return name
		}
	}
	return ""
}
