// SPDX-License-Identifier: Apache-2.0

package dataplane_test

import (
	"net/netip"
	"slices"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/dataplane"
	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/dataplane/table"
)

// watched is a table that tells before each of its rows is written or removed.
type watched[K, V comparable] struct {
	table.Table[K, V]
	before func()
}

func (w watched[K, V]) PutAll(keys []K, values []V) (int, error) {
	for i := range keys {
		w.before()
		if err := w.Put(keys[i], values[i]); err != nil {
			return i, err
		}
	}
	w.before()
	return len(keys), nil
}

func (w watched[K, V]) DeleteAll(keys []K) (int, error) {
	for i := range keys {
		w.before()
		if err := w.Delete(keys[i]); err != nil {
			return i, err
		}
	}
	w.before()
	return len(keys), nil
}

// TestNoPacketMeetsHalfAPolicy looks, whenever a row is about to be written or has
// been, at what a packet to the endpoint would meet: the whole old set or the whole
// new one (row E25).
func TestNoPacketMeetsHalfAPolicy(t *testing.T) {
	g := NewWithT(t)
	m, _ := newMemory()
	tables := m.others
	sizes := map[int]int{} // how often a set of so many peers was met
	look := func() {
		endpoints, _ := m.endpoints.All()
		for _, e := range endpoints {
			number := e.Set[bpf.RowDirectionDIRECTION_INGRESS]
			if number == 0 {
				continue
			}
			row, there, _ := m.sets.Lookup(number % bpf.Sets())
			g.Expect(there && row.Number == number).To(BeTrue(), "set %#x of the endpoint is there", number)
			peers, _ := m.others.PolicyPeers.All()
			n := 0
			for key := range peers {
				if key.Set == number {
					n++
				}
			}
			sizes[n]++
			g.Expect(n).To(BeElementOf(3, 5), "a whole set")
		}
	}
	tables.Endpoints = watched[uint32, bpf.RowEndpoint]{&m.endpoints, look}
	tables.PolicySets = watched[uint32, bpf.RowPolicySet]{&m.sets, look}
	tables.PolicyPeers = watched[bpf.RowPolicyPeerKey, bpf.RowJudgement]{m.others.PolicyPeers, look}
	h := dataplane.NewHolder(tables)
	for revision, peers := range []int{3, 5, 3, 5} {
		s, l := host()
		set := state.PolicySet{Name: "in", Direction: state.Ingress, Revision: string(rune('a' + revision)), Default: state.Judgement{Verdict: state.Deny, Rule: "deny"}}
		for n := range peers {
			set.Peers = append(set.Peers, state.PolicyPeer{Identity: uint32(n + 20), Class: "all"})
		}
		s.Policy = state.Policy{Sets: []state.PolicySet{set}, Classes: []state.PortClass{{Name: "all", Ranges: []state.PortRange{
			{Last: 65535, Judgement: state.Judgement{Verdict: state.Accept, Rule: "all"}}}}}}
		s.Endpoints[0].Ingress = "in"
		_, err := h.Apply(s, l)
		g.Expect(err).NotTo(HaveOccurred())
		all, _ := m.others.PolicyPeers.All()
		g.Expect(all).To(HaveLen(peers), "the old rows are gone")
	}
	g.Expect(sizes[3]).To(BeNumerically(">", 3))
	g.Expect(sizes[5]).To(BeNumerically(">", 3))
}

// Peers come and go row by row while the set says the same (row L1).
func TestAPeerCostsOneRow(t *testing.T) {
	g := NewWithT(t)
	_, h := newMemory()
	s, l := host()
	s.Policy = state.Policy{
		Sets: []state.PolicySet{{Name: "in", Direction: state.Ingress, Revision: "1", Default: state.Judgement{Verdict: state.Deny, Rule: "deny"},
			Peers: []state.PolicyPeer{{Identity: 20, Class: "all"}}}},
		Classes: []state.PortClass{{Name: "all", Ranges: []state.PortRange{{Last: 65535, Judgement: state.Judgement{Verdict: state.Accept, Rule: "all"}}}}},
	}
	s.Endpoints[0].Ingress = "in"
	_, err := h.Apply(s, l)
	g.Expect(err).NotTo(HaveOccurred())
	s.Policy.Sets[0].Peers = append(s.Policy.Sets[0].Peers, state.PolicyPeer{Identity: 21, Class: "all"})
	g.Expect(h.Apply(s, l)).To(Equal(dataplane.Report{"policy_peers": {Puts: 1}}))
}

// ofTwo makes a holder hold a host of two endpoints, whose numbers are by their ports: 100,
// and 101 of ns/two.
func ofTwo(g Gomega, m *memory, h *dataplane.Holder) (state.Host, state.Local, map[uint32]uint32) {
	s, l := host()
	two := s.Endpoints[0]
	two.Name, two.Addresses = "ns/two", []netip.Addr{netip.MustParseAddr("10.0.0.9")}
	s.Endpoints = append(s.Endpoints, two)
	l.Ports["ns/two"] = 101
	_, err := h.Apply(s, l)
	g.Expect(err).NotTo(HaveOccurred())
	endpoints, err := m.endpoints.All()
	g.Expect(err).NotTo(HaveOccurred())
	numbers := map[uint32]uint32{}
	for number, row := range endpoints {
		numbers[row.Door.Ifindex] = number
	}
	return s, l, numbers
}

// Flows go with their endpoint, and with its address; those of others stay (row F3).
func TestFlowsOfAnEndpointThatGoesGoToo(t *testing.T) {
	for name, change := range map[string]func(s *state.Host){
		"deleted": func(s *state.Host) { s.Endpoints = s.Endpoints[:1] },
		"moved to another address": func(s *state.Host) {
			s.Endpoints = slices.Clone(s.Endpoints) // the holder has the others
			s.Endpoints[1].Addresses = []netip.Addr{netip.MustParseAddr("10.0.0.10")}
		},
		"made anew under its name": func(s *state.Host) {
			s.Endpoints = slices.Clone(s.Endpoints)
			s.Endpoints[1].MAC[5]++
		},
	} {
		g := NewWithT(t)
		m, h := newMemory()
		s, l, numbers := ofTwo(g, m, h)
		own, others := bpf.RowFlow{}, bpf.RowFlow{}
		own.End[1].Endpoint, others.End[0].Endpoint = uint16(numbers[101]), uint16(numbers[100])
		kept := bpf.RowFlowKey{}.OfVPC(7, 1)
		for _, flows := range []table.Table[bpf.RowFlowKey, bpf.RowFlow]{&m.flows, &m.openings} {
			g.Expect(flows.Put(bpf.RowFlowKey{}.OfVPC(7, 2), own)).To(Succeed())
			g.Expect(flows.Put(kept, others)).To(Succeed())
		}
		report, err := h.Apply(s, l)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(report.Rows()).To(BeZero())
		change(&s)
		_, err = h.Apply(s, l)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(m.flows.All()).To(Equal(map[bpf.RowFlowKey]bpf.RowFlow{kept: others}), name)
		g.Expect(m.openings.All()).To(Equal(map[bpf.RowFlowKey]bpf.RowFlow{kept: others}), name)
	}
}

// With an endpoint that lives elsewhere from now on, those that stay go on to talk: its
// end of their flows is not behind this host any more.
func TestFlowsWithAnEndpointThatMovesStay(t *testing.T) {
	g := NewWithT(t)
	m, h := newMemory()
	s, l, numbers := ofTwo(g, m, h)
	key := func(protocol uint8) bpf.RowFlowKey { return bpf.RowFlowKey{}.OfVPC(7, protocol) }
	between := bpf.RowFlow{Charged: uint16(numbers[101]), Quick: 3, Rule: [2]uint32{4, 5}}
	between.End[0].Endpoint, between.End[1].Endpoint, between.End[1].Identity = uint16(numbers[100]), uint16(numbers[101]), 20
	away, others := bpf.RowFlow{}, bpf.RowFlow{Quick: 3}
	away.End[0].Endpoint, others.End[0].Endpoint = uint16(numbers[101]), uint16(numbers[100])
	for _, flows := range []table.Table[bpf.RowFlowKey, bpf.RowFlow]{&m.flows, &m.openings} {
		g.Expect(flows.Put(key(1), between)).To(Succeed())
		g.Expect(flows.Put(key(2), away)).To(Succeed())
		g.Expect(flows.Put(key(3), others)).To(Succeed())
	}
	h.Leave([]string{"ns/two"})
	s.Endpoints = s.Endpoints[:1]
	_, err := h.Apply(s, l)
	g.Expect(err).NotTo(HaveOccurred())
	parted := bpf.RowFlow{Rule: between.Rule}
	parted.End[0].Endpoint, parted.End[1].Identity = uint16(numbers[100]), 20
	want := map[bpf.RowFlowKey]bpf.RowFlow{key(1): parted, key(3): others}
	g.Expect(m.flows.All()).To(Equal(want))
	g.Expect(m.openings.All()).To(Equal(want))
}

// More rules than can be counted are refused as a whole (row K6).
func TestRulesThatCannotBeCountedAreRefused(t *testing.T) {
	g := NewWithT(t)
	m, _ := newMemory()
	tables := m.others
	tables.RuleRoom = 2
	h := dataplane.NewHolder(tables)
	s, l := host()
	s.Policy.Sets = []state.PolicySet{
		{Name: "a", Direction: state.Egress, Default: state.Judgement{Verdict: state.Deny, Rule: "one"}},
		{Name: "b", Direction: state.Egress, Default: state.Judgement{Verdict: state.Deny, Rule: "two"}},
	}
	_, err := h.Apply(s, l)
	g.Expect(err).To(MatchError(ContainSubstring(`load the programs with more in dataplane.Options.Limits["rules"]`)))
	g.Expect(m.hosts.All()).To(BeEmpty())
}
