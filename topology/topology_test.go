// SPDX-License-Identifier: Apache-2.0

package topology

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	. "github.com/onsi/gomega"
	"pgregory.net/rapid"

	"github.com/mizar-net/mizar/dataplane/state"
)

func TestFromStatesReadsHostsAndEndpoints(t *testing.T) {
	g := NewWithT(t)
	got := FromStates([]state.Host{
		{Name: "h2", Addresses: []netip.Addr{netip.MustParseAddr("172.16.0.2")}, MTU: 1500, VLAN: 7},
		{
			Name: "h1", Addresses: []netip.Addr{netip.MustParseAddr("172.16.0.1"), netip.MustParseAddr("fd00::1")}, MTU: 1500,
			Subnets: []state.Subnet{{
				Name: "s", VNI: 5,
				CIDRs:    []netip.Prefix{netip.MustParsePrefix("10.0.0.0/24"), netip.MustParsePrefix("fd10::/64")},
				Gateways: []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("fd10::1")},
			}},
			Endpoints: []state.Endpoint{
				{Name: "default/b", VNI: 5, Subnet: "s", Addresses: []netip.Addr{netip.MustParseAddr("10.0.0.3")}, MTU: 1400, MAC: state.MAC{2, 0, 0, 0, 0, 2}},
				{Name: "default/a", VNI: 5, Subnet: "s", Addresses: []netip.Addr{netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("fd10::2")}, MTU: 1400, MAC: state.MAC{2, 0, 0, 0, 0, 1}},
			},
		},
	})
	g.Expect(got.Check()).To(Succeed())
	g.Expect(got.Hosts).To(HaveLen(2))
	g.Expect(got.Hosts[0].Name).To(Equal("h1"))
	g.Expect(got.Hosts[0].MAC).NotTo(Equal(got.Hosts[1].MAC))
	g.Expect(got.Hosts[1].VLAN).To(Equal(uint16(7)))
	g.Expect(got.Endpoints).To(HaveLen(2))
	a := got.Endpoints[0]
	g.Expect(a.Name).To(Equal("default/a"))
	g.Expect(a.Host).To(Equal("h1"))
	g.Expect(a.Addresses).To(Equal([]netip.Prefix{netip.MustParsePrefix("10.0.0.2/24"), netip.MustParsePrefix("fd10::2/64")}))
	g.Expect(a.Gateways).To(Equal([]netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("fd10::1")}))
}

func TestDeviceNamesFitAndDiffer(t *testing.T) {
	g := NewWithT(t)
	g.Expect(Device("ep", "default/a1")).To(Equal("ep-a1"))
	g.Expect(Device("to", "h1")).To(Equal("to-h1"))
	g.Expect(Device("ep", "other/a1")).NotTo(Equal("ep-a1"))
	g.Expect(Device("ep", "a/very-long-name-number-1")).NotTo(Equal(Device("ep", "a/very-long-name-number-2")))
	rapid.Check(t, func(rt *rapid.T) {
		name := rapid.StringMatching(`[a-z]{1,20}/[a-z0-9.-]{1,60}`).Draw(rt, "name")
		d := Device("ep", name)
		if len(d) > 15 || slices.Contains([]byte(d), '/') {
			rt.Fatalf("Device(%q) = %q is no device name", name, d)
		}
	})
}

func TestCheckNamesWhatCollides(t *testing.T) {
	g := NewWithT(t)
	a := netip.MustParseAddr("172.16.0.1")
	shared := FromStates([]state.Host{{Name: "h1", Addresses: []netip.Addr{a}}, {Name: "h2", Addresses: []netip.Addr{a}}})
	g.Expect(shared.Check()).To(MatchError(ContainSubstring("172.16.0.1")))
	lost := Topology{Endpoints: []Endpoint{{Name: "default/a", Host: "h9"}}}
	g.Expect(lost.Check()).To(MatchError(ContainSubstring("h9")))
}

// world draws a small topology in which names, hosts and MTUs coincide often.
func world(rt *rapid.T, label string) Topology {
	var hosts []state.Host
	for i := range rapid.IntRange(1, 3).Draw(rt, label+" hosts") {
		hosts = append(hosts, state.Host{Name: fmt.Sprintf("h%d", i), MTU: rapid.SampledFrom([]int{1500, 9000}).Draw(rt, label+" mtu")})
	}
	for e := range 4 {
		if at := rapid.IntRange(-1, len(hosts)-1).Draw(rt, label+" at"); at >= 0 {
			hosts[at].Endpoints = append(hosts[at].Endpoints, state.Endpoint{
				Name: fmt.Sprintf("default/e%d", e), MTU: rapid.SampledFrom([]int{1400, 1300}).Draw(rt, label+" emtu"),
			})
		}
	}
	return FromStates(hosts)
}

func TestCompareLeadsFromOneToTheOther(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		before, after := world(rt, "before"), world(rt, "after")
		c := Compare(before, after)
		hosts, endpoints := byName(before.Hosts, hostName), byName(before.Endpoints, endpointName)
		for _, e := range c.Unplug {
			delete(endpoints, e.Name)
		}
		for _, h := range c.RemoveHosts {
			for _, e := range endpoints {
				if e.Host == h.Name {
					rt.Fatalf("host %s goes with endpoint %s behind it", h.Name, e.Name)
				}
			}
			delete(hosts, h.Name)
		}
		for _, h := range c.AddHosts {
			hosts[h.Name] = h
		}
		for _, m := range c.Move {
			if endpoints[m.Endpoint.Name].Host != m.From {
				rt.Fatalf("%s moves from %s, but is not there", m.Endpoint.Name, m.From)
			}
			endpoints[m.Endpoint.Name] = m.Endpoint
		}
		for _, e := range c.Plug {
			endpoints[e.Name] = e
		}
		g := NewWithT(rt)
		g.Expect(hosts).To(Equal(byName(after.Hosts, hostName)))
		g.Expect(endpoints).To(Equal(byName(after.Endpoints, endpointName)))
		g.Expect(Compare(after, after).Empty()).To(BeTrue())
	})
}
