// SPDX-License-Identifier: Apache-2.0

package nexthop_test

import (
	"net/netip"
	"testing"

	. "github.com/onsi/gomega"
	"pgregory.net/rapid"

	"github.com/mizar-net/mizar/dataplane/nexthop"
	"github.com/mizar-net/mizar/dataplane/state"
)

func at(s string) netip.Addr       { return netip.MustParseAddr(s) }
func prefix(s string) netip.Prefix { return netip.MustParsePrefix(s) }
func on(device int) []nexthop.Via  { return []nexthop.Via{{Device: device}} }
func by(device int, gateway string) []nexthop.Via {
	return []nexthop.Via{{Device: device, Gateway: at(gateway)}}
}

var (
	gatewayMAC = state.MAC{2, 0, 0, 0, 0, 0xfe}
	ownMAC     = state.MAC{2, 0, 0, 0, 0, 1}
	otherMAC   = state.MAC{2, 0, 0, 0, 0, 2}
)

// table is a host with two links, eth 2 and eth 3, and a gateway on each.
func table() nexthop.Table {
	return nexthop.Table{
		Devices: map[int]nexthop.Device{2: {MAC: ownMAC, MTU: 1500, Up: true}, 3: {MAC: otherMAC, MTU: 9000, Up: true}},
		Routes: []nexthop.Route{
			{To: prefix("192.0.2.0/24"), Via: on(2), Source: at("192.0.2.1")},
			{To: prefix("0.0.0.0/0"), Via: by(2, "192.0.2.254"), Metric: 100},
			{To: prefix("2001:db8::/32"), Via: by(2, "fe80::1")},
		},
		Neighbours: map[nexthop.Neighbour]state.MAC{
			{Device: 2, IP: at("192.0.2.254")}:  gatewayMAC,
			{Device: 2, IP: at("192.0.2.7")}:    {2, 7},
			{Device: 2, IP: at("fe80::1")}:      gatewayMAC,
			{Device: 3, IP: at("198.51.100.9")}: {2, 9},
		},
	}
}

func TestResolve(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*nexthop.Table)
		to     string
		want   nexthop.Hop
	}{
		{"on the link", nil, "192.0.2.7",
			nexthop.Hop{Why: nexthop.Resolved, Source: at("192.0.2.1"), Device: 2, DeviceMAC: ownMAC, IP: at("192.0.2.7"), MAC: state.MAC{2, 7}, MTU: 1500}},
		{"on the link, silent", nil, "192.0.2.8",
			nexthop.Hop{Why: nexthop.NoNeighbour, Source: at("192.0.2.1"), Device: 2, DeviceMAC: ownMAC, IP: at("192.0.2.8"), MTU: 1500}},
		{"to the outside", nil, "0.0.0.0",
			nexthop.Hop{Why: nexthop.Resolved, Device: 2, DeviceMAC: ownMAC, IP: at("192.0.2.254"), MAC: gatewayMAC, MTU: 1500}},
		{"to the outside, without a default route", nil, "::", nexthop.Hop{Why: nexthop.NoRoute}},
		{"to the outside, where everybody is on the link", func(t *nexthop.Table) { t.Routes[1].Via = on(2) }, "0.0.0.0", nexthop.Hop{Why: nexthop.NoRoute}},
		{"by the gateway", nil, "203.0.113.1",
			nexthop.Hop{Why: nexthop.Resolved, Device: 2, DeviceMAC: ownMAC, IP: at("192.0.2.254"), MAC: gatewayMAC, MTU: 1500}},
		{"by a link-local gateway", nil, "2001:db8:1::9",
			nexthop.Hop{Why: nexthop.Resolved, Device: 2, DeviceMAC: ownMAC, IP: at("fe80::1"), MAC: gatewayMAC, MTU: 1500}},
		{"IPv4 by an IPv6 gateway (RFC 5549)", func(t *nexthop.Table) { t.Routes[1].Via = by(2, "fe80::1") }, "203.0.113.1",
			nexthop.Hop{Why: nexthop.Resolved, Device: 2, DeviceMAC: ownMAC, IP: at("fe80::1"), MAC: gatewayMAC, MTU: 1500}},
		{"no route", nil, "fd00::1", nexthop.Hop{Why: nexthop.NoRoute}},
		{"the longer prefix wins", func(t *nexthop.Table) {
			t.Routes = append(t.Routes, nexthop.Route{To: prefix("203.0.113.0/24"), Via: by(3, "198.51.100.9"), Metric: 9999, MTU: 1400})
		}, "203.0.113.1",
			nexthop.Hop{Why: nexthop.Resolved, Device: 3, DeviceMAC: otherMAC, IP: at("198.51.100.9"), MAC: state.MAC{2, 9}, MTU: 1400}},
		{"of one length the lower metric", func(t *nexthop.Table) {
			t.Routes = append(t.Routes, nexthop.Route{To: prefix("0.0.0.0/0"), Via: by(3, "198.51.100.9"), Metric: 50})
		}, "203.0.113.1",
			nexthop.Hop{Why: nexthop.Resolved, Device: 3, DeviceMAC: otherMAC, IP: at("198.51.100.9"), MAC: state.MAC{2, 9}, MTU: 9000}},
		{"a route of a dead link is passed over", func(t *nexthop.Table) {
			t.Routes = append(t.Routes, nexthop.Route{To: prefix("203.0.113.0/24"), Via: by(3, "198.51.100.9")})
			t.Devices[3] = nexthop.Device{}
		}, "203.0.113.1",
			nexthop.Hop{Why: nexthop.Resolved, Device: 2, DeviceMAC: ownMAC, IP: at("192.0.2.254"), MAC: gatewayMAC, MTU: 1500}},
		{"all links dead", func(t *nexthop.Table) { t.Devices = nil }, "203.0.113.1", nexthop.Hop{Why: nexthop.DeviceDown}},
		{"a blackhole hides the default route", func(t *nexthop.Table) {
			t.Routes = append(t.Routes, nexthop.Route{To: prefix("203.0.113.0/24"), Forbidden: true})
		}, "203.0.113.1", nexthop.Hop{Why: nexthop.NoRoute}},
		{"a route's MTU is no more than its device's", func(t *nexthop.Table) { t.Routes[1].MTU = 9000 }, "203.0.113.1",
			nexthop.Hop{Why: nexthop.Resolved, Device: 2, DeviceMAC: ownMAC, IP: at("192.0.2.254"), MAC: gatewayMAC, MTU: 1500}},
		{"of several ways the one that is up", func(t *nexthop.Table) {
			t.Routes[1].Via = append(by(3, "198.51.100.9"), by(2, "192.0.2.254")...)
			t.Devices[3] = nexthop.Device{}
		}, "203.0.113.1",
			nexthop.Hop{Why: nexthop.Resolved, Device: 2, DeviceMAC: ownMAC, IP: at("192.0.2.254"), MAC: gatewayMAC, MTU: 1500}},
	} {
		t.Run(c.name, func(t *testing.T) {
			known := table()
			if c.change != nil {
				c.change(&known)
			}
			NewWithT(t).Expect(known.Resolve(at(c.to))).To(Equal(c.want))
		})
	}
}

// The order that the kernel tells routes in says nothing.
func TestResolveDependsOnNoOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		known := table()
		n := rapid.IntRange(1, 8).Draw(t, "routes")
		known.Routes = nil
		for i := range n {
			bits := rapid.IntRange(0, 32).Draw(t, "bits")
			known.Routes = append(known.Routes, nexthop.Route{
				To:  netip.PrefixFrom(at("203.0.113.77"), bits).Masked(),
				Via: on(rapid.IntRange(2, 4).Draw(t, "device")), Metric: i,
				Forbidden: rapid.Bool().Draw(t, "forbidden"),
			})
		}
		want := known.Resolve(at("203.0.113.77"))
		known.Routes = rapid.Permutation(known.Routes).Draw(t, "order")
		NewWithT(t).Expect(known.Resolve(at("203.0.113.77"))).To(Equal(want))
	})
}

func TestSeveralWaysAreAllUsedAndEachAddressKeepsItsOwn(t *testing.T) {
	g := NewWithT(t)
	known := table()
	known.Routes[1].Via = append(by(3, "198.51.100.9"), by(2, "192.0.2.254")...)
	taken := map[int]int{}
	for i := range 64 {
		to := netip.AddrFrom4([4]byte{203, 0, 113, byte(i)})
		hop := known.Resolve(to)
		g.Expect(known.Resolve(to)).To(Equal(hop))
		taken[hop.Device]++
	}
	g.Expect(taken).To(HaveLen(2))
}
