// SPDX-License-Identifier: Apache-2.0

package fault_test

import (
	"context"
	"net/netip"
	"slices"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/conformance"
	"github.com/mizar-net/mizar/sim/fault"
	"github.com/mizar-net/mizar/sim/frame"
	"github.com/mizar-net/mizar/sim/wire"
)

// quiet is a wire on which all goes well.
type quiet struct {
	wire.Wire
	applied []state.Host
	out     []byte
}

func (q *quiet) Name() string { return "testrun" }

func (q *quiet) Apply(_ context.Context, hosts []state.Host) error {
	q.applied = hosts
	return nil
}

func (q *quiet) Advance(context.Context, time.Duration) error { return nil }

func (q *quiet) Probe(context.Context, wire.Probe) (wire.Outcome, error) {
	packet := wire.Packet{Delivered: true, To: "default/b", Hosts: []string{"h1", "h2"}, Hops: 1,
		Steps: []wire.Step{{Host: "h1", Program: "endpoint", Verdict: "send", HashLookups: 2, Out: q.out}}}
	return wire.Outcome{Requests: []wire.Packet{packet}}, nil
}

func (q *quiet) Inject(_ context.Context, at wire.Port, frames [][]byte) ([]wire.Emission, error) {
	return []wire.Emission{{At: at, Frame: frames[0]}}, nil
}

func (q *quiet) Drops(context.Context) (wire.Drops, error) {
	return wire.Drops{"h1": {"guard_mac": 1, "ttl": 1}}, nil
}

func find(t *testing.T, name string) fault.Fault {
	for _, f := range fault.All() {
		if f.Name == name {
			return f
		}
	}
	t.Fatalf("no fault is called %s", name)
	return fault.Fault{}
}

// Every row that claims cells of a network has a fault.
func TestEveryClaimedRowHasAFault(t *testing.T) {
	rows, err := conformance.Rows()
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	// Theirs are a heavy map, a program that loses frames, a report that lies, a
	// good file among the bad, a host that applies half, and a command that flatters.
	elsewhere := []string{"F4", "I6", "J3", "J10", "J11", "K6"}
	for _, row := range rows {
		if len(row.Required) > 0 && !slices.Contains(elsewhere, row.ID) {
			NewWithT(t).Expect(fault.Of(row.ID)).NotTo(BeEmpty(), row.ID)
		}
	}
}

// A fault changes copies: what the run holds stays as it was.
func TestStatesOfTheRunAreNotChanged(t *testing.T) {
	for _, f := range fault.All() {
		given, same := hosts(), hosts()
		NewWithT(t).Expect(f.Plant(&quiet{}).Apply(t.Context(), given)).To(Succeed())
		NewWithT(t).Expect(given).To(Equal(same), f.Name)
	}
}

func hosts() []state.Host {
	return []state.Host{{
		Name:      "h1",
		VPCs:      []state.VPC{{Name: "red", VNI: 7, Dividers: []string{"h1"}, Divider: true}},
		Subnets:   []state.Subnet{{Name: "a", VNI: 7, Bouncers: []string{"h1"}, Bouncer: state.Complete}},
		Endpoints: []state.Endpoint{{Name: "default/a", VNI: 7}},
		Directory: []state.Location{
			{VNI: 7, Address: netip.MustParseAddr("10.0.0.2"), Host: "h1"},
			{VNI: 7, Address: netip.MustParseAddr("fd00::2"), Host: "h1"},
		},
	}}
}

func TestFaultsOfStates(t *testing.T) {
	g := NewWithT(t)
	q := &quiet{}
	g.Expect(find(t, "wrong-vni").Plant(q).Apply(t.Context(), hosts())).To(Succeed())
	g.Expect(q.applied[0].Endpoints[0].VNI).To(Equal(uint32(7 | 1<<23)))
	g.Expect(find(t, "no-v6").Plant(q).Apply(t.Context(), hosts())).To(Succeed())
	g.Expect(q.applied[0].Directory).To(HaveLen(1))
	g.Expect(find(t, "no-dividers").Plant(q).Apply(t.Context(), hosts())).To(Succeed())
	g.Expect(q.applied[0].VPCs[0].Dividers).To(BeEmpty())
}

func TestFaultsOfOutcomes(t *testing.T) {
	g := NewWithT(t)
	probe := func(name string) wire.Packet {
		outcome, err := find(t, name).Plant(&quiet{}).Probe(t.Context(), wire.Probe{})
		g.Expect(err).NotTo(HaveOccurred())
		return outcome.Requests[0]
	}
	g.Expect(probe("detour").Hops).To(Equal(2))
	g.Expect(probe("more-lookups").Steps[0].HashLookups).To(Equal(3))
	g.Expect(probe("unequal-wires").Delivered).To(BeFalse())
	g.Expect(probe("no-local-delivery").Delivered).To(BeTrue(), "it went over the underlay")
	g.Expect(probe("old-word").Delivered).To(BeTrue(), "it did not come back on its way")

	drops, err := find(t, "no-guard").Plant(&quiet{}).Drops(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(drops).To(Equal(wire.Drops{"h1": {"ttl": 1}}))
	at := wire.Port{Endpoint: "default/a"}
	out, err := find(t, "mute-port").Plant(&quiet{}).Inject(t.Context(), at, [][]byte{{1}})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(out).To(BeEmpty())
}

// Frames stay readable and their checksums right: only the one thing is broken.
func TestFaultsOfFrames(t *testing.T) {
	for name, changed := range map[string]func(was, is frame.Packet) bool{
		"no-entropy":    func(_, is frame.Packet) bool { return is.OuterSport == 49152 },
		"no-tos":        func(_, is frame.Packet) bool { return is.OuterTOS == 0 },
		"more-overhead": func(_, is frame.Packet) bool { return len(is.Options.Other) == 1 },
	} {
		for _, outer := range [][2]string{{"192.0.2.1", "192.0.2.2"}, {"2001:db8::1", "2001:db8::2"}} {
			g := NewWithT(t)
			q := &quiet{out: tunnelled(t, outer)}
			was, err := frame.Decode(q.out)
			g.Expect(err).NotTo(HaveOccurred())
			outcome, err := find(t, name).Plant(q).Probe(t.Context(), wire.Probe{})
			g.Expect(err).NotTo(HaveOccurred())
			after := outcome.Requests[0].Steps[0].Out
			is, err := frame.Decode(after)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(changed(was, is)).To(BeTrue(), "%s over %s", name, outer[0])
			g.Expect(frame.VerifyChecksums(after)).To(Succeed(), name)
			g.Expect(is.Inner).To(Equal(was.Inner), name)
			g.Expect(q.out).To(Equal(tunnelled(t, outer)), "the wire's own frame is untouched")
		}
	}
}

// tunnelled is a UDP packet in a tunnel between two underlay addresses.
func tunnelled(t *testing.T, outer [2]string) []byte {
	t.Helper()
	b, err := frame.Build(frame.Spec{
		Kind: frame.UDP, Src: netip.MustParseAddr("10.0.0.2"), Dst: netip.MustParseAddr("10.0.0.3"),
		SrcPort: 1000, DstPort: 7, TOS: 0xb8, Payload: []byte("payload"),
		Tunnel: &frame.Tunnel{Src: netip.MustParseAddr(outer[0]), Dst: netip.MustParseAddr(outer[1]), VNI: 7, TOS: 0xb8},
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// What a fault remembers is of one wire: endpoints are late, or go on with what they
// were, by the states that this wire was given before.
func TestFaultsThatRemember(t *testing.T) {
	isolated := func(names ...string) []state.Host {
		h := state.Host{Name: "h1"}
		for i, name := range names {
			h.Endpoints = append(h.Endpoints, state.Endpoint{
				Name: name, VNI: 7, Addresses: []netip.Addr{netip.AddrFrom4([4]byte{10, 0, 0, byte(i)})}, Ingress: "in", Identity: uint32(20 + len(names)),
			})
		}
		return []state.Host{h}
	}
	given := func(fault string, steps ...[]state.Host) []state.Endpoint {
		q := &quiet{}
		w := find(t, fault).Plant(q)
		for _, hosts := range steps {
			NewWithT(t).Expect(w.Apply(t.Context(), hosts)).To(Succeed())
		}
		return q.applied[0].Endpoints
	}
	g := NewWithT(t)
	late := given("late-policy", isolated("a"), isolated("a", "b"))
	g.Expect([]string{late[0].Ingress, late[1].Ingress}).To(Equal([]string{"in", ""}))
	g.Expect(given("late-policy", isolated("a"), isolated("a", "b"), isolated("a", "b"))[1].Ingress).To(Equal("in"))
	g.Expect(given("first-identities", isolated("a"), isolated("a", "b"))[0].Identity).To(Equal(uint32(21)))
	fresh := given("fresh-identities", isolated("a"), isolated("a", "b"))
	g.Expect([]uint32{fresh[0].Identity, fresh[1].Identity}).To(Equal([]uint32{22, 1 << 23}), "nobody has the number of the new one")
	g.Expect(given("freed-siblings", isolated("a", "b"), isolated("a"))[0].Ingress).To(BeEmpty())
	g.Expect(given("freed-siblings", isolated("a", "b"))[0].Ingress).To(Equal("in"))
}

// Rules lose their names, their ports, or what they accept, and sets who is meant.
func TestFaultsOfPolicy(t *testing.T) {
	accepts := func(rule string) state.PortRange {
		return state.PortRange{Protocol: 6, First: 80, Last: 80, Judgement: state.Judgement{Verdict: state.Accept, Rule: rule}}
	}
	hosts := []state.Host{{Name: "h1", Policy: state.Policy{
		Sets: []state.PolicySet{{Name: "in", Default: state.Judgement{Verdict: state.Audit, Rule: "x/a isolate ingress"},
			Peers: []state.PolicyPeer{{Identity: 20, Class: "c"}}}},
		Classes: []state.PortClass{{Name: "c", Ranges: []state.PortRange{accepts("x/a ingress[31]"), accepts("x/a ingress[32]"), accepts("x/b ingress[0]")}}},
	}}}
	policy := func(fault string) state.Policy {
		q := &quiet{}
		NewWithT(t).Expect(find(t, fault).Plant(q).Apply(t.Context(), hosts)).To(Succeed())
		return q.applied[0].Policy
	}
	verdicts := func(fault string) (all []state.Verdict) {
		for _, r := range policy(fault).Classes[0].Ranges {
			all = append(all, r.Verdict)
		}
		return all
	}
	g := NewWithT(t)
	g.Expect(verdicts("few-rules")).To(Equal([]state.Verdict{state.Accept, state.Deny, state.Accept}))
	g.Expect(verdicts("lone-policy")).To(Equal([]state.Verdict{state.Accept, state.Accept, state.Deny}))
	g.Expect(policy("any-port").Classes[0].Ranges).To(ConsistOf(And(HaveField("Protocol", BeZero()), HaveField("Last", BeEquivalentTo(65535)))))
	g.Expect(policy("by-address-only").Sets[0].Peers).To(BeEmpty())
	g.Expect(policy("no-audit").Sets[0].Default.Verdict).To(Equal(state.Deny))
	g.Expect(policy("nameless-rules").Classes[0].Ranges).To(HaveEach(HaveField("Rule", "somebody")))
}
