// SPDX-License-Identifier: Apache-2.0

package testrun_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/frame"
	"github.com/mizar-net/mizar/sim/wire"
	"github.com/mizar-net/mizar/sim/wire/testrun"
)

const nodePort = 30080

// visit is a client outside who comes to a host of the plan, and the backend that he gets.
type visit struct {
	g Gomega
	t *testing.T
	w *testrun.Wire
	// host is the one that he comes to, at the address front.
	host   string
	front  netip.Addr
	client netip.AddrPort
	to     state.Endpoint
	kind   frame.Kind
}

// outsideStates are those of the plan with a node port of each backend at each host:
// nodePort and its number.
func outsideStates(form state.Form, change func(*state.Host)) []state.Host {
	states := servedPlan.states()
	for i := range states {
		h := &states[i]
		h.Form = form
		for e := range h.Endpoints {
			h.Endpoints[e].Form = form
		}
		for n, name := range backends {
			b := servedPlan.endpoint(name)
			for f, front := range h.Addresses {
				for _, protocol := range []uint8{6, 17, 132} {
					h.Outside = append(h.Outside, state.OutsideService{
						Name: fmt.Sprintf("ns/%d:%d/%d/outside", n, protocol, f), VNI: b.VNI, Protocol: protocol,
						Frontends: []netip.AddrPort{netip.AddrPortFrom(front, nodePort+uint16(n))},
						Backends:  []state.OutsideBackend{{At: netip.AddrPortFrom(b.Addresses[f], 8080), Host: name[5:7]}}, Table: []uint16{0},
					})
				}
			}
		}
		// Endpoints look for flows with clients outside where their VPC has services.
		h.Services = []state.Service{{
			Name: "ns/any:80/4", VNI: 100, Protocol: 6, Frontends: []netip.AddrPort{netip.MustParseAddrPort("172.20.0.1:80")},
		}}
		if change != nil {
			change(h)
		}
	}
	return states
}

// visits are those of all ways to come, in each form of the programs.
func visits(t *testing.T, change func(*state.Host), test func(v visit)) {
	for _, form := range state.Forms() {
		t.Run(string(form), func(t *testing.T) {
			w := network(t, servedPlan)
			if err := w.Apply(t.Context(), outsideStates(form, change)); err != nil {
				t.Fatal(err)
			}
			comeToAll(t, w, test)
		})
	}
}

// comeToAll lets a client come to each host for each backend, by each family and protocol.
func comeToAll(t *testing.T, w *testrun.Wire, test func(v visit)) {
	clients := []netip.Addr{address("198.51.100.7"), address("2001:db8:ffff::7")}
	for n, h := range servedPlan.states() {
		for _, backend := range backends {
			for f, front := range h.Addresses {
				// From one port to two frontends would be the same flow to a backend.
				client := netip.AddrPortFrom(clients[f], uint16(5000+n))
				for _, kind := range []frame.Kind{frame.TCP, frame.UDP, frame.SCTP} {
					t.Run(fmt.Sprintf("%s at %s %s", backend, front, kind), func(t *testing.T) {
						test(visit{NewWithT(t), t, w, h.Name, front, client, servedPlan.endpoint(backend), kind})
					})
				}
			}
		}
	}
}

// port is the one that the client comes to.
func (v visit) port() uint16 {
	for n, name := range backends {
		if name == v.to.Name {
			return nodePort + uint16(n)
		}
	}
	panic("no backend " + v.to.Name)
}

func (v visit) backend() netip.Addr {
	if v.front.Is4() {
		return v.to.Addresses[0]
	}
	return v.to.Addresses[1]
}

func (v visit) request(flags frame.TCPFlags) frame.Spec {
	return frame.Spec{Kind: v.kind, SrcMAC: state.MAC{2, 1}, DstMAC: state.MAC{2, 2}, Src: v.client.Addr(), Dst: v.front, SrcPort: v.client.Port(), DstPort: v.port(), TCPFlags: flags}
}

func (v visit) reply(flags frame.TCPFlags) frame.Spec {
	return frame.Spec{
		Kind: v.kind, SrcMAC: v.to.MAC, DstMAC: state.MAC{2, 0x4d, 0x5a, 0, 0, 100},
		Src: v.backend(), Dst: v.client.Addr(), SrcPort: 8080, DstPort: v.client.Port(), TCPFlags: flags,
	}
}

// send puts a frame on a port and returns what comes of it.
func (v visit) send(at wire.Port, spec frame.Spec) []wire.Emission {
	v.t.Helper()
	all := v.inject(at, spec)
	drops, err := v.w.Drops(v.t.Context())
	v.g.Expect(err).NotTo(HaveOccurred())
	v.g.Expect(all).NotTo(BeEmpty(), "drops: %v", drops)
	for _, e := range all {
		v.g.Expect(frame.VerifyChecksums(e.Frame)).To(Succeed())
	}
	return all
}

func (v visit) inject(at wire.Port, spec frame.Spec) []wire.Emission {
	v.t.Helper()
	b, err := frame.Build(spec)
	v.g.Expect(err).NotTo(HaveOccurred())
	all, err := v.w.Inject(v.t.Context(), at, [][]byte{b})
	v.g.Expect(err).NotTo(HaveOccurred())
	return all
}

// come sends a packet of the client, and returns it as the backend gets it.
func (v visit) come(flags frame.TCPFlags) frame.Layer {
	v.t.Helper()
	all := v.send(wire.Port{Uplink: v.host}, v.request(flags))
	last := all[len(all)-1]
	v.g.Expect(last.At.Endpoint).To(Equal(v.to.Name))
	return decoded(v.g, last.Frame)
}

// answer sends a packet of the backend, and returns it as it leaves for the client.
func (v visit) answer(flags frame.TCPFlags) frame.Layer {
	v.t.Helper()
	all := v.send(wire.Port{Endpoint: v.to.Name}, v.reply(flags))
	v.g.Expect(all).To(HaveLen(1))
	v.g.Expect(all[0].At.Uplink).To(Equal(v.to.Name[5:7]), "the backend's host answers by itself")
	p, err := frame.Decode(all[0].Frame)
	v.g.Expect(err).NotTo(HaveOccurred())
	v.g.Expect(p.Tunnel).To(BeFalse(), "no tunnel leads outside")
	return p.Inner
}

// What a client outside sends to a node port comes out at the backend with his own
// address, wherever that is, and its answer goes straight to him, from the node port of the
// host that he has come to (row C11).
func TestNodePortIsReached(t *testing.T) {
	visits(t, nil, func(v visit) {
		for _, turn := range []struct {
			flags frame.TCPFlags
			back  bool
		}{
			{frame.SYN, false}, {frame.SYN | frame.ACK, true}, {frame.ACK, false}, {frame.ACK, false}, {frame.ACK, true},
			{frame.ACK, true}, {frame.ACK, false}, {frame.FIN | frame.ACK, false}, {frame.FIN | frame.ACK, true}, {frame.ACK, false},
		} {
			if turn.back {
				got := v.answer(turn.flags)
				v.g.Expect(netip.AddrPortFrom(got.Src, got.SrcPort)).To(Equal(netip.AddrPortFrom(v.front, v.port())))
				v.g.Expect(netip.AddrPortFrom(got.Dst, got.DstPort)).To(Equal(v.client))
				v.g.Expect(got.TTL).To(BeEquivalentTo(63))
				continue
			}
			got := v.come(turn.flags)
			v.g.Expect(netip.AddrPortFrom(got.Dst, got.DstPort)).To(Equal(netip.AddrPortFrom(v.backend(), 8080)))
			v.g.Expect(netip.AddrPortFrom(got.Src, got.SrcPort)).To(Equal(v.client))
			v.g.Expect(got.TTL).To(BeEquivalentTo(63))
		}
	})
}

// What is in another VLAN is the host's own, and so are fragments whose first one nobody saw.
func TestOtherFramesAreTheHostsOwn(t *testing.T) {
	visits(t, nil, func(v visit) {
		for what, change := range map[string]func(*frame.Spec){
			"another VLAN":    func(s *frame.Spec) { s.VLAN = 7 },
			"a late fragment": func(s *frame.Spec) { s.IPID, s.Payload, s.Fragment = 7, make([]byte, 64), &frame.Fragment{Offset: 32} },
		} {
			spec := v.request(frame.SYN)
			change(&spec)
			all := v.inject(wire.Port{Uplink: v.host}, spec)
			v.g.Expect(all).To(HaveLen(1), what)
			v.g.Expect(all[0].At.Stack).To(Equal(v.host), what)
		}
	})
}

// A datagram in fragments comes whole to the backend, and so does its answer to the client
// (row C11).
func TestFragmentsReachTheBackend(t *testing.T) {
	visits(t, nil, func(v visit) {
		if v.kind != frame.UDP {
			return
		}
		request := v.request(0)
		request.Payload, request.IPID = bytes.Repeat([]byte("abcdefgh"), 300), 77
		for i, f := range pieces(v.g, request) {
			all, err := v.w.Inject(v.t.Context(), wire.Port{Uplink: v.host}, [][]byte{f})
			v.g.Expect(err).NotTo(HaveOccurred())
			v.g.Expect(all).NotTo(BeEmpty(), "fragment %d", i)
			last := all[len(all)-1]
			v.g.Expect(last.At.Endpoint).To(Equal(v.to.Name), "fragment %d", i)
			got := decoded(v.g, last.Frame)
			v.g.Expect(got.Dst).To(Equal(v.backend()))
			if v.g.Expect(got.Src).To(Equal(v.client.Addr())); i == 0 {
				v.g.Expect(got.DstPort).To(BeEquivalentTo(8080))
			}
		}
		reply := v.reply(0)
		reply.Payload, reply.IPID = request.Payload, 78
		for i, f := range pieces(v.g, reply) {
			all, err := v.w.Inject(v.t.Context(), wire.Port{Endpoint: v.to.Name}, [][]byte{f})
			v.g.Expect(err).NotTo(HaveOccurred())
			v.g.Expect(all).To(HaveLen(1), "fragment %d", i)
			got := decoded(v.g, all[0].Frame)
			v.g.Expect(got.Dst).To(Equal(v.client.Addr()))
			if v.g.Expect(got.Src).To(Equal(v.front)); i == 0 {
				v.g.Expect(got.SrcPort).To(BeEquivalentTo(v.port()))
			}
		}
	})
}

// pieces is a packet in fragments.
func pieces(g Gomega, spec frame.Spec) [][]byte {
	all, err := frame.Fragments(spec, 1000)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(len(all)).To(BeNumerically(">", 2))
	return all
}

// An error about what a backend has answered comes to where the client came, and reaches the
// backend: so its stack learns how large its packets may be (row C11).
func TestErrorsAboutAnswersReachTheBackend(t *testing.T) {
	visits(t, nil, func(v visit) {
		v.come(frame.SYN)
		all := v.send(wire.Port{Endpoint: v.to.Name}, v.reply(frame.SYN|frame.ACK))
		e := frame.Spec{
			Kind: frame.ErrorMessage, SrcMAC: state.MAC{2, 1}, DstMAC: state.MAC{2, 2}, Src: address("198.51.100.1"), Dst: v.front,
			Type: 3, Code: 4, Payload: all[0].Frame[14:],
		}
		if v.front.Is6() {
			e.Src, e.Type, e.Code = address("2001:db8:ffff::1"), 2, 0
		}
		all = v.send(wire.Port{Uplink: v.host}, e)
		last := all[len(all)-1]
		v.g.Expect(last.At.Endpoint).To(Equal(v.to.Name))
		got := decoded(v.g, last.Frame)
		v.g.Expect(got.Src).To(Equal(e.Src))
		v.g.Expect(got.Dst).To(Equal(v.backend()))
		quoted, err := got.Error.Quote()
		v.g.Expect(err).NotTo(HaveOccurred())
		v.g.Expect(netip.AddrPortFrom(quoted.Src, quoted.SrcPort)).To(Equal(netip.AddrPortFrom(v.backend(), 8080)))
		v.g.Expect(netip.AddrPortFrom(quoted.Dst, quoted.DstPort)).To(Equal(v.client))
	})
}

// Other ports of the host are its own (row C11).
func TestOtherPortsAreTheHostsOwn(t *testing.T) {
	visits(t, nil, func(v visit) {
		spec := v.request(frame.SYN)
		spec.DstPort = 22
		all := v.send(wire.Port{Uplink: v.host}, spec)
		v.g.Expect(all).To(HaveLen(1))
		v.g.Expect(all[0].At.Stack).To(Equal(v.host))
	})
}

// All flows of a client choose one backend where the service says so, else each for itself.
func TestClientsChooseAlikeWhereTheServiceSaysSo(t *testing.T) {
	client := address("198.51.100.7")
	for _, alike := range []bool{false, true} {
		w := network(t, servedPlan)
		states := outsideStates(state.FormXDP, func(h *state.Host) {
			s := state.OutsideService{
				Name: "ns/two:80/outside", VNI: 100, Protocol: 17, Frontends: []netip.AddrPort{netip.AddrPortFrom(h.Addresses[0], nodePort+9)},
				Table: []uint16{0, 1, 0, 1}, Alike: alike,
			}
			for _, name := range backends[:2] {
				s.Backends = append(s.Backends, state.OutsideBackend{At: netip.AddrPortFrom(servedPlan.endpoint(name).Addresses[0], 8081), Host: name[5:7]})
			}
			h.Outside = append(h.Outside, s)
		})
		g := NewWithT(t)
		g.Expect(w.Apply(t.Context(), states)).To(Succeed())
		got := map[string]bool{}
		for port := uint16(6000); port < 6032; port++ {
			v := visit{g: g, t: t, w: w}
			all := v.send(wire.Port{Uplink: "h3"}, frame.Spec{
				Kind: frame.UDP, SrcMAC: state.MAC{2, 1}, DstMAC: state.MAC{2, 2}, Src: client, Dst: underlay(3)[0], SrcPort: port, DstPort: nodePort + 9,
			})
			got[all[len(all)-1].At.Endpoint] = true
		}
		want := 2
		if alike {
			want = 1
		}
		g.Expect(got).To(HaveLen(want), "alike %t: %v", alike, got)
	}
}

// What a client at the tunnel's port is answered does not leave: it would come from a host
// (row C11).
func TestTheTunnelsPortIsNotAnswered(t *testing.T) {
	visits(t, nil, func(v visit) {
		if v.kind != frame.UDP {
			return
		}
		v.client = netip.AddrPortFrom(v.client.Addr(), 6081)
		v.come(0)
		v.g.Expect(v.inject(wire.Port{Endpoint: v.to.Name}, v.reply(0))).To(BeEmpty())
	})
}
