// SPDX-License-Identifier: Apache-2.0

package testrun_test

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/dataplane"
	"github.com/mizar-net/mizar/dataplane/flow"
	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/frame"
	"github.com/mizar-net/mizar/sim/wire"
	"github.com/mizar-net/mizar/sim/wire/testrun"
)

// onlyFrom lets a server be reached by one identity at a TCP and UDP port 80, and by
// nobody else.
func onlyFrom(name string, identity uint32) func(p *policies) {
	return func(p *policies) {
		p.isolate(name, state.Ingress, func(s *state.PolicySet) []state.PortClass {
			s.Peers = []state.PolicyPeer{{Identity: identity, Class: "80"}}
			return []state.PortClass{ports("80",
				state.PortRange{Protocol: 6, First: 80, Last: 80, Judgement: accept("80")},
				state.PortRange{Protocol: 17, First: 80, Last: 80, Judgement: accept("80")})}
		})
	}
}

// talk is a network and what a test says to it.
type talk struct {
	g Gomega
	t *testing.T
	w *testrun.Wire
	// family of all packets.
	family int
}

// say sends a packet from one endpoint to another, and says whether it arrived.
func (s talk) say(from, dest string, spec frame.Spec) bool {
	s.t.Helper()
	spec = s.spec(from, dest, spec)
	b, err := frame.Build(spec)
	s.g.Expect(err).NotTo(HaveOccurred())
	return s.inject(from, dest, b)
}

func (s talk) spec(from, dest string, spec frame.Spec) frame.Spec {
	e := judged.endpoint(from)
	spec.SrcMAC, spec.DstMAC = e.MAC, state.MAC{2, 0x4d, 0x5a, 0, 0, 200}
	spec.Src, spec.Dst = to(from, s.family), to(dest, s.family)
	return spec
}

func (s talk) inject(from, dest string, frames ...[]byte) bool {
	s.t.Helper()
	out, err := s.w.Inject(s.t.Context(), wire.Port{Endpoint: from}, frames)
	s.g.Expect(err).NotTo(HaveOccurred())
	arrived := 0
	for _, e := range out {
		if e.At.Endpoint == dest {
			arrived++
		}
	}
	return arrived == len(frames)
}

func (s talk) tcp(from, dest string, sport, dport uint16, flags frame.TCPFlags) bool {
	s.t.Helper()
	return s.say(from, dest, frame.Spec{Kind: frame.TCP, SrcPort: sport, DstPort: dport, TCPFlags: flags})
}

func talks(t *testing.T, test func(s talk), change func(p *policies)) {
	for _, family := range []int{4, 6} {
		w := judged.wire(t, guarded(change))
		test(talk{NewWithT(t), t, w, family})
	}
}

// NP-76: what closes a connection, and its ports afterwards.
func TestTCPFollowsHandshakeAndTeardown(t *testing.T) {
	for _, server := range []string{server, neighbour} {
		talks(t, func(s talk) {
			s.g.Expect(s.tcp(client, server, 4000, 80, frame.SYN)).To(BeTrue())
			s.g.Expect(s.tcp(server, client, 80, 4000, frame.SYN)).To(BeFalse(), "a new connection the other way is judged for itself")
			s.g.Expect(s.tcp(server, client, 80, 4000, frame.SYN|frame.ACK)).To(BeTrue())
			s.g.Expect(s.tcp(client, server, 4000, 80, frame.ACK)).To(BeTrue())
			s.g.Expect(s.tcp(server, client, 80, 4000, frame.SYN)).To(BeFalse(), "an old tuple opens nothing")
			s.g.Expect(s.tcp(server, client, 80, 4000, frame.ACK)).To(BeTrue())
			s.g.Expect(s.tcp(client, server, 4000, 80, frame.FIN|frame.ACK)).To(BeTrue())
			s.g.Expect(s.tcp(server, client, 80, 4000, frame.ACK)).To(BeTrue(), "half closed")
			s.g.Expect(s.tcp(server, client, 80, 4000, frame.FIN|frame.ACK)).To(BeTrue())
			s.g.Expect(s.tcp(client, server, 4000, 80, frame.ACK)).To(BeTrue())
			s.g.Expect(s.tcp(server, client, 80, 4000, frame.SYN)).To(BeFalse())
			s.g.Expect(s.w.Advance(s.t.Context(), flow.ClosedTCP+time.Second)).To(Succeed())
			s.g.Expect(s.tcp(server, client, 80, 4000, frame.ACK)).To(BeFalse(), "the flow is gone")
			s.g.Expect(s.tcp(client, server, 4000, 80, frame.SYN)).To(BeTrue(), "the tuple may be used again")
		}, func(p *policies) { p.isolate(client, state.Ingress, nil) })
	}
}

func TestResetClosesAndPortsAreUsedAgain(t *testing.T) {
	talks(t, func(s talk) {
		for range 2 {
			s.g.Expect(s.tcp(client, server, 4000, 80, frame.SYN)).To(BeTrue())
			s.g.Expect(s.tcp(server, client, 80, 4000, frame.SYN|frame.ACK)).To(BeTrue())
			s.g.Expect(s.tcp(client, server, 4000, 80, frame.ACK)).To(BeTrue())
			s.g.Expect(s.tcp(server, client, 80, 4000, frame.RST)).To(BeTrue())
		}
	}, func(p *policies) { p.isolate(client, state.Ingress, nil) })
}

// Time-outs, by what has been said until then.
//
// NP-72 and NP-79: a reply that comes in time is one, and a later one is not.
func TestFlowsTimeOut(t *testing.T) {
	for name, c := range map[string]struct {
		proto  frame.Kind
		before func(s talk)
		lasts  time.Duration
	}{
		"handshake": {frame.TCP, func(s talk) { s.tcp(client, server, 4000, 80, frame.SYN) }, flow.OpeningTCP},
		"established": {frame.TCP, func(s talk) {
			s.tcp(client, server, 4000, 80, frame.SYN)
			s.tcp(server, client, 80, 4000, frame.SYN|frame.ACK)
			s.tcp(client, server, 4000, 80, frame.ACK)
		}, flow.EstablishedTCP},
		"datagram": {frame.UDP, func(s talk) { s.say(client, server, frame.Spec{Kind: frame.UDP, SrcPort: 4000, DstPort: 80}) }, flow.Opening},
	} {
		talks(t, func(s talk) {
			c.before(s)
			reply := frame.Spec{Kind: c.proto, SrcPort: 80, DstPort: 4000, TCPFlags: frame.ACK}
			s.g.Expect(s.w.Advance(s.t.Context(), c.lasts-2*time.Second)).To(Succeed())
			s.g.Expect(s.say(server, client, reply)).To(BeTrue(), name)
			s.g.Expect(s.w.Advance(s.t.Context(), flow.EstablishedTCP+2*time.Second)).To(Succeed())
			s.g.Expect(s.say(server, client, reply)).To(BeFalse(), name)
		}, func(p *policies) { p.isolate(client, state.Ingress, nil) })
	}
}

func TestErrorsBelongToTheFlowTheyQuote(t *testing.T) {
	talks(t, func(s talk) {
		unreachable := func(port uint16) bool {
			quoted, err := frame.Build(s.spec(client, server, frame.Spec{Kind: frame.UDP, SrcPort: 4000, DstPort: port, Payload: []byte("hello")}))
			s.g.Expect(err).NotTo(HaveOccurred())
			spec := frame.Spec{Kind: frame.ErrorMessage, Type: 3, Code: 3, Payload: quoted[14:]}
			if s.family == 6 {
				spec.Type, spec.Code = 1, 4
			}
			return s.say(server, client, spec)
		}
		s.g.Expect(unreachable(80)).To(BeFalse(), "of no flow")
		s.g.Expect(s.say(client, server, frame.Spec{Kind: frame.UDP, SrcPort: 4000, DstPort: 80})).To(BeTrue())
		s.g.Expect(unreachable(80)).To(BeTrue())
		s.g.Expect(unreachable(81)).To(BeFalse())
	}, func(p *policies) { p.isolate(client, state.Ingress, nil) })
}

func TestFragmentsFollowTheirFirst(t *testing.T) {
	talks(t, func(s talk) {
		for id, c := range []struct {
			from string
			port uint16
			want bool
		}{{client, 80, true}, {client, 81, false}, {neighbour, 80, false}} {
			spec := s.spec(c.from, server, frame.Spec{Kind: frame.UDP, SrcPort: 4000, DstPort: c.port, IPID: uint32(id + 1), Payload: make([]byte, 2000)})
			all, err := frame.Fragments(spec, 1200)
			s.g.Expect(err).NotTo(HaveOccurred())
			s.g.Expect(all).To(HaveLen(2))
			s.g.Expect(s.inject(c.from, server, all[1])).To(BeFalse(), "what comes before the first")
			s.g.Expect(s.inject(c.from, server, all[0])).To(Equal(c.want), "%+v", c)
			s.g.Expect(s.inject(c.from, server, all[1])).To(Equal(c.want), "%+v", c)
		}
		drops, err := s.w.Drops(s.t.Context())
		s.g.Expect(err).NotTo(HaveOccurred())
		s.g.Expect(drops["h3"]).To(HaveKey("fragment_unknown"))
	}, onlyFrom(server, clientID))
}

// A host may talk to its own endpoints, and they to it; another host may not.
func TestNoPolicyComesBetweenAHostAndItsEndpoints(t *testing.T) {
	for _, at := range []struct {
		host string
		open bool
	}{{"h1", true}, {"h3", false}} {
		g := NewWithT(t)
		hosts := guarded(func(p *policies) { p.isolate(client, state.Ingress, nil); p.isolate(client, state.Egress, nil) })
		self := map[string]string{"h1": neighbour, "h3": server}[at.host]
		for i := range hosts {
			for j := range hosts[i].Endpoints {
				if hosts[i].Endpoints[j].Name == self {
					hosts[i].Endpoints[j].Identity = state.IdentityHost
				}
			}
			for j := range hosts[i].Directory {
				l := &hosts[i].Directory[j]
				if l.Host == at.host && l.Identity == identities[self] {
					l.Identity = state.IdentityHost
				}
			}
		}
		w := judged.wire(t, hosts)
		in := fate(t, w, wire.Probe{Proto: wire.TCP, From: self, To: to(client, 4), Port: 80})
		out := fate(t, w, wire.Probe{Proto: wire.TCP, From: client, To: to(self, 4), Port: 80})
		if at.open {
			g.Expect(in).To(Equal([]string{"replied"}))
			g.Expect(out).To(Equal([]string{"replied"}))
		} else {
			g.Expect(in).To(Equal([]string{"policy_ingress at h1"}))
			g.Expect(out).To(Equal([]string{"policy_egress at h1"}))
		}
	}
}

// The flows of an endpoint that moves are at its new host before the old one stops.
func TestFlowsTravelWithTheirEndpoint(t *testing.T) {
	for _, moves := range []string{client, server} {
		g := NewWithT(t)
		deny := func(p *policies) { p.isolate(client, state.Ingress, nil) }
		w := judged.wire(t, guarded(deny))
		s := talk{g, t, w, 4}
		s.tcp(client, server, 4000, 80, frame.SYN)
		s.tcp(server, client, 80, 4000, frame.SYN|frame.ACK)
		g.Expect(s.tcp(client, server, 4000, 80, frame.ACK)).To(BeTrue())
		g.Expect(s.tcp(server, client, 80, 4000, frame.ACK)).To(BeTrue())

		g.Expect(w.Apply(t.Context(), movedTo(guarded(deny), moves, "h2"))).To(Succeed())
		g.Expect(s.tcp(server, client, 80, 4000, frame.ACK)).To(BeTrue(), "%s moved", moves)
		g.Expect(s.tcp(client, server, 4000, 80, frame.ACK)).To(BeTrue(), "%s moved", moves)
		g.Expect(s.tcp(server, client, 81, 4000, frame.ACK)).To(BeFalse())
	}
}

// A flow that came from another host ends before anybody has counted it there: its ports
// are used again, as often as one likes.
func TestPortsOfAFlowThatTravelledAreUsedAgain(t *testing.T) {
	for _, moves := range []string{client, server} {
		g := NewWithT(t)
		w := judged.wire(t, guarded(func(*policies) {}))
		s := talk{g, t, w, 4}
		connect := func() {
			s.tcp(client, server, 4000, 80, frame.SYN)
			s.tcp(server, client, 80, 4000, frame.SYN|frame.ACK)
			g.Expect(s.tcp(client, server, 4000, 80, frame.ACK)).To(BeTrue(), "%s moves", moves)
			g.Expect(s.tcp(client, server, 4000, 80, frame.RST)).To(BeTrue(), "%s moves", moves)
		}
		connect()
		g.Expect(w.Apply(t.Context(), movedTo(guarded(func(*policies) {}), moves, "h2"))).To(Succeed())
		connect()
		connect()
	}
}

// movedTo moves an endpoint, with the policy that it has, to another host.
func movedTo(hosts []state.Host, name, dest string) []state.Host {
	var moved state.Endpoint
	var with state.Policy
	for i := range hosts {
		for j, e := range hosts[i].Endpoints {
			if e.Name == name {
				moved, with = e, hosts[i].Policy
				hosts[i].Endpoints = append(hosts[i].Endpoints[:j:j], hosts[i].Endpoints[j+1:]...)
				break
			}
		}
	}
	for i := range hosts {
		h := &hosts[i]
		if h.Name == dest {
			h.Endpoints = append(h.Endpoints, moved)
			h.Policy = with
		}
		for j := range h.Directory {
			for _, a := range moved.Addresses {
				if h.Directory[j].VNI == moved.VNI && h.Directory[j].Address == a {
					h.Directory[j].Host = dest
				}
			}
		}
	}
	return hosts
}

// What a reply says of its source does not spoil what was learned of it.
func TestRepliesKeepTheWay(t *testing.T) {
	g := NewWithT(t)
	w := judged.wire(t, guarded(nil))
	o, err := w.Probe(t.Context(), wire.Probe{Proto: wire.UDP, From: client, To: to(server, 4), Port: 80, Count: 6})
	g.Expect(err).NotTo(HaveOccurred())
	for i := 1; i < 6; i++ {
		expectTold(g, o.Requests[i].Hosts, "h1 h3")
		expectTold(g, o.Replies[i].Hosts, "h3 h1")
	}
	for _, p := range []wire.Packet{o.Requests[5], o.Replies[5]} {
		for _, s := range p.Steps {
			g.Expect([]int{s.HashLookups, s.Updates}).To(Equal([]int{1, 0}), "%s: %v", s.Host, s.Stages)
			g.Expect(s.ArrayLookups).To(Equal(3))
		}
	}
}

// An endpoint that is relabelled is another peer from its next packet on.
//
// NP-75.
func TestAFlowIsJudgedAgainWhenAnEndChanges(t *testing.T) {
	g := NewWithT(t)
	allowed := onlyFrom(server, clientID)
	w := judged.wire(t, guarded(allowed))
	p := wire.Probe{Proto: wire.UDP, From: client, To: to(server, 4), Port: 80, SourcePort: 4000, Count: 2}
	g.Expect(fate(t, w, p)).To(Equal([]string{"replied", "replied"}))
	relabelled := guarded(allowed)
	for i := range relabelled {
		for j := range relabelled[i].Endpoints {
			if e := &relabelled[i].Endpoints[j]; e.Name == client {
				e.Identity, e.Generation = 500, 2
			}
		}
		for j := range relabelled[i].Directory {
			if l := &relabelled[i].Directory[j]; l.Identity == clientID {
				l.Identity, l.Generation = 500, 2
			}
		}
	}
	g.Expect(w.Apply(t.Context(), relabelled)).To(Succeed())
	g.Expect(fate(t, w, p)).To(Equal([]string{"policy_ingress at h3", "policy_ingress at h3"}))
}

func TestEstablishedFlowsMayBeKept(t *testing.T) {
	for _, keep := range []bool{false, true} {
		g := NewWithT(t)
		w := judged.wire(t, guarded(nil))
		s := talk{g, t, w, 4}
		s.tcp(client, server, 4000, 80, frame.SYN)
		s.tcp(server, client, 80, 4000, frame.SYN|frame.ACK)
		g.Expect(s.tcp(client, server, 4000, 80, frame.ACK)).To(BeTrue())
		hosts := guarded(func(p *policies) { p.isolate(server, state.Ingress, nil) })
		for i := range hosts {
			for j := range hosts[i].Endpoints {
				hosts[i].Endpoints[j].KeepEstablished = keep
			}
		}
		g.Expect(w.Apply(t.Context(), hosts)).To(Succeed())
		for range 2 {
			g.Expect(s.tcp(client, server, 4000, 80, frame.ACK)).To(Equal(keep))
			g.Expect(s.tcp(server, client, 80, 4000, frame.ACK)).To(Equal(keep), "both directions")
		}
		g.Expect(s.tcp(client, server, 4001, 80, frame.SYN)).To(BeFalse(), "what is new is judged")
		g.Expect(w.Advance(t.Context(), time.Minute)).To(Succeed())
		g.Expect(s.tcp(server, client, 80, 4000, frame.ACK)).To(Equal(keep), "waiting does not open it anew")
	}
}

// Audit accepts, and the steps say who would have denied.
func TestAuditIsToldAndNotEnforced(t *testing.T) {
	g := NewWithT(t)
	hosts := guarded(func(p *policies) { p.isolate(server, state.Ingress, nil) })
	for i := range hosts {
		for j := range hosts[i].Policy.Sets {
			hosts[i].Policy.Sets[j].Default = state.Judgement{Verdict: state.Audit, Rank: 10, Rule: "default (audit)"}
		}
	}
	w := judged.wire(t, hosts)
	w.ReadRows()
	o, err := w.Probe(t.Context(), wire.Probe{Proto: wire.UDP, From: client, To: to(server, 4), Port: 80, SourcePort: 4000, Count: 3})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(o.Replies).To(HaveLen(3))
	first, last := o.Requests[0].Steps, o.Requests[2].Steps
	g.Expect(first[len(first)-1].Judged).To(ConsistOf(And(HaveField("Direction", "ingress"), HaveField("Verdict", "audit"), HaveField("Rule", "default (audit)"))))
	g.Expect(last[len(last)-1].Judged).To(ConsistOf(And(HaveField("Direction", "ingress"), HaveField("Verdict", ""), HaveField("Rule", "default (audit)"))))
}

// The key that programs look flows up by is that of package flow.
func TestKeysAreThoseOfTheProgram(t *testing.T) {
	g := NewWithT(t)
	m, err := pool.Make("keys")
	g.Expect(err).NotTo(HaveOccurred())
	defer m.Close()
	hosts := judged.states()
	_, err = m.Apply(hosts[0], state.Local{UplinkIndex: 1, Ports: map[string]uint32{client: 100, neighbour: 101}, NextHops: map[netip.Addr]state.MAC{}})
	g.Expect(err).NotTo(HaveOccurred())
	s := talk{g, t, nil, 4}
	for _, pair := range [][2]string{{client, neighbour}, {neighbour, client}} {
		for _, s.family = range []int{4, 6} {
			for _, ports := range [][2]uint16{{1, 2}, {2, 1}, {256, 255}} {
				b, err := frame.Build(s.spec(pair[0], pair[1], frame.Spec{Kind: frame.UDP, SrcPort: ports[0], DstPort: ports[1]}))
				g.Expect(err).NotTo(HaveOccurred())
				port := map[string]uint32{client: 100, neighbour: 101}[pair[0]]
				_, err = m.Run(testrun.Arrival{Program: testrun.Endpoint, Port: port, MTU: 1500, Frame: b})
				g.Expect(err).NotTo(HaveOccurred())
				key, _ := flow.Key(200, frame.ProtoUDP, flow.End{Addr: to(pair[0], s.family), Port: ports[0]}, flow.End{Addr: to(pair[1], s.family), Port: ports[1]})
				rows, err := m.(testrun.Glass).Rows("openings")
				g.Expect(err).NotTo(HaveOccurred())
				settled, err := m.(testrun.Glass).Rows("flows")
				g.Expect(err).NotTo(HaveOccurred())
				found := 0
				for _, all := range []map[string][]byte{rows, settled} {
					if _, ok := all[bytesOf(t, key)]; ok {
						found++
					}
				}
				g.Expect(found).To(Equal(1), "%v %v", pair, ports)
			}
		}
	}
}

func bytesOf(t *testing.T, key bpf.RowFlowKey) string {
	t.Helper()
	b, err := binary.Append(nil, binary.NativeEndian, key)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return string(b)
}

// A flood of new flows drives out others that are not answered yet, and no flow in
// which both sides have spoken (row F2).
func TestAFloodCostsNoEstablishedFlow(t *testing.T) {
	g := NewWithT(t)
	w := judged.wire(t, guarded(func(p *policies) { p.isolate(client, state.Ingress, nil) }))
	s := talk{g, t, w, 4}
	s.tcp(client, server, 4000, 80, frame.SYN)
	s.tcp(server, client, 80, 4000, frame.SYN|frame.ACK)
	g.Expect(s.tcp(client, server, 4000, 80, frame.ACK)).To(BeTrue())
	limit := int(dataplane.SimulatedLimits()["openings"])
	var flood [][]byte
	for n := range 2 * limit {
		b, err := frame.Build(s.spec(client, server, frame.Spec{Kind: frame.TCP, SrcPort: uint16(10000 + n), DstPort: 80, TCPFlags: frame.SYN}))
		g.Expect(err).NotTo(HaveOccurred())
		flood = append(flood, b)
	}
	g.Expect(s.inject(client, server, flood...)).To(BeTrue())
	g.Expect(s.tcp(server, client, 80, 4000, frame.ACK)).To(BeTrue(), "established")
	g.Expect(s.tcp(server, client, 80, 10000, frame.SYN|frame.ACK)).To(BeFalse(), "driven out")
	g.Expect(s.tcp(server, client, 80, uint16(10000+2*limit-1), frame.SYN|frame.ACK)).To(BeTrue(), "the last of the flood")
}
