// SPDX-License-Identifier: Apache-2.0

package testrun_test

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/sim/frame"
	"github.com/mizar-net/mizar/sim/wire"
)

var sameSubnet = plan{[]string{"red/h1-a-10", "red/h3-a-11", "blue/h1-a-10", "blue/h2-a-11"}}

func TestFirstPacketThroughTheBouncerThenDirect(t *testing.T) {
	for _, proto := range []wire.Proto{wire.ICMP, wire.UDP} {
		for _, to := range []string{"10.0.0.11", "fd00:0::11"} {
			t.Run(string(proto)+" "+to, func(t *testing.T) {
				g := NewWithT(t)
				w := network(t, sameSubnet)
				o, err := w.Probe(t.Context(), wire.Probe{Proto: proto, From: "red/h1-a-10", To: address(to), Port: 53, Count: 3, TOS: 0x28})
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(o.Requests).To(HaveLen(3))
				g.Expect(o.Replies).To(HaveLen(3))
				expectTold(g, o.Requests[0].Hosts, "h1 h2 h3")
				expectTold(g, o.Requests[1].Hosts, "h1 h3")
				expectTold(g, o.Requests[2].Hosts, "h1 h3")
				for _, r := range o.Replies {
					g.Expect(r.To).To(Equal("red/h1-a-10"))
					expectTold(g, r.Hosts, "h3 h1")
				}
				for _, s := range o.Requests[2].Steps {
					g.Expect(s.HashLookups).To(BeNumerically("<=", 2), "%s %s: %v", s.Host, s.Program, s.Stages)
					g.Expect(s.Updates).To(BeZero())
				}
				g.Expect(w.Drops(t.Context())).To(Equal(wire.Drops{"h1": {}, "h2": {}, "h3": {}}))
			})
		}
	}
}

func TestTCPAcrossSubnets(t *testing.T) {
	for _, to := range []string{"10.0.1.20", "fd00:1::20"} {
		g := NewWithT(t)
		w := network(t, plan{[]string{"red/h1-a-10", "red/h2-b-20"}})
		p := wire.Probe{Proto: wire.TCP, From: "red/h1-a-10", To: address(to), Port: 80}
		o, err := w.Probe(t.Context(), p)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(o.Requests).To(HaveLen(1))
		g.Expect(o.Replies).To(HaveLen(1))
		g.Expect(o.Requests[0].To).To(Equal("red/h2-b-20"))
		g.Expect(o.Replies[0].Delivered).To(BeTrue(), "%+v", o.Replies[0])
		expectTold(g, o.Requests[0].Hosts, "h1 h3 h2")

		o, err = w.Probe(t.Context(), p)
		g.Expect(err).NotTo(HaveOccurred())
		expectTold(g, o.Requests[0].Hosts, "h1 h2")
	}
}

func TestOverlappingAddressesStayApart(t *testing.T) {
	g := NewWithT(t)
	w := network(t, sameSubnet)
	p := wire.Probe{Proto: wire.UDP, From: "blue/h1-a-10", To: address("10.0.0.11"), Port: 53}
	o, err := w.Probe(t.Context(), p)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(o.Requests[0].To).To(Equal("blue/h2-a-11"))
	p.From = "red/h1-a-10"
	o, err = w.Probe(t.Context(), p)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(o.Requests[0].To).To(Equal("red/h3-a-11"))
}

func TestSameHostStaysOffTheWire(t *testing.T) {
	g := NewWithT(t)
	w := network(t, plan{[]string{"red/h1-a-10", "red/h1-b-20"}})
	o, err := w.Probe(t.Context(), wire.Probe{Proto: wire.TCP, From: "red/h1-a-10", To: address("10.0.1.20"), Port: 80})
	g.Expect(err).NotTo(HaveOccurred())
	expectTold(g, o.Requests[0].Hosts, "h1")
	g.Expect(o.Requests[0].Hops).To(BeZero())
	g.Expect(o.Replies[0].Delivered).To(BeTrue())
}

func TestUnknownEndpointIsDroppedWhereItIsKnown(t *testing.T) {
	g := NewWithT(t)
	w := network(t, sameSubnet)
	o, err := w.Probe(t.Context(), wire.Probe{Proto: wire.UDP, From: "red/h1-a-10", To: address("10.0.0.99"), Port: 53})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(o.Replies).To(BeEmpty())
	g.Expect(o.Requests[0].Delivered).To(BeFalse())
	g.Expect(o.Requests[0].Reason).To(Equal("no_endpoint"))
	g.Expect(o.Requests[0].Dropper).To(Equal("h2"))
	g.Expect(w.Drops(t.Context())).To(HaveKeyWithValue("h2", map[string]uint64{"no_endpoint": 1}))
}

func TestStepsTellTheWay(t *testing.T) {
	g := NewWithT(t)
	w := network(t, sameSubnet)
	o, err := w.Probe(t.Context(), wire.Probe{Proto: wire.ICMP, From: "red/h1-a-10", To: address("10.0.0.11")})
	g.Expect(err).NotTo(HaveOccurred())
	steps := o.Requests[0].Steps
	g.Expect(steps).To(HaveLen(3))
	g.Expect([]string{steps[0].Verdict, steps[1].Verdict, steps[2].Verdict}).To(Equal([]string{"ask", "relay", "deliver"}))
	g.Expect([]string{steps[0].To, steps[1].To, steps[2].To}).To(Equal([]string{"h2", "h3", "red/h3-a-11"}))
	g.Expect(steps[0].Port).To(Equal("red/h1-a-10"))
	g.Expect(steps[1].In).To(Equal(steps[0].Out))
	key := append([]byte{200, 0, 0, 0}, address("::ffff:10.0.0.11").AsSlice()...)
	g.Expect(steps[0].Stages).To(ContainElements(
		wire.Stage{Name: "local", Map: "locals", Access: "miss", Key: key},
		wire.Stage{Name: "ask", Map: "paths", Access: "update", Key: key, Hit: true},
		wire.Stage{Name: "encapsulate"},
	))
	g.Expect(o.Requests[0].Frames).To(Equal([][]byte{steps[0].Out, steps[1].Out}))
	g.Expect(w.UnderlayFrames(t.Context())).To(Equal(map[string]uint64{"h1": 1, "h2": 1, "h3": 1}))
	tunnelled, err := frame.Decode(steps[0].Out)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(tunnelled.Tunnel).To(BeTrue())
	g.Expect(tunnelled.VNI).To(BeEquivalentTo(200))
}

func TestForgetAsksAgain(t *testing.T) {
	g := NewWithT(t)
	w := network(t, sameSubnet)
	p := wire.Probe{Proto: wire.ICMP, From: "red/h1-a-10", To: address("10.0.0.11"), Count: 2}
	for range 2 {
		o, err := w.Probe(t.Context(), p)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect([]int{o.Requests[0].Hops, o.Requests[1].Hops}).To(Equal([]int{2, 1}))
		g.Expect(w.Forget(t.Context())).To(Succeed())
	}
	g.Expect(w.Advance(t.Context(), time.Minute)).To(Succeed())
	g.Expect(w.Advance(t.Context(), -time.Minute)).NotTo(Succeed())
}

func TestEndpointMoves(t *testing.T) {
	g := NewWithT(t)
	w := network(t, sameSubnet)
	p := wire.Probe{Proto: wire.UDP, From: "red/h1-a-10", To: address("10.0.0.11"), Port: 53, Count: 2}
	_, err := w.Probe(t.Context(), p)
	g.Expect(err).NotTo(HaveOccurred())
	moved := plan{[]string{"red/h1-a-10", "red/h2-a-11"}}
	g.Expect(w.Apply(t.Context(), moved.states())).To(Succeed())
	g.Expect(w.Forget(t.Context())).To(Succeed())
	o, err := w.Probe(t.Context(), p)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(o.Requests[1].To).To(Equal("red/h2-a-11"))

	g.Expect(w.Apply(t.Context(), moved.states()[:1])).To(Succeed(), "hosts go with their ports")
	_, err = w.Probe(t.Context(), wire.Probe{Proto: wire.UDP, From: "red/h2-a-11", To: address("10.0.0.10"), Port: 53})
	g.Expect(err).To(MatchError(ContainSubstring(`there is no endpoint "red/h2-a-11"`)))
	o, err = w.Probe(t.Context(), p)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(o.Requests[0].Delivered).To(BeFalse())
	g.Expect(o.Requests[0].Reason).To(BeEmpty(), "the underlay lost it")
}

func TestInjectTellsAllThatComesOut(t *testing.T) {
	g := NewWithT(t)
	w := network(t, sameSubnet)
	from := sameSubnet.endpoint("red/h1-a-10")
	gateway := subnet("red", "a", 200, "h2", "h1").GatewayMAC
	honest := frame.Spec{Kind: frame.UDP, SrcMAC: from.MAC, DstMAC: gateway, Src: from.Addresses[0], Dst: address("10.0.0.11"), SrcPort: 1, DstPort: 2}
	forged := honest
	forged.Src = address("10.0.0.77")
	question := frame.Spec{Kind: frame.ARPRequest, SrcMAC: from.MAC, Src: from.Addresses[0], Dst: address("10.0.0.1")}
	var frames [][]byte
	for _, s := range []frame.Spec{honest, forged, question} {
		b, err := frame.Build(s)
		g.Expect(err).NotTo(HaveOccurred())
		frames = append(frames, b)
	}
	out, err := w.Inject(t.Context(), wire.Port{Endpoint: from.Name}, frames)
	g.Expect(err).NotTo(HaveOccurred())
	var got []wire.Emission
	for _, e := range out {
		e.Frame = nil
		got = append(got, e)
	}
	g.Expect(got).To(Equal([]wire.Emission{
		{At: wire.Port{Uplink: "h1"}, To: "h2", Input: 0},
		{At: wire.Port{Uplink: "h2"}, To: "h3", Input: 0},
		{At: wire.Port{Endpoint: "red/h3-a-11"}, Input: 0},
		{At: wire.Port{Endpoint: "red/h1-a-10"}, Input: 2},
	}))
	g.Expect(w.Drops(t.Context())).To(HaveKeyWithValue("h1", map[string]uint64{"guard_address": 1}))

	relayed := out[1].Frame
	again, err := w.Inject(t.Context(), wire.Port{Uplink: "h3"}, [][]byte{relayed})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(again).To(HaveLen(1))
	_, err = w.Inject(t.Context(), wire.Port{Uplink: "h9"}, [][]byte{relayed})
	g.Expect(err).To(MatchError(ContainSubstring("there is no such host")))
	_, err = w.Inject(t.Context(), wire.Port{Uplink: "h3"}, [][]byte{make([]byte, 1519)})
	g.Expect(err).To(MatchError(ContainSubstring("a driver hands over 14 to 1518")))
}
