// SPDX-License-Identifier: Apache-2.0

package netns

import (
	"net/netip"
	"runtime"
	"testing"

	. "github.com/onsi/gomega"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/topology"
)

// TestDeviceBecomesAnUplink and comes back with the end of the room.
func TestDeviceBecomesAnUplink(t *testing.T) {
	hosts := []state.Host{{Name: "h1", Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.1")}, MTU: 1400}}
	ground := topology.Underlay{Segments: []topology.Segment{{Name: "lan", CIDRs: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, MTU: 1400}}}
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // the thread ends with the namespace
		g := NewWithT(t)
		g.Expect(unix.Unshare(unix.CLONE_NEWNET)).To(Succeed(), "root is needed")
		g.Expect(netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "nic"}, PeerName: "far"})).To(Succeed())

		before, err := netlink.LinkByName("nic")
		g.Expect(err).NotTo(HaveOccurred())

		topo, err := topology.Over(ground, hosts)
		g.Expect(err).NotTo(HaveOccurred())
		n, err := Build(t.Context(), topo, Options{Uplinks: map[string]string{"h1": "nic"}})
		g.Expect(err).NotTo(HaveOccurred())
		_, err = netlink.LinkByName("nic")
		g.Expect(err).To(HaveOccurred(), "the device is in the host's namespace")
		g.Expect(n.InHost("h1", func() error {
			link, err := netlink.LinkByName(UplinkDevice)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(link.Attrs().MTU).To(Equal(1400))
			g.Expect(state.MAC(link.Attrs().HardwareAddr)).To(Equal(topo.Hosts[0].MAC))
			g.Expect(netlink.AddrList(link, unix.AF_INET)).To(ContainElement(HaveField("IPNet.String()", "192.0.2.1/24")))
			return nil
		})).To(Succeed())
		g.Expect(n.Offloads()).To(HaveExactElements(HaveField("Device", UplinkDevice)), "it has no other end in the fabric")
		_, err = n.FabricPort("h1")
		g.Expect(err).To(MatchError(ContainSubstring("device nic")))
		g.Expect(n.Close()).To(Succeed())

		link, err := netlink.LinkByName("nic")
		g.Expect(err).NotTo(HaveOccurred(), "it came back")
		g.Expect(link.Attrs().Flags & unix.IFF_UP).To(BeZero())
		g.Expect(link.Attrs().HardwareAddr).To(Equal(before.Attrs().HardwareAddr))
		g.Expect(link.Attrs().MTU).To(Equal(before.Attrs().MTU))

		topo, err = topology.Over(topology.Underlay{}, hosts)
		g.Expect(err).NotTo(HaveOccurred())
		_, err = Build(t.Context(), topo, Options{Uplinks: map[string]string{"h1": "nic"}})
		g.Expect(err).To(MatchError(errNoSegments), "hosts on other machines can't be entered as neighbours")
	}()
	<-done
}
