// SPDX-License-Identifier: Apache-2.0

package testrun_test

import (
	"net/netip"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/wire"
	"github.com/mizar-net/mizar/sim/wire/testrun"
)

const (
	client, server = "red/h1-a-10", "red/h3-a-11"
	neighbour      = "red/h1-b-20"
	clientID       = 100
	serverID       = 101
	neighbourID    = 102
)

// judged is a network of a client and its neighbour on h1 and a server on h3.
var judged = plan{[]string{client, server, neighbour}}

// identities are those of the endpoints of judged.
var identities = map[string]uint32{client: clientID, server: serverID, neighbour: neighbourID}

// guarded are the states of judged, changed by what is to be guarded.
func guarded(change func(p *policies)) []state.Host {
	hosts := judged.states()
	p := &policies{hosts: hosts}
	for i := range hosts {
		for j := range hosts[i].Endpoints {
			e := &hosts[i].Endpoints[j]
			e.Identity, e.Generation = identities[e.Name], 1
		}
		for j := range hosts[i].Directory {
			l := &hosts[i].Directory[j]
			for name, id := range identities {
				if e := judged.endpoint(name); e.VNI == l.VNI && (e.Addresses[0] == l.Address || e.Addresses[1] == l.Address) {
					l.Identity, l.Generation = id, 1
				}
			}
		}
	}
	if change != nil {
		change(p)
	}
	return hosts
}

type policies struct{ hosts []state.Host }

var (
	anything = state.PortRange{First: 0, Last: 65535, Judgement: accept("anything")}
	denied   = state.Judgement{Verdict: state.Deny, Rank: 10, Rule: "default deny"}
)

func accept(rule string) state.Judgement {
	return state.Judgement{Verdict: state.Accept, Rank: 5, Rule: rule}
}

func ports(name string, ranges ...state.PortRange) state.PortClass {
	return state.PortClass{Name: name, Ranges: ranges}
}

// isolate gives an endpoint a set that denies everything but what fill adds.
func (p *policies) isolate(name string, d state.Direction, fill func(s *state.PolicySet) []state.PortClass) {
	for i := range p.hosts {
		h := &p.hosts[i]
		for j := range h.Endpoints {
			e := &h.Endpoints[j]
			if e.Name != name {
				continue
			}
			s := state.PolicySet{Name: d.String() + " of " + name, Direction: d, Revision: "1", Default: denied}
			if fill != nil {
				h.Policy.Classes = append(h.Policy.Classes, fill(&s)...)
			}
			h.Policy.Sets = append(h.Policy.Sets, s)
			if d == state.Ingress {
				e.Ingress = s.Name
			} else {
				e.Egress = s.Name
			}
		}
	}
}

func (p plan) wire(t *testing.T, hosts []state.Host) *testrun.Wire {
	t.Helper()
	w := testrun.New(pool.Make)
	t.Cleanup(func() { NewWithT(t).Expect(w.Close()).To(Succeed()) })
	NewWithT(t).Expect(w.Apply(t.Context(), hosts)).To(Succeed(), "root is needed")
	return w
}

// fate sends a conversation and says what became of its requests: "delivered", or
// the reason.
func fate(t *testing.T, w *testrun.Wire, p wire.Probe) []string {
	t.Helper()
	o, err := w.Probe(t.Context(), p)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	var all []string
	for i, r := range o.Requests {
		switch {
		case r.Delivered && i < len(o.Replies) && o.Replies[i].Delivered:
			all = append(all, "replied")
		case r.Delivered:
			all = append(all, "delivered")
		default:
			all = append(all, r.Reason+" at "+r.Dropper)
		}
	}
	return all
}

func to(name string, family int) netip.Addr {
	e := judged.endpoint(name)
	if family == 4 {
		return e.Addresses[0]
	}
	return e.Addresses[1]
}

func TestIngressIsDeniedWhereTheDestinationIs(t *testing.T) {
	for _, family := range []int{4, 6} {
		for _, proto := range []wire.Proto{wire.UDP, wire.TCP, wire.ICMP} {
			g := NewWithT(t)
			w := judged.wire(t, guarded(func(p *policies) { p.isolate(server, state.Ingress, nil) }))
			p := wire.Probe{Proto: proto, From: client, To: to(server, family), Port: 80}
			g.Expect(fate(t, w, p)).To(Equal([]string{"policy_ingress at h3"}))
			g.Expect(fate(t, w, wire.Probe{Proto: proto, From: server, To: to(client, family), Port: 80})).To(Equal([]string{"replied"}),
				"egress of the server is open, and its replies come in")
			g.Expect(fate(t, w, p)).To(Equal([]string{"policy_ingress at h3"}), "what the server opened opens nothing for the client")
		}
	}
}

func TestEgressIsDeniedBeforeThePacketLeaves(t *testing.T) {
	g := NewWithT(t)
	w := judged.wire(t, guarded(func(p *policies) { p.isolate(client, state.Egress, nil) }))
	for _, dest := range []string{server, neighbour} {
		before, err := w.UnderlayFrames(t.Context())
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(fate(t, w, wire.Probe{Proto: wire.UDP, From: client, To: to(dest, 4), Port: 80})).To(Equal([]string{"policy_egress at h1"}))
		g.Expect(w.UnderlayFrames(t.Context())).To(Equal(before))
		g.Expect(fate(t, w, wire.Probe{Proto: wire.UDP, From: dest, To: to(client, 4), Port: 80})).To(Equal([]string{"replied"}))
	}
}

// A set that judges identities has to know whom the packet is for: it comes back
// with that before it gets anywhere near its destination.
func TestEgressAsksForIdentities(t *testing.T) {
	for _, allowed := range []uint32{serverID, neighbourID} {
		g := NewWithT(t)
		w := judged.wire(t, guarded(func(p *policies) {
			p.isolate(client, state.Egress, func(s *state.PolicySet) []state.PortClass {
				s.Peers = []state.PolicyPeer{{Identity: allowed, Class: "80"}}
				return []state.PortClass{ports("80", state.PortRange{Protocol: 17, First: 80, Last: 80, Judgement: accept("80")})}
			})
		}))
		o, err := w.Probe(t.Context(), wire.Probe{Proto: wire.UDP, From: client, To: to(server, 4), Port: 80, Count: 2})
		g.Expect(err).NotTo(HaveOccurred())
		if allowed == serverID {
			expectTold(g, o.Requests[0].Hosts, "h1 h2 h1 h3")
			g.Expect(o.Requests[0].Delivered).To(BeTrue())
			g.Expect(o.Replies).To(HaveLen(2))
			expectTold(g, o.Requests[1].Hosts, "h1 h3")
		} else {
			expectTold(g, o.Requests[0].Hosts, "h1 h2 h1")
			g.Expect(o.Requests[0].Reason).To(Equal("policy_egress"))
			expectTold(g, o.Requests[1].Hosts, "h1")
			g.Expect(o.Requests[1].Reason).To(Equal("policy_egress"))
		}
		g.Expect(fate(t, w, wire.Probe{Proto: wire.UDP, From: client, To: to(server, 4), Port: 81})).To(Equal([]string{"policy_egress at h1"}))
	}
}

// Identity, address and ports, each with and without the others.
func TestPeersPrefixesAndPorts(t *testing.T) {
	g := NewWithT(t)
	prefix := func(s string) netip.Prefix { return netip.MustParsePrefix(s) }
	w := judged.wire(t, guarded(func(p *policies) {
		p.isolate(server, state.Ingress, func(s *state.PolicySet) []state.PortClass {
			s.Peers = []state.PolicyPeer{{Identity: clientID, Class: "some"}}
			s.Prefixes = []state.PolicyPrefix{
				{Prefix: prefix("10.0.1.0/24"), Class: "all"},
				{Prefix: prefix("fd00:1::/64"), Class: "some"},
			}
			return []state.PortClass{
				ports("all", anything),
				ports("some",
					state.PortRange{Protocol: 6, First: 443, Last: 443, Judgement: accept("some")},
					state.PortRange{Protocol: 17, First: 53, Last: 53, Judgement: accept("some")},
					state.PortRange{Protocol: 17, First: 1000, Last: 2003, Judgement: accept("some")}),
			}
		})
	}))
	for _, c := range []struct {
		proto  wire.Proto
		from   string
		family int
		port   uint16
		open   bool
	}{
		{wire.UDP, client, 4, 53, true}, {wire.UDP, client, 4, 54, false}, {wire.TCP, client, 4, 53, false}, {wire.TCP, client, 6, 443, true},
		{wire.UDP, client, 4, 999, false}, {wire.UDP, client, 4, 1000, true}, {wire.UDP, client, 4, 2003, true}, {wire.UDP, client, 4, 2004, false},
		{wire.ICMP, client, 4, 0, false}, {wire.ICMP, neighbour, 4, 0, true}, {wire.TCP, neighbour, 4, 7, true},
		{wire.UDP, neighbour, 6, 53, true}, {wire.UDP, neighbour, 6, 54, false}, {wire.ICMP, neighbour, 6, 0, false},
	} {
		want := "policy_ingress at h3"
		if c.open {
			want = "replied"
		}
		g.Expect(fate(t, w, wire.Probe{Proto: c.proto, From: c.from, To: to(server, c.family), Port: c.port})).To(Equal([]string{want}), "%+v", c)
	}
}

// What is new, and what has changed, is judged; nothing else is.
//
// NP-74.
func TestAPolicyThatComesLaterJudgesTheDirectionThatOpened(t *testing.T) {
	for _, proto := range []wire.Proto{wire.UDP, wire.ICMP} {
		g := NewWithT(t)
		w := judged.wire(t, guarded(nil))
		p := wire.Probe{Proto: proto, From: client, To: to(server, 4), Port: 80, SourcePort: 4000, Count: 2}
		g.Expect(fate(t, w, p)).To(Equal([]string{"replied", "replied"}))

		g.Expect(w.Apply(t.Context(), guarded(func(p *policies) { p.isolate(client, state.Ingress, nil) }))).To(Succeed())
		g.Expect(fate(t, w, p)).To(Equal([]string{"replied", "replied"}), "the client opened it, replies are none of its ingress' business")

		g.Expect(w.Apply(t.Context(), guarded(func(p *policies) { p.isolate(server, state.Ingress, nil) }))).To(Succeed())
		g.Expect(fate(t, w, p)).To(Equal([]string{"policy_ingress at h3", "policy_ingress at h3"}), "it is cut")

		g.Expect(w.Apply(t.Context(), guarded(func(p *policies) {
			p.isolate(server, state.Ingress, func(s *state.PolicySet) []state.PortClass {
				s.Revision = "2"
				s.Peers = []state.PolicyPeer{{Identity: clientID, Class: "all"}}
				return []state.PortClass{ports("all", anything)}
			})
		}))).To(Succeed())
		g.Expect(fate(t, w, p)).To(Equal([]string{"replied", "replied"}), "loosening helps at once")
	}
}
