// SPDX-License-Identifier: Apache-2.0

package topology

import (
	"net/netip"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/dataplane/state"
)

func addr(s string) netip.Addr     { return netip.MustParseAddr(s) }
func prefix(s string) netip.Prefix { return netip.MustParsePrefix(s) }

// chain is three segments in a row, with a second router beside the first:
//
//	left ── r1 ── middle ── r3 ── right
//	left ── r2 ── middle
func chain() Underlay {
	port := func(router, segment string, addresses ...string) RouterPort {
		p := RouterPort{Segment: segment, MAC: RouterMAC(router, segment), MTU: 1500}
		for _, a := range addresses {
			p.Addresses = append(p.Addresses, prefix(a))
		}
		return p
	}
	return Underlay{
		Segments: []Segment{
			{Name: "left", CIDRs: []netip.Prefix{prefix("10.1.0.0/24"), prefix("fd01::/64")}, MTU: 1500},
			{Name: "middle", CIDRs: []netip.Prefix{prefix("10.2.0.0/24"), prefix("fd02::/64")}, MTU: 1500},
			{Name: "right", CIDRs: []netip.Prefix{prefix("10.3.0.0/24"), prefix("fd03::/64")}, MTU: 1500},
		},
		Routers: []Router{
			{Name: "r1", Ports: []RouterPort{port("r1", "left", "10.1.0.254/24", "fd01::fe/64"), port("r1", "middle", "10.2.0.254/24", "fd02::fe/64")}},
			{Name: "r2", Ports: []RouterPort{port("r2", "left", "10.1.0.253/24"), port("r2", "middle", "10.2.0.253/24")}},
			{Name: "r3", Ports: []RouterPort{port("r3", "middle", "10.2.0.252/24", "fd02::fc/64"), port("r3", "right", "10.3.0.252/24", "fd03::fc/64")}},
		},
	}
}

func TestRoutesLeadByTheNearestRouter(t *testing.T) {
	g := NewWithT(t)
	u := chain()
	g.Expect(u.Routes("left")).To(Equal([]Route{
		{prefix("10.2.0.0/24"), addr("10.1.0.254")}, {prefix("fd02::/64"), addr("fd01::fe")},
		{prefix("10.3.0.0/24"), addr("10.1.0.254")}, {prefix("fd03::/64"), addr("fd01::fe")},
	}))
	g.Expect(u.RoutesOf("r1")).To(Equal([]Route{{prefix("10.3.0.0/24"), addr("10.2.0.252")}, {prefix("fd03::/64"), addr("fd02::fc")}}))
	g.Expect(u.RoutesOf("r3")).To(Equal([]Route{{prefix("10.1.0.0/24"), addr("10.2.0.254")}, {prefix("fd01::/64"), addr("fd02::fe")}}))
	u.Routers = u.Routers[1:]
	g.Expect(u.Routes("left")).To(Equal([]Route{{prefix("10.2.0.0/24"), addr("10.1.0.253")}, {prefix("10.3.0.0/24"), addr("10.1.0.253")}}),
		"r2 speaks IPv4 alone")
}

// Following next hops from segment to segment ends at the address, from
// everywhere.
func TestForwardingArrives(t *testing.T) {
	g := NewWithT(t)
	u := chain()
	for _, from := range u.Segments {
		for _, to := range []string{"10.1.0.7", "10.2.0.7", "10.3.0.7", "fd01::7", "fd02::7", "fd03::7"} {
			hop, ok := u.NextHop(from.Name, addr(to))
			for range 4 {
				if !ok || hop == addr(to) {
					break
				}
				mac, _ := u.MACOf(hop)
				router, _, found := u.PortOf(mac)
				g.Expect(found).To(BeTrue())
				_, hop, ok = u.Forward(router, addr(to))
			}
			g.Expect(ok).To(BeTrue())
			g.Expect(hop).To(Equal(addr(to)), "from %s", from.Name)
		}
	}
	_, ok := u.NextHop("left", addr("10.9.0.1"))
	g.Expect(ok).To(BeFalse())
}

func TestOverPutsHostsOnTheirSegments(t *testing.T) {
	g := NewWithT(t)
	hosts := []state.Host{{Name: "h1", Addresses: []netip.Addr{addr("fd03::1")}, MTU: 1500}}
	top, err := Over(chain(), hosts)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(top.Check()).To(Succeed())
	g.Expect(top.Hosts[0].Segment).To(Equal("right"))
	g.Expect(top.Hosts[0].Links).To(Equal([]netip.Prefix{prefix("fd03::/64")}))
	g.Expect(top.Hosts[0].Routes).To(HaveLen(2), "routes of the host's family alone")

	hosts[0].Addresses = []netip.Addr{addr("10.9.0.1")}
	_, err = Over(chain(), hosts)
	g.Expect(err).To(MatchError(ContainSubstring("host h1: its address 10.9.0.1 is on none of the segments")))
	hosts[0].Addresses = []netip.Addr{addr("10.1.0.1"), addr("fd03::1")}
	_, err = Over(chain(), hosts)
	g.Expect(err).To(MatchError(ContainSubstring("its addresses are on segments left and right")))
	hosts[0].Addresses = []netip.Addr{addr("10.1.0.254")}
	top, err = Over(chain(), hosts)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(top.Check()).To(MatchError(ContainSubstring("both have underlay address 10.1.0.254")))

	flat, err := Over(Underlay{}, hosts)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(flat).To(Equal(FromStates(hosts)))
}

func TestCompareRouters(t *testing.T) {
	g := NewWithT(t)
	before, err := Over(chain(), nil)
	g.Expect(err).NotTo(HaveOccurred())
	replaced := chain()
	replaced.Routers[0].Ports[0].MAC = state.MAC{2, 0xaa}
	after, err := Over(replaced, nil)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(Compare(before, after)).To(Equal(Change{ChangeRouters: after.Routers[:1]}))

	shorter := chain()
	shorter.Segments, shorter.Routers = shorter.Segments[:2], shorter.Routers[:2]
	after, err = Over(shorter, nil)
	g.Expect(err).NotTo(HaveOccurred())
	c := Compare(before, after)
	g.Expect(c.RemoveSegments).To(Equal(before.Segments[2:]))
	g.Expect(c.RemoveRouters).To(Equal(before.Routers), "r3 goes, and r1 and r2 lose a route")
	g.Expect(c.AddRouters).To(Equal(after.Routers))
	g.Expect(Compare(after, after).Empty()).To(BeTrue())
}
