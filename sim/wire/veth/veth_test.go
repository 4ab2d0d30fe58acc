// SPDX-License-Identifier: Apache-2.0

package veth_test

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/controlplane/compile"
	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/frame"
	"github.com/mizar-net/mizar/sim/wire"
	"github.com/mizar-net/mizar/sim/wire/veth"
)

var (
	addr   = netip.MustParseAddr
	prefix = netip.MustParsePrefix
)

// set has hosts h1, h2, h3 (the bouncer and divider is h3), VPC red with the
// subnets s (a1, b1 on h1, a2 on h2) and t (c2 on h2), and VPC blue with the
// same subnet s and another a1 and a2.
func set() object.Set {
	host := func(name, last string) object.Host {
		return object.Host{Meta: object.Meta{Name: name}, MTU: 1500, Addresses: []netip.Addr{addr("172.16.0." + last), addr("fd00::" + last)}}
	}
	third := object.Placement{Hosts: []string{"h3"}, Count: 1}
	subnet := func(name, vpc, p4, p6, g4, g6 string) object.Subnet {
		return object.Subnet{Meta: object.Meta{Name: name}, VPC: vpc, Bouncers: third,
			CIDRs: []netip.Prefix{prefix(p4), prefix(p6)}, Gateways: []netip.Addr{addr(g4), addr(g6)}}
	}
	var mac byte
	endpoint := func(namespace, name, subnet, host, a4, a6 string) object.Endpoint {
		mac++
		return object.Endpoint{Meta: object.Meta{Name: name, Namespace: namespace}, Subnet: subnet, Host: host,
			Addresses: []netip.Addr{addr(a4), addr(a6)}, MAC: [6]byte{2, 0, 0, 0, 1, mac}}
	}
	return object.Set{
		Hosts: []object.Host{host("h1", "1"), host("h2", "2"), host("h3", "3")},
		VPCs: []object.VPC{
			{Meta: object.Meta{Name: "blue"}, VNI: 200, Dividers: third},
			{Meta: object.Meta{Name: "red"}, VNI: 100, Dividers: third},
		},
		Subnets: []object.Subnet{
			subnet("blue-s", "blue", "10.0.0.0/24", "fd10::/64", "10.0.0.1", "fd10::1"),
			subnet("red-s", "red", "10.0.0.0/24", "fd10::/64", "10.0.0.1", "fd10::1"),
			subnet("red-t", "red", "10.0.1.0/24", "fd10:0:0:1::/64", "10.0.1.1", "fd10:0:0:1::1"),
		},
		Endpoints: []object.Endpoint{
			endpoint("blue", "a1", "blue-s", "h1", "10.0.0.2", "fd10::2"),
			endpoint("blue", "a2", "blue-s", "h2", "10.0.0.3", "fd10::3"),
			endpoint("default", "a1", "red-s", "h1", "10.0.0.2", "fd10::2"),
			endpoint("default", "a2", "red-s", "h2", "10.0.0.3", "fd10::3"),
			endpoint("default", "b1", "red-s", "h1", "10.0.0.4", "fd10::4"),
			endpoint("default", "c2", "red-t", "h2", "10.0.1.2", "fd10:0:0:1::2"),
		},
	}
}

// programs are kept from one test for the next.
var programs veth.Pool

// open makes a wire that holds a set and ends with the test.
func open(t *testing.T, s object.Set) *veth.Wire {
	t.Helper()
	w, err := programs.Open()
	if err != nil {
		t.Fatalf("open (root is needed): %+v", err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	if err := w.Apply(t.Context(), compile.Hosts(s)); err != nil {
		t.Fatalf("apply: %+v", err)
	}
	return w
}

// quick is a packet's way without its frames.
func quick(p wire.Packet) wire.Packet {
	p.Frames = nil
	return p
}

func TestProbesTakeTheWayOfTheOverlay(t *testing.T) {
	w := open(t, set())
	direct := wire.Packet{Delivered: true, To: "default/a2", Hosts: []string{"h1", "h2"}, Hops: 1}
	back := wire.Packet{Delivered: true, To: "default/a1", Hosts: []string{"h2", "h1"}, Hops: 1}
	relayed := wire.Packet{Delivered: true, To: "default/a2", Hosts: []string{"h1", "h3", "h2"}, Hops: 2}
	for _, to := range []string{"10.0.0.3", "fd10::3"} {
		for _, proto := range []wire.Proto{wire.ICMP, wire.UDP, wire.TCP} {
			t.Run(string(proto)+" to "+to, func(t *testing.T) {
				g := NewWithT(t)
				g.Expect(w.Forget(t.Context())).To(Succeed())
				out, err := w.Probe(t.Context(), wire.Probe{Proto: proto, From: "default/a1", To: addr(to), Port: 80, Count: 3})
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(quick(out.Requests[0])).To(Equal(relayed))
				g.Expect(out.Requests[0].Frames).To(HaveLen(2))
				g.Expect(quick(out.Replies[0])).To(Equal(back))
				if proto != wire.TCP {
					g.Expect(out.Requests).To(HaveLen(3))
					g.Expect(quick(out.Requests[1])).To(Equal(direct))
					g.Expect(quick(out.Requests[2])).To(Equal(direct))
				}
				for _, f := range out.Requests[0].Frames {
					g.Expect(frame.VerifyChecksums(f)).To(Succeed())
				}
			})
		}
	}
}

func TestSameHostStaysOffTheUnderlay(t *testing.T) {
	g := NewWithT(t)
	w := open(t, set())
	for _, to := range []string{"10.0.0.4", "fd10::4"} {
		for _, proto := range []wire.Proto{wire.ICMP, wire.UDP, wire.TCP} {
			out, err := w.Probe(t.Context(), wire.Probe{Proto: proto, From: "default/a1", To: addr(to), Port: 80, Size: 1000})
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(out.Requests).To(Equal([]wire.Packet{{Delivered: true, To: "default/b1", Hosts: []string{"h1"}}}))
			g.Expect(out.Replies).To(Equal([]wire.Packet{{Delivered: true, To: "default/a1", Hosts: []string{"h1"}}}))
		}
	}
	frames, err := w.UnderlayFrames(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(frames).To(Equal(map[string]uint64{"h1": 0, "h2": 0, "h3": 0}))
	drops, err := w.Drops(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(drops).To(Equal(wire.Drops{"h1": {}, "h2": {}, "h3": {}}), "nothing is dropped in the background")
}

func TestAcrossSubnetsAndVPCs(t *testing.T) {
	g := NewWithT(t)
	w := open(t, set())
	out, err := w.Probe(t.Context(), wire.Probe{Proto: wire.TCP, From: "default/a1", To: addr("10.0.1.2"), Port: 80})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(out.Requests[0].To).To(Equal("default/c2"))
	g.Expect(out.Replies[0].Delivered).To(BeTrue())
	for _, from := range []string{"default/a1", "blue/a1"} {
		out, err := w.Probe(t.Context(), wire.Probe{Proto: wire.UDP, From: from, To: addr("10.0.0.3"), Port: 53, SourcePort: 4000})
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(out.Requests[0].To).To(Equal(from[:len(from)-1] + "2"))
	}
}

func TestLostPacketsHaveReasonAndDropper(t *testing.T) {
	g := NewWithT(t)
	w := open(t, set())
	for to, reason := range map[string]string{"10.0.0.77": "no_endpoint", "fd10::77": "no_endpoint", "192.0.2.9": "no_subnet"} {
		for _, proto := range []wire.Proto{wire.ICMP, wire.UDP, wire.TCP} {
			out, err := w.Probe(t.Context(), wire.Probe{Proto: proto, From: "default/a1", To: addr(to), Port: 80})
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(out.Replies).To(BeEmpty())
			g.Expect(out.Requests).To(HaveLen(1))
			lost := out.Requests[0]
			g.Expect(lost.Refused).NotTo(BeNil(), "%s to %s", proto, to)
			lost.Refused = nil
			g.Expect(quick(lost)).To(Equal(wire.Packet{Hosts: []string{"h1", "h3", "h1"}, Hops: 2, Reason: reason, Dropper: "h3"}), "%s to %s", proto, to)
		}
	}
	_, err := w.Probe(t.Context(), wire.Probe{Proto: wire.ICMP, From: "nobody", To: addr("10.0.0.2")})
	g.Expect(err).To(MatchError(ContainSubstring("nobody")))
}

func TestInjectTellsWhatCameOut(t *testing.T) {
	g := NewWithT(t)
	w := open(t, set())
	var a1 state.Endpoint
	var gateway state.MAC
	for _, h := range compile.Hosts(set()) {
		for _, e := range h.Endpoints {
			if e.Name == "default/a1" {
				a1, gateway = e, h.Subnets[1].GatewayMAC
			}
		}
	}
	build := func(s frame.Spec) []byte {
		b, err := frame.Build(s)
		g.Expect(err).NotTo(HaveOccurred())
		return b
	}
	honest := frame.Spec{Kind: frame.UDP, SrcMAC: a1.MAC, DstMAC: gateway, Src: a1.Addresses[0], Dst: addr("10.0.0.3"), SrcPort: 1, DstPort: 9}
	forged := honest
	forged.Src = addr("10.0.0.99")
	arp := frame.Spec{Kind: frame.ARPRequest, SrcMAC: a1.MAC, Src: a1.Addresses[0], Dst: addr("10.0.0.1")}
	out, err := w.Inject(t.Context(), wire.Port{Endpoint: "default/a1"}, [][]byte{build(arp), build(forged), build(honest)})
	g.Expect(err).NotTo(HaveOccurred())
	type brief struct {
		at    wire.Port
		to    string
		input int
	}
	var got []brief
	for _, e := range out {
		got = append(got, brief{e.At, e.To, e.Input})
	}
	g.Expect(got).To(Equal([]brief{
		{wire.Port{Endpoint: "default/a1"}, "", 0},
		{wire.Port{Uplink: "h1"}, "h3", 2},
		{wire.Port{Uplink: "h3"}, "h2", 2},
		{wire.Port{Endpoint: "default/a2"}, "", 2},
	}), "an answer, a drop, a relayed datagram that nobody answers")
	drops, err := w.Drops(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(drops["h1"]).To(Equal(map[string]uint64{"guard_address": 1}))

	again, err := w.Inject(t.Context(), wire.Port{Uplink: "h2"}, [][]byte{out[2].Frame})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(again).To(HaveLen(1))
	g.Expect(again[0].At).To(Equal(wire.Port{Endpoint: "default/a2"}))
}

func TestApplyFollowsAMove(t *testing.T) {
	g := NewWithT(t)
	w := open(t, set())
	probe := wire.Probe{Proto: wire.TCP, From: "default/a2", To: addr("10.0.0.2"), Port: 80}
	out, err := w.Probe(t.Context(), probe)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(out.Replies[0].Hosts).To(Equal([]string{"h1", "h2"}))
	moved := set()
	moved.Endpoints[2].Host = "h3"
	g.Expect(w.Apply(t.Context(), compile.Hosts(moved))).To(Succeed())
	g.Expect(w.Forget(t.Context())).To(Succeed())
	out, err = w.Probe(t.Context(), probe)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(out.Requests[0].To).To(Equal("default/a1"))
	g.Expect(out.Requests[0].Hosts).To(HaveExactElements("h2", "h3"))
	removed := set()
	removed.Endpoints = removed.Endpoints[3:]
	g.Expect(w.Apply(t.Context(), compile.Hosts(removed))).To(Succeed())
	g.Expect(w.Forget(t.Context())).To(Succeed())
	out, err = w.Probe(t.Context(), wire.Probe{Proto: wire.ICMP, From: "default/a2", To: addr("10.0.0.2")})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(out.Requests[0].Reason).To(Equal("no_endpoint"))
}

func TestTaggedUnderlay(t *testing.T) {
	g := NewWithT(t)
	s := set()
	for i := range s.Hosts {
		s.Hosts[i].VLAN = 42
	}
	w := open(t, s)
	out, err := w.Probe(t.Context(), wire.Probe{Proto: wire.TCP, From: "default/a1", To: addr("10.0.0.3"), Port: 80, Size: 5000})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(out.Requests[0].Hops).To(Equal(2))
	for _, f := range out.Requests[0].Frames {
		p, err := frame.Decode(f)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(p.VLAN).To(Equal(uint16(42)))
	}
}

func TestTypeOfServiceAndFragments(t *testing.T) {
	g := NewWithT(t)
	w := open(t, set())
	for _, to := range []string{"10.0.0.3", "fd10::3"} {
		out, err := w.Probe(t.Context(), wire.Probe{Proto: wire.UDP, From: "default/a1", To: addr(to), Port: 53, Size: 4000, TOS: 0xb8})
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(out.Replies).To(HaveLen(1))
		g.Expect(out.Replies[0].Delivered).To(BeTrue())
		p, err := frame.Decode(out.Requests[0].Frames[0])
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(p.OuterTOS).To(Equal(uint8(0xb8)))
		g.Expect(p.Inner.TOS).To(Equal(uint8(0xb8)))
	}
	report, err := w.Report(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(report).To(ContainSubstring("default/a2"))
}

// BenchmarkApply opens, fills and closes a wire of 10 hosts and 100 endpoints.
func BenchmarkApply(b *testing.B) {
	s := set()
	s.Hosts, s.Endpoints = nil, nil
	for h := range 10 {
		name := fmt.Sprintf("h%d", h+1)
		s.Hosts = append(s.Hosts, object.Host{Meta: object.Meta{Name: name}, MTU: 1500, Addresses: []netip.Addr{netip.AddrFrom4([4]byte{172, 16, 0, byte(h + 1)})}})
		for e := range 10 {
			s.Endpoints = append(s.Endpoints, object.Endpoint{
				Meta: object.Meta{Name: fmt.Sprintf("e%d-%d", h, e), Namespace: "default"}, Subnet: "red-s", Host: name,
				Addresses: []netip.Addr{netip.AddrFrom4([4]byte{10, 0, 0, byte(10 + 10*h + e)})}, MAC: [6]byte{2, 0, 0, 0, byte(h), byte(e)},
			})
		}
	}
	for b.Loop() {
		w, err := veth.Open()
		if err != nil {
			b.Fatal(err)
		}
		err = errors.Join(w.Apply(b.Context(), compile.Hosts(s)), w.Close())
		if err != nil {
			b.Fatal(err)
		}
	}
}
