// SPDX-License-Identifier: Apache-2.0

package encode_test

import (
	"encoding/binary"
	"net/netip"
	"testing"

	. "github.com/onsi/gomega"
	"pgregory.net/rapid"

	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/dataplane/encode"
	"github.com/mizar-net/mizar/dataplane/state"
)

func accept(rule string) state.Judgement {
	return state.Judgement{Verdict: state.Accept, Rank: 5, Rule: rule}
}

// policed is the sample with policy for its endpoint.
func policed(change func(*state.Host)) (state.Host, state.Local) {
	s, l := sample()
	s.Policy = state.Policy{
		Sets: []state.PolicySet{{
			Name: "in", Direction: state.Ingress, Revision: "1",
			Peers:    []state.PolicyPeer{{Identity: 20, Class: "all"}, {Identity: 21, Class: "web"}},
			Prefixes: []state.PolicyPrefix{{Prefix: netip.MustParsePrefix("10.0.0.0/8"), Class: "web"}, {Prefix: netip.MustParsePrefix("fd00::/8"), Class: "all"}},
			Default:  state.Judgement{Verdict: state.Deny, Rank: 9, Rule: "deny"},
		}},
		Classes: []state.PortClass{
			{Name: "all", Ranges: []state.PortRange{{Last: 65535, Judgement: accept("all")}}},
			{Name: "web", Ranges: []state.PortRange{
				{Last: 65535, Judgement: state.Judgement{Verdict: state.Audit, Rank: 7, Rule: "rest"}},
				{Protocol: 6, First: 80, Last: 81, Judgement: accept("web")},
				{Protocol: 17, First: 53, Last: 53, Judgement: accept("dns")},
			}},
		},
	}
	s.Endpoints[0].Ingress, s.Endpoints[0].KeepEstablished = "in", true
	if change != nil {
		change(&s)
	}
	return s, l
}

func TestPolicyBecomesRows(t *testing.T) {
	g := NewWithT(t)
	rows, index, err := encode.Encode(policedPair(nil))
	g.Expect(err).NotTo(HaveOccurred())
	set, web := index.Sets["in\x001"], index.Classes["web"]
	all := bpf.RowJudgement{Word: 5<<2 | uint32(bpf.RowPolicyVerdictPOLICY_ACCEPT), Of: index.Rules["all"]}
	class := bpf.RowJudgement{Word: uint32(bpf.RowClassRowsCLASS_SINGLES | bpf.RowClassRowsCLASS_RANGES), Of: web}
	g.Expect(rows.PolicySets).To(Equal(map[uint32]bpf.RowPolicySet{set % bpf.Sets(): {
		Number: set, Peers: 1, Prefixes: 1,
		Fallback: bpf.RowJudgement{Word: 9<<2 | uint32(bpf.RowPolicyVerdictPOLICY_DENY), Of: index.Rules["deny"]},
	}}))
	g.Expect(rows.PolicyPeers).To(Equal(map[bpf.RowPolicyPeerKey]bpf.RowJudgement{
		{Set: set, Identity: 20}: all, {Set: set, Identity: 21}: class,
		encode.SinglePort(web, 17, 53): {Word: 5<<2 | uint32(bpf.RowPolicyVerdictPOLICY_ACCEPT), Of: index.Rules["dns"]},
	}), "what is alike for all ports stands in the peer's row, a port by itself in its own")
	g.Expect(rows.PolicyPrefixes).To(Equal(map[bpf.RowPolicyPrefixKey]bpf.RowJudgement{
		encode.PolicyPrefix(set, netip.MustParsePrefix("10.0.0.0/8")): class,
		encode.PolicyPrefix(set, netip.MustParsePrefix("fd00::/8")):   all,
	}))
	g.Expect(rows.PolicyPorts).To(HaveLen(2), "ports 80 and 81 are one prefix")
	for key := range rows.PolicyPorts {
		g.Expect(key.Prefixlen).To(BeNumerically("<", 64))
	}
	e := rows.Endpoints[index.Endpoints["ns/one"]]
	g.Expect(e.Set).To(Equal([2]uint32{bpf.RowDirectionDIRECTION_INGRESS: set}))
	g.Expect(e.Keep).To(BeEquivalentTo(1))
}

// IPv4 addresses have a place among those of IPv6, where ::/0 must not find them.
func TestPrefixesOfIPv6SayNothingOfIPv4(t *testing.T) {
	for _, c := range []struct {
		prefixes []string
		silent   bool
	}{
		{[]string{"::/0"}, true},
		{[]string{"::/80"}, true},
		{[]string{"::/0", "10.0.0.0/8"}, true},
		{[]string{"::/0", "0.0.0.0/0"}, false},
		{[]string{"fd00::/8", "::/96"}, false},
	} {
		g := NewWithT(t)
		rows, index, err := encode.Encode(policedPair(func(s *state.Host) {
			s.Policy.Sets[0].Prefixes = nil
			for _, p := range c.prefixes {
				s.Policy.Sets[0].Prefixes = append(s.Policy.Sets[0].Prefixes, state.PolicyPrefix{Prefix: netip.MustParsePrefix(p), Class: "web"})
			}
		}))
		g.Expect(err).NotTo(HaveOccurred())
		row, ok := rows.PolicyPrefixes[encode.PolicyPrefix(index.Sets["in\x001"], netip.MustParsePrefix("0.0.0.0/0"))]
		g.Expect(ok && row == bpf.RowJudgement{}).To(Equal(c.silent), "%v", c.prefixes)
	}
}

// policedPair are the arguments of Encode.
func policedPair(change func(*state.Host)) (state.Host, state.Local, encode.Index) {
	s, l := policed(change)
	return s, l, encode.Index{}
}

// A set that says something else is another one, and no number comes back: flows
// remember by which they were judged.
func TestSetNumbersDoNotComeBack(t *testing.T) {
	g := NewWithT(t)
	index := encode.Index{}
	seen := map[uint32]bool{}
	for n := range 100 {
		s, l := policed(func(s *state.Host) { s.Policy.Sets[0].Revision = string(rune('a' + n)) })
		for range 2 {
			_, next, err := encode.Encode(s, l, index)
			g.Expect(err).NotTo(HaveOccurred())
			index = next
		}
		number := index.Sets["in\x00"+string(rune('a'+n))]
		g.Expect(number % bpf.Sets()).To(BeNumerically(">", 0))
		g.Expect(seen).NotTo(HaveKey(number))
		seen[number] = true
	}
	rows := map[uint32]bool{}
	for number := range seen {
		rows[number%bpf.Sets()] = true
	}
	g.Expect(len(rows)).To(BeNumerically("<", 5), "rows do come back")
}

// Every port of a range is under exactly one of its keys, and no other port is.
func TestRangesAreCutIntoPrefixes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		edge := rapid.OneOf(rapid.Uint16(), rapid.SampledFrom([]uint16{0, 1, 80, 32767, 32768, 65534, 65535}))
		first, last := edge.Draw(t, "first"), edge.Draw(t, "last")
		if first > last {
			first, last = last, first
		}
		rows, index, err := encode.Encode(policedPair(func(s *state.Host) {
			s.Policy.Classes[1].Ranges = []state.PortRange{{Protocol: 17, First: first, Last: last, Judgement: accept("range")}}
		}))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(len(rows.PolicyPorts)).To(BeNumerically("<=", 30))
		port := edge.Draw(t, "port")
		under := 0
		class := index.Classes["web"]
		single, isSingle := rows.PolicyPeers[encode.SinglePort(class, 17, port)]
		if isSingle {
			g.Expect(single.Of).To(Equal(index.Rules["range"]))
			under++
		}
		said := rows.PolicyPrefixes[encode.PolicyPrefix(index.Sets["in\x001"], netip.MustParsePrefix("10.0.0.0/8"))]
		g.Expect(said.Of).To(Equal(class))
		g.Expect(isSingle && said.Word&uint32(bpf.RowClassRowsCLASS_SINGLES) == 0).To(BeFalse(), "it is asked for")
		g.Expect(said.Word&uint32(bpf.RowClassRowsCLASS_RANGES) != 0).To(Equal(len(rows.PolicyPorts) > 0))
		for key, row := range rows.PolicyPorts {
			g.Expect(row.Of).To(Equal(index.Rules["range"]))
			g.Expect(key.Protocol).To(BeEquivalentTo(17))
			g.Expect(key.Prefixlen).To(BeNumerically("<", 64))
			bits := key.Prefixlen - 48
			mask := ^uint16(0) << (16 - bits)
			if port&mask == host16(key.Port)&mask {
				under++
			}
		}
		want := 0
		if port >= first && port <= last {
			want = 1
		}
		g.Expect(under).To(Equal(want), "port %d of %d-%d", port, first, last)
	})
}

// Peers refer to ports of the same map: those are written before, and go after.
func TestPortsStandBeforePeers(t *testing.T) {
	g := NewWithT(t)
	port, peer := encode.SinglePort(9, 6, 80), bpf.RowPolicyPeerKey{Set: 1, Identity: 1<<24 - 1}
	g.Expect(encode.ComparePeer(port, peer)).To(BeNumerically("<", 0))
	g.Expect(encode.ComparePeer(peer, port)).To(BeNumerically(">", 0))
	g.Expect(encode.ComparePeer(port, encode.SinglePort(9, 6, 81))).To(BeNumerically("<", 0))
	class, protocol, number, ok := encode.IsSinglePort(port)
	g.Expect([]any{class, protocol, number, ok}).To(Equal([]any{uint32(9), uint8(6), uint16(80), true}))
	_, _, _, ok = encode.IsSinglePort(peer)
	g.Expect(ok).To(BeFalse())
}

func host16(n uint16) uint16 {
	var b [2]byte
	binary.NativeEndian.PutUint16(b[:], n)
	return binary.BigEndian.Uint16(b[:])
}

func TestPolicyThatContradictsItselfIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*state.Host)
		want  string
	}{
		"no class":      {func(s *state.Host) { s.Policy.Sets[0].Peers[0].Class = "none" }, "policy set in: identity 20: the state has no port class none"},
		"identity":      {func(s *state.Host) { s.Policy.Sets[0].Peers[1].Identity = 1 << 24 }, "policy set in: identity 16777216 is more than 16777215"},
		"single twice":  {func(s *state.Host) { r := &s.Policy.Classes[1].Ranges; *r = append(*r, (*r)[2]) }, "protocol 17, ports 53-53: given twice"},
		"peer twice":    {func(s *state.Host) { s.Policy.Sets[0].Peers[1].Identity = 20 }, "identity 20: given twice"},
		"prefix twice":  {func(s *state.Host) { s.Policy.Sets[0].Prefixes[1] = s.Policy.Sets[0].Prefixes[0] }, "prefix 10.0.0.0/8: given twice"},
		"no set":        {func(s *state.Host) { s.Endpoints[0].Ingress = "other" }, "endpoint ns/one: ingress: the state has no policy set other"},
		"direction":     {func(s *state.Host) { s.Endpoints[0].Egress = "in" }, "egress: policy set in is of ingress"},
		"no verdict":    {func(s *state.Host) { s.Policy.Sets[0].Default.Verdict = 0 }, `default: rule "deny": verdict 0 is none`},
		"rank":          {func(s *state.Host) { s.Policy.Sets[0].Default.Rank = 1 << 30 }, "rank 1073741824 is more than"},
		"set twice":     {func(s *state.Host) { s.Policy.Sets = append(s.Policy.Sets, s.Policy.Sets[0]) }, "policy set in: given twice"},
		"class twice":   {func(s *state.Host) { s.Policy.Classes = append(s.Policy.Classes, s.Policy.Classes[0]) }, "port class all: given twice"},
		"turned range":  {func(s *state.Host) { s.Policy.Classes[1].Ranges[1].Last = 79 }, "protocol 6, ports 80-79: that is no range"},
		"overlapping":   {func(s *state.Host) { r := &s.Policy.Classes[1].Ranges; *r = append(*r, (*r)[1]) }, "protocol 6, ports 80-81: given twice"},
		"ports of none": {func(s *state.Host) { s.Policy.Classes[1].Ranges[0].First = 1 }, "protocol 0, ports 1-65535: that is no range"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := encode.Encode(policedPair(c.spoil))
			NewWithT(t).Expect(err).To(MatchError(ContainSubstring(c.want)))
		})
	}
}
