// SPDX-License-Identifier: Apache-2.0

package netns

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"

	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/topology"
)

// room describes hosts h1… of both families, each with endpoints aN, bN ….
func room(hosts, each int) topology.Topology {
	var all []state.Host
	for h := 1; h <= hosts; h++ {
		s := state.Host{
			Name: fmt.Sprintf("h%d", h), MTU: 1500,
			Addresses: []netip.Addr{netip.AddrFrom4([4]byte{172, 16, 0, byte(h)}), netip.MustParseAddr(fmt.Sprintf("fd00::%d", h))},
			Subnets: []state.Subnet{{
				Name: "s", VNI: 5,
				CIDRs:    []netip.Prefix{netip.MustParsePrefix("10.0.0.0/16"), netip.MustParsePrefix("fd10::/64")},
				Gateways: []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("fd10::1")},
			}},
		}
		for e := range each {
			s.Endpoints = append(s.Endpoints, state.Endpoint{
				Name: fmt.Sprintf("default/%c%d", 'a'+e, h), VNI: 5, Subnet: "s", MTU: 1400,
				Addresses: []netip.Addr{netip.AddrFrom4([4]byte{10, 0, byte(h), byte(2 + e)}), netip.MustParseAddr(fmt.Sprintf("fd10::%d:%d", h, e+2))},
				MAC:       state.MAC{2, 0, 0, 0, byte(h), byte(e)},
			})
		}
		all = append(all, s)
	}
	return topology.FromStates(all)
}

// build makes a machine room that ends with the test.
func build(t *testing.T, top topology.Topology) *Net {
	t.Helper()
	n, err := Build(t.Context(), top, Options{})
	if err != nil {
		t.Fatalf("build: %v", err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return n
}

func TestInComesHome(t *testing.T) {
	g := NewWithT(t)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	here, err := netns.Get()
	g.Expect(err).NotTo(HaveOccurred())
	defer here.Close()
	s, err := newSpace("")
	g.Expect(err).NotTo(HaveOccurred())
	defer s.close()

	boom := fmt.Errorf("boom")
	g.Expect(s.in(func() error {
		there, err := netns.Get()
		if err != nil {
			return err
		}
		defer there.Close()
		if there.Equal(here) {
			return fmt.Errorf("still outside")
		}
		return boom
	})).To(MatchError(boom))
	g.Expect(s.in(func() error { runtime.Goexit(); return nil })).To(MatchError(ContainSubstring("ended its goroutine")))
	after, err := netns.Get()
	g.Expect(err).NotTo(HaveOccurred())
	defer after.Close()
	g.Expect(after.Equal(here)).To(BeTrue())
	g.Expect(s.close()).To(Succeed())
	g.Expect(s.in(func() error { return nil })).To(MatchError(errClosed))
}

func TestHostsReachEachOtherOverTheUnderlay(t *testing.T) {
	g := NewWithT(t)
	n := build(t, room(2, 1))
	for _, addr := range []string{"172.16.0.2", "fd00::2"} {
		var server net.PacketConn
		g.Expect(n.InHost("h2", func() (err error) {
			server, err = net.ListenPacket("udp", net.JoinHostPort(addr, "7000"))
			return err
		})).To(Succeed())
		defer server.Close()
		var client net.Conn
		g.Expect(n.InHost("h1", func() (err error) {
			client, err = net.Dial("udp", net.JoinHostPort(addr, "7000"))
			return err
		})).To(Succeed())
		defer client.Close()
		_, err := client.Write([]byte("hello"))
		g.Expect(err).NotTo(HaveOccurred())
		buf := make([]byte, 16)
		g.Expect(server.SetReadDeadline(time.Now().Add(5 * time.Second))).To(Succeed())
		k, from, err := server.ReadFrom(buf)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(string(buf[:k])).To(Equal("hello"))
		g.Expect(from.(*net.UDPAddr).IP).To(Equal(client.LocalAddr().(*net.UDPAddr).IP))
	}
	local, err := n.Local("h1")
	g.Expect(err).NotTo(HaveOccurred())
	h2 := n.hosts["h2"]
	g.Expect(local.NextHops).To(Equal(map[netip.Addr]state.MAC{
		netip.MustParseAddr("172.16.0.2"): h2.MAC, netip.MustParseAddr("fd00::2"): h2.MAC,
	}))
	g.Expect(local.Ports).To(HaveKey("default/a1"))
}

// A host that is an endpoint keeps its ways to everywhere else, and sends to the
// VPC's subnets from its own address there.
func TestAHostIsAnEndpoint(t *testing.T) {
	g := NewWithT(t)
	top := room(2, 1)
	top.Endpoints = append(top.Endpoints, topology.Endpoint{
		Name: "host/h1", Host: "h1", Self: true, MAC: state.MAC{2, 9}, MTU: 1400,
		Addresses: []netip.Prefix{netip.MustParsePrefix("10.0.9.9/16"), netip.MustParsePrefix("fd10::9/64")},
		Gateways:  []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("fd10::1")},
		Routes:    []netip.Prefix{netip.MustParsePrefix("10.0.0.0/16"), netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fd11::/64")},
	})
	n := build(t, top)
	sources := map[string]string{
		"10.0.1.2": "10.0.9.9", "10.1.7.7": "10.0.9.9", "fd10::1:2": "fd10::9", "fd11::7": "fd10::9",
		"172.16.0.2": "172.16.0.1", "203.0.113.1": "172.16.0.1", "fd00::2": "fd00::1",
	}
	g.Expect(n.InHost("h1", func() error {
		for to, from := range sources {
			conn, err := net.Dial("udp", net.JoinHostPort(to, "9"))
			if err != nil {
				return err
			}
			g.Expect(conn.LocalAddr().(*net.UDPAddr).IP.String()).To(Equal(from), "to %s", to)
			if err := conn.Close(); err != nil {
				return err
			}
		}
		return nil
	})).To(Succeed())
	local, err := n.Local("h1")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(local.Ports).To(HaveKey("host/h1"))

	top.Endpoints = top.Endpoints[:2]
	g.Expect(n.Apply(t.Context(), top)).To(Succeed())
	g.Expect(n.InHost("h1", func() error {
		_, err := net.InterfaceByName(topology.HostDevice)
		g.Expect(err).To(HaveOccurred(), "the device is gone, the host stays")
		_, err = net.InterfaceByName(UplinkDevice)
		return err
	})).To(Succeed())
}

func TestEndpointHasWhatItsStateSays(t *testing.T) {
	g := NewWithT(t)
	top := room(1, 1)
	n := build(t, top)
	want := top.Endpoints[0]
	g.Expect(n.InEndpoint("default/a1", func() error {
		eth0, err := net.InterfaceByName(Device)
		if err != nil {
			return err
		}
		g.Expect(eth0.MTU).To(Equal(1400))
		g.Expect([]byte(eth0.HardwareAddr)).To(Equal(want.MAC[:]))
		addrs, err := eth0.Addrs()
		if err != nil {
			return err
		}
		var have []string
		for _, a := range addrs {
			have = append(have, a.String())
		}
		g.Expect(have).To(ContainElements("10.0.1.2/16", "fd10::1:2/64"), "and a link-local one, in a while")
		for dst, by := range map[string]string{"192.0.2.1": "10.0.0.1", "2001:db8::1": "fd10::1"} {
			r, err := netlink.RouteGet(net.ParseIP(dst))
			if err != nil {
				return err
			}
			g.Expect(r[0].Gw.String()).To(Equal(by))
		}
		return nil
	})).To(Succeed())
	_, err := n.Local("h7")
	g.Expect(err).To(MatchError(ContainSubstring("h1")))
}

func TestApplyFollowsChanges(t *testing.T) {
	g := NewWithT(t)
	n := build(t, room(2, 2))
	moved := room(2, 2)
	for i := range moved.Endpoints {
		if moved.Endpoints[i].Name == "default/a1" {
			moved.Endpoints[i].Host = "h2"
		}
	}
	socket := listen(g, n, "default/a1")
	defer socket.Close()
	g.Expect(n.Apply(t.Context(), moved)).To(Succeed())
	local, err := n.Local("h2")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(local.Ports).To(HaveKey("default/a1"))
	g.Expect(n.InHost("h2", func() error {
		dev, err := net.InterfaceByName("ep-a1")
		if err != nil {
			return err
		}
		g.Expect(uint32(dev.Index)).To(Equal(local.Ports["default/a1"]))
		return nil
	})).To(Succeed())

	grown := room(3, 1)
	g.Expect(n.Apply(t.Context(), grown)).To(Succeed())
	g.Expect(n.InEndpoint("default/b1", func() error { return nil })).To(MatchError(ContainSubstring("default/a3")))
	local, err = n.Local("h1")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(local.NextHops).To(HaveLen(4))
	g.Expect(n.Apply(t.Context(), topology.Topology{})).To(Succeed())
	g.Expect(n.hosts).To(BeEmpty())
}

// listen opens a TCP listener that must survive what follows.
func listen(g Gomega, n *Net, endpoint string) net.Listener {
	var l net.Listener
	g.Expect(n.InEndpoint(endpoint, func() (err error) {
		l, err = net.Listen("tcp", ":80")
		return err
	})).To(Succeed())
	return l
}

func TestCancelledBuildLeavesNothing(t *testing.T) {
	g := NewWithT(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := Build(ctx, room(2, 1), Options{Name: "cancelled"})
	g.Expect(err).To(MatchError(context.Canceled))
	rooms, err := List()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(rooms).NotTo(ContainElement(HaveField("Name", "cancelled")))
	g.Expect(pinsOf("cancelled")).NotTo(BeADirectory())
}

func TestNamedRoomStaysUntilDown(t *testing.T) {
	g := NewWithT(t)
	name := fmt.Sprintf("test-%d", os.Getpid())
	n, err := Build(t.Context(), room(2, 1), Options{Name: name})
	g.Expect(err).NotTo(HaveOccurred())
	defer func() { _ = Down(name) }()
	g.Expect(n.Release()).To(Succeed())

	_, err = Build(t.Context(), room(1, 0), Options{Name: name})
	g.Expect(err).To(MatchError(ContainSubstring("take it down first")))
	rooms, err := List()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(rooms).To(ContainElement(Named{Name: name, State: Up, Hosts: []string{"h1", "h2"}, Endpoints: []string{"default/a1", "default/a2"}}))
	for who, device := range map[string]string{"h1": "uplink", "a2": "eth0", "default/a1": "eth0", "fabric": "to-h2"} {
		g.Expect(Enter(name, who, func() error {
			_, err := net.InterfaceByName(device)
			return err
		})).To(Succeed())
	}
	g.Expect(Enter(name, "nobody", nil)).To(MatchError(ContainSubstring("default/a1")))
	g.Expect(Down(name)).To(Succeed())
	g.Expect(Down(name)).To(MatchError(ContainSubstring("is not up")))
	left, err := os.ReadDir(runDir)
	g.Expect(err).NotTo(HaveOccurred())
	for _, f := range left {
		g.Expect(f.Name()).NotTo(HavePrefix(filePrefix + name + "-"))
	}
	_, err = New(Options{Name: "a/b"})
	g.Expect(err).To(MatchError(ContainSubstring(`"a/b"`)))
}

func TestOffloadsAreSwitchedAndPrinted(t *testing.T) {
	g := NewWithT(t)
	n := build(t, room(1, 1))
	var out strings.Builder
	g.Expect(WriteOffloads(&out, n.Offloads())).To(Succeed())
	g.Expect(strings.Fields(strings.Split(out.String(), "\n")[1])).To(Equal([]string{"default/a1", "eth0", "-", "off", "off", "off", "on", "off"}))
	g.Expect(out.String()).To(MatchRegexp(`fabric +to-h1 +- +off +off +off +on +off`))
	g.Expect(out.String()).To(MatchRegexp(`h1 +uplink +- +off +off +off +off +off`))
}
