// SPDX-License-Identifier: Apache-2.0

package corpus

import (
	"net/netip"

	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/capture"
)

// The host that all frames meet. It bounces subnet b and divides the VPC; the
// endpoint that sends them is in subnet a, which h1 bounces.
//
//	h1 198.18.0.1 ──┐                  ┌ me        subnet a  (MTU of a jumbo underlay)
//	h2 2001:2::2  ──┴─ underlay ── h3 ─┴ neighbour subnet b
const (
	vni           = 0x4d5a01
	underlayMTU   = 9000
	endpointMTU   = underlayMTU - 40 - 8 - 8 - 8 - 14 - 28
	uplinkPort    = 1
	myPort        = 100
	neighbourPort = 101
)

var (
	gatewayMAC   = state.MAC{2, 0x4d, 0x5a, 0x4d, 0x5a, 1}
	myMAC        = state.MAC{2, 0, 0, 0, 0, 10}
	neighbourMAC = state.MAC{2, 0, 0, 0, 0, 11}
	uplinkMAC    = state.MAC{2, 1, 1, 1, 1, 3}
	h1MAC        = state.MAC{2, 1, 1, 1, 1, 1}
	h2MAC        = state.MAC{2, 1, 1, 1, 1, 2}

	self4, self6 = netip.MustParseAddr("198.18.0.3"), netip.MustParseAddr("2001:2::3")
	h1, h2       = netip.MustParseAddr("198.18.0.1"), netip.MustParseAddr("2001:2::2")

	// me sends; the others are sent to: asked is in my own subnet and behind
	// h1, which bounces it; far is in subnet b and behind h2, near in subnet b
	// and behind h1; neighbour is in subnet b and behind this host.
	me        = endpoint("me", myMAC, "100.64.0.10", "fd4d:5a:0:a::10")
	neighbour = endpoint("neighbour", neighbourMAC, "100.64.1.11", "fd4d:5a:0:b::11")
	asked     = endpoint("asked", state.MAC{}, "100.64.0.20", "fd4d:5a:0:a::20")
	far       = endpoint("far", state.MAC{}, "100.64.1.22", "fd4d:5a:0:b::22")
	near      = endpoint("near", state.MAC{}, "100.64.1.21", "fd4d:5a:0:b::21")

	subnetA = []netip.Prefix{netip.MustParsePrefix("100.64.0.0/24"), netip.MustParsePrefix("fd4d:5a:0:a::/64")}
	subnetB = []netip.Prefix{netip.MustParsePrefix("100.64.1.0/24"), netip.MustParsePrefix("fd4d:5a:0:b::/64")}
)

func endpoint(name string, mac state.MAC, v4, v6 string) capture.Endpoint {
	return capture.Endpoint{Name: name, MAC: mac, Addresses: []netip.Addr{netip.MustParseAddr(v4), netip.MustParseAddr(v6)}}
}

// host is what the machine holds.
func host() (state.Host, state.Local) {
	behind := func(e capture.Endpoint, host string) (list []state.Location) {
		for _, a := range e.Addresses {
			list = append(list, state.Location{VNI: vni, Address: a, Subnet: "b", Host: host, Generation: 1})
		}
		return list
	}
	directory := append(behind(near, "h1"), behind(far, "h2")...)
	s := state.Host{
		Name: "h3", Addresses: []netip.Addr{self4, self6}, MTU: underlayMTU,
		Peers: []state.Peer{{Name: "h1", Addresses: []netip.Addr{h1}}, {Name: "h2", Addresses: []netip.Addr{h2}}},
		VPCs:  []state.VPC{{Name: "foreign", VNI: vni, Dividers: []string{"h3"}, Divider: true}},
		Subnets: []state.Subnet{
			subnet("a", subnetA, "h1"), subnet("b", subnetB, "h3"),
		},
		Endpoints: []state.Endpoint{
			{Name: "me", VNI: vni, Subnet: "a", Addresses: me.Addresses, MAC: myMAC, MTU: endpointMTU, Generation: 1},
			{Name: "neighbour", VNI: vni, Subnet: "b", Addresses: neighbour.Addresses, MAC: neighbourMAC, MTU: endpointMTU, Generation: 1},
		},
		Directory: append(directory, behind(neighbour, "h3")...),
	}
	l := state.Local{
		UplinkIndex: uplinkPort, UplinkMAC: uplinkMAC,
		Ports:    map[string]uint32{"me": myPort, "neighbour": neighbourPort},
		NextHops: map[netip.Addr]state.MAC{h1: h1MAC, h2: h2MAC},
	}
	return s, l
}

func subnet(name string, cidrs []netip.Prefix, bouncer string) state.Subnet {
	s := state.Subnet{Name: name, VNI: vni, CIDRs: cidrs, GatewayMAC: gatewayMAC,
		Bouncers: []string{bouncer}}
	if bouncer == "h3" {
		s.Bouncer = state.Complete
	}
	for _, c := range cidrs {
		s.Gateways = append(s.Gateways, c.Addr().Next())
	}
	return s
}
