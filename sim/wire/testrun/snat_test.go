// SPDX-License-Identifier: Apache-2.0

package testrun_test

import (
	"bytes"
	"net/netip"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/frame"
	"github.com/mizar-net/mizar/sim/wire"
	"github.com/mizar-net/mizar/sim/wire/testrun"
)

// leaver is an endpoint that talks with the outside.
type leaver struct {
	g    Gomega
	t    *testing.T
	w    *testrun.Wire
	from state.Endpoint
	// host is the endpoint's, at is the family's place among addresses.
	host string
	at   int
	to   netip.AddrPort
	kind frame.Kind
}

// leavingPlan has endpoints of two VPCs at one address, at the divider's host and elsewhere.
var leavingPlan = plan{endpoints: []string{"blue/h3-a-30", "red/h3-a-30", "blue/h1-a-10", "red/h1-a-10"}}

func leavingStates(form state.Form) []state.Host {
	states := leavingPlan.states()
	for i := range states {
		states[i].Form = form
		for v := range states[i].VPCs {
			states[i].VPCs[v].Leaves = true
		}
		for e := range states[i].Endpoints {
			states[i].Endpoints[e].Form = form
		}
	}
	return states
}

// leave lets endpoints talk with the outside, in each form, family and protocol.
func leave(t *testing.T, names []string, test func(l leaver)) {
	outsiders := []netip.AddrPort{netip.MustParseAddrPort("198.51.100.7:80"), netip.MustParseAddrPort("[2001:db8:ffff::7]:80")}
	for _, form := range state.Forms() {
		w := network(t, leavingPlan)
		if err := w.Apply(t.Context(), leavingStates(form)); err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			for at, to := range outsiders {
				for _, kind := range []frame.Kind{frame.TCP, frame.UDP, frame.SCTP, frame.Echo} {
					t.Run(string(form)+" "+name+" "+to.Addr().String()+" "+string(kind), func(t *testing.T) {
						test(leaver{NewWithT(t), t, w, leavingPlan.endpoint(name), name[len(name)-7 : len(name)-5], at, to, kind})
					})
				}
			}
		}
	}
}

// ask sends a packet of the endpoint from a port, and returns it as it leaves.
func (l leaver) ask(port uint16, flags frame.TCPFlags) frame.Layer {
	l.t.Helper()
	out := l.send(wire.Port{Endpoint: l.from.Name}, l.spec(port, flags))
	last := out[len(out)-1]
	l.g.Expect(last.At.Uplink).To(Equal(l.host), "%v", out)
	p, err := frame.Decode(last.Frame)
	l.g.Expect(err).NotTo(HaveOccurred())
	l.g.Expect(p.Tunnel).To(BeFalse())
	l.g.Expect(p.Inner.Src).To(Equal(l.own()))
	l.g.Expect(netip.AddrPortFrom(p.Inner.Dst, p.Inner.DstPort)).To(Equal(l.peer()))
	l.g.Expect(p.Inner.TTL).To(BeEquivalentTo(63))
	return p.Inner
}

// spec is a packet of the endpoint from a port.
func (l leaver) spec(port uint16, flags frame.TCPFlags) frame.Spec {
	return frame.Spec{
		Kind: l.kind, SrcMAC: l.from.MAC, DstMAC: state.MAC{2, 0x4d, 0x5a, 0, 0, byte(l.from.VNI)},
		Src: l.from.Addresses[l.at], Dst: l.to.Addr(), SrcPort: port, DstPort: l.to.Port(), ID: port, TCPFlags: flags,
	}
}

// peer is the one outside; an echo has no ports.
func (l leaver) peer() netip.AddrPort {
	if l.kind == frame.Echo {
		return netip.AddrPortFrom(l.to.Addr(), 0)
	}
	return l.to
}

// own is the host's address.
func (l leaver) own() netip.Addr {
	for _, s := range leavingStates(state.FormXDP) {
		if s.Name == l.host {
			return s.Addresses[l.at]
		}
	}
	panic("no host " + l.host)
}

// port is what tells the flow apart at the host.
func port(p frame.Layer) uint16 {
	if p.ICMPID != 0 {
		return p.ICMPID
	}
	return p.SrcPort
}

// answer sends what the outside answers to a packet that has left.
func (l leaver) answer(asked frame.Layer, flags frame.TCPFlags) []wire.Emission {
	l.t.Helper()
	return l.send(wire.Port{Uplink: l.host}, l.reply(asked, flags))
}

// reply is what the outside answers to a packet that has left.
func (l leaver) reply(asked frame.Layer, flags frame.TCPFlags) frame.Spec {
	kind := l.kind
	if kind == frame.Echo {
		kind = frame.EchoReply
	}
	return frame.Spec{
		Kind: kind, SrcMAC: state.MAC{2, 1}, DstMAC: state.MAC{2, 2}, Src: asked.Dst, Dst: asked.Src,
		SrcPort: l.to.Port(), DstPort: asked.SrcPort, ID: asked.ICMPID, TCPFlags: flags,
	}
}

func (l leaver) send(at wire.Port, spec frame.Spec) []wire.Emission {
	l.t.Helper()
	return visit{g: l.g, t: l.t, w: l.w}.send(at, spec)
}

// got wants an answer to have come to the endpoint's port, from the one outside.
func (l leaver) got(all []wire.Emission, at uint16) {
	l.t.Helper()
	l.g.Expect(all).To(HaveLen(1))
	l.g.Expect(all[0].At.Endpoint).To(Equal(l.from.Name))
	p := decoded(l.g, all[0].Frame)
	l.g.Expect(netip.AddrPortFrom(p.Src, p.SrcPort)).To(Equal(l.peer()))
	l.g.Expect(p.Dst).To(Equal(l.from.Addresses[l.at]))
	if l.kind == frame.Echo {
		l.g.Expect(p.ICMPID).To(Equal(at))
	} else {
		l.g.Expect(p.DstPort).To(Equal(at))
	}
	l.g.Expect(p.TTL).To(BeEquivalentTo(63))
}

// What an endpoint sends to the outside leaves with its host's address, and the answer
// comes back to it (row D1).
func TestEndpointsLeaveWithTheirHostsAddress(t *testing.T) {
	leave(t, leavingPlan.endpoints, func(l leaver) {
		asked := l.ask(4000, frame.SYN)
		l.got(l.answer(asked, frame.SYN|frame.ACK), 4000)
		for range 2 {
			again := l.ask(4000, frame.ACK)
			l.g.Expect(port(again)).To(Equal(port(asked)), "one flow, one port")
			l.got(l.answer(asked, frame.ACK), 4000)
		}
		l.ask(4000, frame.FIN|frame.ACK)
		l.got(l.answer(asked, frame.FIN|frame.ACK), 4000)
	})
}

// Two endpoints at one address and port are two to the outside.
func TestNoTwoFlowsLeaveByOnePort(t *testing.T) {
	used := map[string]string{}
	leave(t, []string{"blue/h3-a-30", "red/h3-a-30"}, func(l leaver) {
		for from := uint16(4100); from < 4140; from++ {
			asked := l.ask(from, frame.SYN)
			l.g.Expect(port(asked)).To(BeNumerically(">=", 61000))
			key := l.t.Name()[:len("TestNoTwoFlowsLeaveByOnePort/xdp")] + asked.Src.String() + string(l.kind) + string(rune(port(asked)))
			l.g.Expect(used).NotTo(HaveKey(key), "it is that of %s", used[key])
			used[key] = l.from.Name
			l.got(l.answer(asked, frame.SYN|frame.ACK), from)
		}
	})
}

// What nobody has asked for is the host's own.
func TestWhatNobodyAskedForIsTheHosts(t *testing.T) {
	leave(t, []string{"blue/h3-a-30"}, func(l leaver) {
		asked := l.ask(4400, frame.SYN)
		asked.SrcPort++
		asked.ICMPID++
		all := l.answer(asked, frame.SYN|frame.ACK)
		l.g.Expect(all).To(HaveLen(1))
		l.g.Expect(all[0].At.Stack).To(Equal(l.host))
	})
}

// seen is what who is outside sees of a packet that leaves.
func (l leaver) seen(out []wire.Emission) []byte {
	l.t.Helper()
	last := out[len(out)-1]
	l.g.Expect(last.At.Uplink).To(Equal(l.host), "%v", out)
	return last.Frame
}

// Errors from outside about what has left reach who sent it, and quote what he sent: so his
// stack learns how large its packets may be (row D1).
func TestErrorsFromOutsideReachWhoSent(t *testing.T) {
	leave(t, []string{"blue/h3-a-30", "blue/h1-a-10"}, func(l leaver) {
		spec := l.spec(4500, frame.SYN)
		about := l.seen(l.send(wire.Port{Endpoint: l.from.Name}, spec))
		router := netip.MustParseAddr("198.51.100.1")
		e := frame.Spec{Kind: frame.ErrorMessage, SrcMAC: state.MAC{2, 1}, DstMAC: state.MAC{2, 2}, Src: router, Type: 3, Code: 4, Payload: about[14:]}
		if l.to.Addr().Is6() {
			e.Src, e.Type, e.Code = netip.MustParseAddr("2001:db8:ffff::1"), 2, 0
		}
		e.Dst = l.own()
		all := l.send(wire.Port{Uplink: l.host}, e)
		l.g.Expect(all).To(HaveLen(1))
		l.g.Expect(all[0].At.Endpoint).To(Equal(l.from.Name))
		got := decoded(l.g, all[0].Frame)
		l.g.Expect(got.Src).To(Equal(e.Src))
		l.g.Expect(got.Dst).To(Equal(l.from.Addresses[l.at]))
		quoted, err := got.Error.Quote()
		l.g.Expect(err).NotTo(HaveOccurred())
		l.g.Expect(netip.AddrPortFrom(quoted.Dst, quoted.DstPort)).To(Equal(l.peer()))
		l.g.Expect(quoted.Src).To(Equal(l.from.Addresses[l.at]))
		l.g.Expect(port(quoted)).To(BeEquivalentTo(4500))

		// About what nobody has sent, it is the host's.
		foreign := bytes.Clone(about)
		foreign[14+12] ^= 1 // of IPv4 the quoted source, of IPv6 too
		e.Payload = foreign[14:]
		all = l.send(wire.Port{Uplink: l.host}, e)
		l.g.Expect(all).To(HaveLen(1))
		l.g.Expect(all[0].At.Stack).To(Equal(l.host))
	})
}

// An answer in fragments comes whole to who asked, and what he sends in fragments leaves
// with one address and port (row D1).
func TestFragmentsLeaveAndComeBack(t *testing.T) {
	leave(t, []string{"red/h3-a-30", "red/h1-a-10"}, func(l leaver) {
		if l.kind == frame.TCP || l.kind == frame.SCTP {
			return
		}
		spec := l.spec(4600, 0)
		spec.Payload, spec.IPID = bytes.Repeat([]byte("abcdefgh"), 300), 77
		var asked frame.Layer
		for i, f := range pieces(l.g, spec) {
			out, err := l.w.Inject(l.t.Context(), wire.Port{Endpoint: l.from.Name}, [][]byte{f})
			l.g.Expect(err).NotTo(HaveOccurred())
			got := decoded(l.g, l.seen(out))
			l.g.Expect(got.Src).To(Equal(l.own()))
			l.g.Expect(got.Dst).To(Equal(l.to.Addr()))
			if l.g.Expect(got.Fragment).To(BeTrue()); i == 0 {
				asked = got
			}
		}
		back := l.reply(asked, 0)
		back.Payload, back.IPID = spec.Payload, 78
		var first frame.Layer
		for i, f := range pieces(l.g, back) {
			out, err := l.w.Inject(l.t.Context(), wire.Port{Uplink: l.host}, [][]byte{f})
			l.g.Expect(err).NotTo(HaveOccurred())
			l.g.Expect(out).To(HaveLen(1))
			l.g.Expect(out[0].At.Endpoint).To(Equal(l.from.Name), "fragment %d", i)
			got := decoded(l.g, out[0].Frame)
			l.g.Expect(got.Src).To(Equal(l.to.Addr()))
			if l.g.Expect(got.Dst).To(Equal(l.from.Addresses[l.at])); i == 0 {
				first = got
			}
		}
		if l.kind == frame.Echo {
			l.g.Expect(first.ICMPID).To(BeEquivalentTo(4600))
		} else {
			l.g.Expect(first.DstPort).To(BeEquivalentTo(4600))
		}
	})
}

// An answer that is larger than endpoints' packets may be is refused to who sent it, with
// the size that fits (row D1).
func TestAnswersThatAreTooLargeAreRefused(t *testing.T) {
	leave(t, []string{"red/h3-a-30", "red/h1-a-10"}, func(l leaver) {
		asked := l.ask(4700, frame.SYN)
		l.got(l.answer(asked, frame.SYN|frame.ACK), 4700)
		back := l.reply(asked, frame.ACK)
		back.Payload = make([]byte, l.from.MTU)
		all := l.send(wire.Port{Uplink: l.host}, back)
		l.g.Expect(all).To(HaveLen(1))
		l.g.Expect(all[0].At.Uplink).To(Equal(l.host))
		got := decoded(l.g, all[0].Frame)
		l.g.Expect(got.Src).To(Equal(l.own()))
		l.g.Expect(got.Dst).To(Equal(l.to.Addr()))
		l.g.Expect(got.Error).NotTo(BeNil())
		l.g.Expect(got.Error.MTU).To(Equal(l.from.MTU))
		quoted, err := got.Error.Quote()
		l.g.Expect(err).NotTo(HaveOccurred())
		l.g.Expect(port(frame.Layer{SrcPort: quoted.DstPort, ICMPID: quoted.ICMPID})).To(Equal(port(asked)), "it quotes what was sent")
	})
}

// The first answer settles both rows of a flow that has left: what is only open goes when
// others open more.
func TestTheFirstAnswerSettlesTheFace(t *testing.T) {
	g := NewWithT(t)
	w := network(t, leavingPlan)
	g.Expect(w.Apply(t.Context(), leavingStates(state.FormXDP))).To(Succeed())
	out, err := w.Probe(t.Context(), wire.Probe{
		Proto: wire.UDP, From: leavingPlan.endpoint("red/h3-a-30").Name, To: netip.MustParseAddr("198.51.100.7"), Outsider: "outside/ext", Port: 53,
	})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(out.Replies).To(HaveLen(1))
	settled := 0
	for _, step := range out.Replies[0].Steps {
		for _, s := range step.Stages {
			if s.Map == "flows" && s.Access == "update" {
				settled++
			}
		}
	}
	g.Expect(settled).To(BeNumerically(">=", 2), "%+v", out.Replies[0].Steps)
}
