// SPDX-License-Identifier: Apache-2.0

package veth_test

import (
	"net"
	"net/netip"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/vishvananda/netlink"

	"github.com/mizar-net/mizar/controlplane/compile"
	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/wire"
	"github.com/mizar-net/mizar/sim/wire/veth"
	"github.com/mizar-net/mizar/topology"
)

// twoSegments puts h1 on the left of a router and the others on the right.
func twoSegments() (topology.Underlay, []state.Host) {
	port := func(segment, a4, a6 string) topology.RouterPort {
		return topology.RouterPort{Segment: segment, MTU: 1500, MAC: topology.RouterMAC("r1", segment), Addresses: []netip.Prefix{prefix(a4), prefix(a6)}}
	}
	u := topology.Underlay{
		Segments: []topology.Segment{
			{Name: "left", MTU: 1500, CIDRs: []netip.Prefix{prefix("172.17.0.0/24"), prefix("fd01::/64")}},
			{Name: "right", MTU: 1500, CIDRs: []netip.Prefix{prefix("172.16.0.0/24"), prefix("fd00::/64")}},
		},
		Routers: []topology.Router{{Name: "r1", Ports: []topology.RouterPort{
			port("left", "172.17.0.254/24", "fd01::fe/64"), port("right", "172.16.0.254/24", "fd00::fe/64"),
		}}},
	}
	s := set()
	s.Hosts[0].Addresses = []netip.Addr{addr("172.17.0.1"), addr("fd01::1")}
	return u, compile.Hosts(s)
}

// Nobody applies anything: the kernel tells of the router's new address, and the
// rows of hosts follow.
func TestMapsFollowTheKernelsNextHops(t *testing.T) {
	g := NewWithT(t)
	w, err := veth.Open()
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { g.Expect(w.Close()).To(Succeed()) })
	u, hosts := twoSegments()
	w.Ground(u)
	g.Expect(w.Apply(t.Context(), hosts)).To(Succeed())
	from, to := hosts[0].Endpoints[0], hosts[1].Endpoints[0]
	for _, e := range hosts[0].Endpoints {
		for _, f := range hosts[1].Endpoints {
			if e.VNI == f.VNI {
				from, to = e, f
			}
		}
	}
	arrives := func() (bool, error) {
		out, err := w.Probe(t.Context(), wire.Probe{Proto: wire.UDP, From: from.Name, To: to.Addresses[0], Port: 7, Timeout: 100 * time.Millisecond})
		if err != nil || len(out.Replies) == 0 {
			return false, err
		}
		return out.Requests[0].Delivered && out.Replies[0].Delivered, nil
	}
	g.Expect(arrives()).To(BeTrue())
	g.Expect(w.Room().InRouter("r1", func() error {
		for n, name := range []string{"to-left", "to-right"} {
			link, err := netlink.LinkByName(name)
			if err != nil {
				return err
			}
			if err := netlink.LinkSetHardwareAddr(link, net.HardwareAddr{2, 0xaa, 0, 0, 0, byte(n)}); err != nil {
				return err
			}
		}
		return nil
	})).To(Succeed())
	g.Eventually(arrives).WithTimeout(10 * time.Second).Should(BeTrue())
}
