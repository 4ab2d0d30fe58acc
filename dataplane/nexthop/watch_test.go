// SPDX-License-Identifier: Apache-2.0

package nexthop_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"runtime"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"

	"github.com/mizar-net/mizar/dataplane/nexthop"
	"github.com/mizar-net/mizar/dataplane/state"
)

// place is a namespace with netlink into it.
type place struct {
	ns    netns.NsHandle
	links *netlink.Handle
}

// inside runs f on a thread in the namespace; the thread ends with it.
func (p place) inside(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked
		done <- errors.Join(netns.Set(p.ns), f())
	}()
	return <-done
}

func newPlace(t *testing.T) place {
	t.Helper()
	g := NewWithT(t)
	g.Expect(os.Geteuid()).To(BeZero(), "network namespaces need root: run `make test`")
	made := make(chan netns.NsHandle)
	failed := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the namespace is this thread's alone
		ns, err := netns.New()
		failed <- err
		made <- ns
	}()
	g.Expect(<-failed).To(Succeed())
	p := place{ns: <-made}
	var err error
	p.links, err = netlink.NewHandleAt(p.ns)
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { p.links.Close(); p.ns.Close() })
	// A router that gets another address says so.
	g.Expect(p.inside(func() error {
		return errors.Join(
			os.WriteFile("/proc/sys/net/ipv4/conf/default/arp_notify", []byte("1"), 0o644),
			os.WriteFile("/proc/sys/net/ipv6/conf/default/ndisc_notify", []byte("1"), 0o644),
			os.WriteFile("/proc/sys/net/ipv6/conf/default/accept_dad", []byte("0"), 0o644),
		)
	})).To(Succeed())
	return p
}

// wire puts a veth between two places, up, with addresses.
func wire(t *testing.T, a place, nameA string, addressesA []string, b place, nameB string, addressesB []string) {
	t.Helper()
	g := NewWithT(t)
	attrs := netlink.NewLinkAttrs()
	attrs.Name = nameA
	pair := netlink.NewVeth(attrs)
	pair.PeerName, pair.PeerNamespace = nameB, netlink.NsFd(b.ns)
	g.Expect(a.links.LinkAdd(pair)).To(Succeed())
	for _, end := range []struct {
		at        place
		name      string
		addresses []string
	}{{a, nameA, addressesA}, {b, nameB, addressesB}} {
		link, err := end.at.links.LinkByName(end.name)
		g.Expect(err).NotTo(HaveOccurred())
		for _, text := range end.addresses {
			address, err := netlink.ParseAddr(text)
			g.Expect(err).NotTo(HaveOccurred())
			address.Flags = 0x02 // IFA_F_NODAD
			g.Expect(end.at.links.AddrAdd(link, address)).To(Succeed())
		}
		g.Expect(end.at.links.LinkSetUp(link)).To(Succeed())
	}
}

func (p place) device(t *testing.T, name string) netlink.Link {
	t.Helper()
	link, err := p.links.LinkByName(name)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return link
}

func (p place) routeBy(t *testing.T, to, gateway string) {
	t.Helper()
	_, dst, err := net.ParseCIDR(to)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	NewWithT(t).Expect(p.links.RouteReplace(&netlink.Route{Dst: dst, Gw: net.ParseIP(gateway)})).To(Succeed())
}

func macOf(l netlink.Link) (m state.MAC) {
	copy(m[:], l.Attrs().HardwareAddr)
	return m
}

// far4 and far6 are behind the routers.
var far4, far6 = at("203.0.113.9"), at("2001:db8:9::9")

// bench is a host with two links, a router on each; routes go by the first.
type bench struct {
	host, first, second place
	watcher             *nexthop.Watcher
	// told counts the calls of the callback.
	told chan struct{}
}

func newBench(t *testing.T) bench {
	t.Helper()
	g := NewWithT(t)
	b := bench{host: newPlace(t), first: newPlace(t), second: newPlace(t), told: make(chan struct{}, 1000)}
	wire(t, b.host, "one", []string{"192.0.2.1/24", "2001:db8:1::1/64"}, b.first, "r", []string{"192.0.2.254/24", "2001:db8:1::fe/64"})
	wire(t, b.host, "two", []string{"198.51.100.1/24", "2001:db8:2::1/64"}, b.second, "r", []string{"198.51.100.254/24", "2001:db8:2::fe/64"})
	b.host.routeBy(t, "203.0.113.0/24", "192.0.2.254")
	b.host.routeBy(t, "2001:db8:9::/64", "2001:db8:1::fe")
	g.Expect(b.host.inside(func() (err error) {
		b.watcher, err = nexthop.Watch(func() { b.told <- struct{}{} })
		return err
	})).To(Succeed())
	t.Cleanup(func() { g.Expect(b.watcher.Close()).To(Succeed()) })
	b.watcher.Follow([]netip.Addr{far4, far6})
	return b
}

// await waits until both families go by a router.
func (b bench) await(t *testing.T, want state.MAC, device netlink.Link) nexthop.Answers {
	t.Helper()
	b.until(t, func(a nexthop.Answers) bool {
		for _, to := range []netip.Addr{far4, far6} {
			if a[to].Why != nexthop.Resolved || a[to].MAC != want || a[to].Device != device.Attrs().Index {
				return false
			}
		}
		return true
	})
	return b.watcher.Answers()
}

func (b bench) until(t *testing.T, wanted func(nexthop.Answers) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	NewWithT(t).Expect(b.watcher.Wait(ctx, wanted)).To(Succeed())
}

func TestTheKernelIsMadeToLookForNextHops(t *testing.T) {
	g := NewWithT(t)
	b := newBench(t)
	one, r := b.host.device(t, "one"), b.first.device(t, "r")
	answers := b.await(t, macOf(r), one)
	g.Expect(answers[far4]).To(Equal(nexthop.Hop{
		Why: nexthop.Resolved, Device: one.Attrs().Index, DeviceMAC: macOf(one), IP: at("192.0.2.254"), MAC: macOf(r), MTU: 1500,
	}))
	g.Expect(answers[far6].IP).To(Equal(at("2001:db8:1::fe")))
	g.Eventually(b.told).Should(Receive(), "the callback tells of it")
}

func TestARouterThatChangesItsMACIsFollowed(t *testing.T) {
	g := NewWithT(t)
	b := newBench(t)
	one, r := b.host.device(t, "one"), b.first.device(t, "r")
	b.await(t, macOf(r), one)
	other := state.MAC{2, 0xaa, 0, 0, 0, 1}
	g.Expect(b.first.links.LinkSetHardwareAddr(r, other[:])).To(Succeed())
	b.await(t, other, one)
}

// A router that was replaced in silence is found out because a stale neighbour
// is asked, which packets that go past the stack would never cause.
func TestAStaleNeighbourIsAsked(t *testing.T) {
	g := NewWithT(t)
	b := newBench(t)
	one, r := b.host.device(t, "one"), b.first.device(t, "r")
	b.await(t, macOf(r), one)
	for _, gateway := range []string{"192.0.2.254", "2001:db8:1::fe"} {
		g.Expect(b.host.links.NeighSet(&netlink.Neigh{
			LinkIndex: one.Attrs().Index, State: netlink.NUD_STALE,
			IP: net.ParseIP(gateway), HardwareAddr: net.HardwareAddr{2, 0xbb, 0, 0, 0, 1},
		})).To(Succeed())
	}
	b.until(t, func(a nexthop.Answers) bool { return a[far4].MAC[1] == 0xbb || a[far4].MAC == macOf(r) })
	b.await(t, macOf(r), one)
}

func TestARouteThatMovesIsFollowed(t *testing.T) {
	g := NewWithT(t)
	b := newBench(t)
	b.await(t, macOf(b.first.device(t, "r")), b.host.device(t, "one"))
	g.Expect(b.host.links.LinkSetMTU(b.host.device(t, "two"), 1400)).To(Succeed())
	b.host.routeBy(t, "203.0.113.0/24", "198.51.100.254")
	b.host.routeBy(t, "2001:db8:9::/64", "2001:db8:2::fe")
	// IPv6 adds routes of one prefix to each other.
	_, old, err := net.ParseCIDR("2001:db8:9::/64")
	g.Expect(err).NotTo(HaveOccurred())
	_ = b.host.links.RouteDel(&netlink.Route{Dst: old, Gw: net.ParseIP("2001:db8:1::fe")}) // replaced already, or not
	answers := b.await(t, macOf(b.second.device(t, "r")), b.host.device(t, "two"))
	g.Expect(answers[far4].MTU).To(Equal(1400))
}

func TestALinkThatFlapsIsFollowed(t *testing.T) {
	g := NewWithT(t)
	b := newBench(t)
	one, r := b.host.device(t, "one"), b.first.device(t, "r")
	b.await(t, macOf(r), one)
	g.Expect(b.first.links.LinkSetDown(r)).To(Succeed())
	b.until(t, func(a nexthop.Answers) bool { return a[far4].Why == nexthop.DeviceDown })
	g.Expect(b.first.links.LinkSetUp(r)).To(Succeed())
	// The router's own addresses of IPv6 went with its link.
	address, err := netlink.ParseAddr("2001:db8:1::fe/64")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(b.first.links.AddrReplace(r, address)).To(Succeed())
	b.await(t, macOf(r), one)
}

func TestWithoutARouteThereIsNoHop(t *testing.T) {
	g := NewWithT(t)
	b := newBench(t)
	nowhere := at("100.64.0.1")
	b.watcher.Follow([]netip.Addr{nowhere, at("192.0.2.77")})
	g.Expect(b.watcher.Answers()[nowhere].Why).To(Equal(nexthop.NoRoute))
	g.Expect(b.watcher.Answers()[at("192.0.2.77")].Why).To(Equal(nexthop.NoNeighbour), "nobody has the address")
	b.host.routeBy(t, "100.64.0.0/10", "192.0.2.254")
	b.until(t, func(a nexthop.Answers) bool { return a[nowhere].Why == nexthop.Resolved })
}
