// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"slices"
	"testing"

	. "github.com/onsi/gomega"
	"pgregory.net/rapid"

	"github.com/mizar-net/mizar/dataplane/state"
)

// tiers draws rules of three tiers, in the order that they are tried in.
func tiers(t *rapid.T) []tiered {
	var all []tiered
	for tier := range 3 {
		for range rapid.IntRange(0, 4).Draw(t, "rules") {
			r := &rule{name: string(rune('a' + len(all))), rank: uint32(100*tier + len(all)), action: rapid.SampledFrom([]action{accept, deny, pass}).Draw(t, "action")}
			for range rapid.IntRange(1, 3).Draw(t, "ports") {
				p := ports{protocol: rapid.SampledFrom([]uint8{0, 6, 17}).Draw(t, "protocol"), last: 65535}
				if p.protocol != 0 {
					p.first = uint16(rapid.SampledFrom([]int{0, 1, 80, 81, 65535}).Draw(t, "first"))
					p.last = max(p.first, uint16(rapid.SampledFrom([]int{0, 1, 80, 90, 65534, 65535}).Draw(t, "last")))
				}
				r.ports = append(r.ports, p)
			}
			all = append(all, tiered{r, tier})
		}
	}
	return all
}

// decided is what the rules say of one packet, one after the other.
func decided(rules []tiered, protocol uint8, port uint16) (action, uint32) {
	skip := -1
	for _, r := range rules {
		matches := slices.ContainsFunc(r.ports, func(p ports) bool {
			return p.protocol == 0 || p.protocol == protocol && p.first <= port && port <= p.last
		})
		switch {
		case !matches || r.tier == skip:
		case r.action == pass:
			skip = r.tier
		default:
			return r.action, r.rank
		}
	}
	return 0, 0
}

// Tiers, priorities and passes are in the ranges: a packet needs no more of them.
func TestTiersAreFlattened(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rules := tiers(t)
		byDefault := state.Judgement{Verdict: state.Audit, Rank: 1000}
		ranges := flatten(rules, nil, byDefault)
		for _, protocol := range []uint8{1, 6, 17, 132} {
			for _, port := range []uint16{0, 1, 2, 79, 80, 81, 82, 90, 91, 65534, 65535} {
				want, rank := decided(rules, protocol, port)
				var got state.Judgement
				for _, r := range ranges {
					if r.Protocol == 0 || r.Protocol == protocol && r.First <= port && port <= r.Last {
						got = r.Judgement
					}
				}
				verdict := map[action]state.Verdict{accept: state.Accept, deny: state.Deny}[want]
				if got == byDefault {
					got = state.Judgement{} // as if it were in no range
				}
				if got.Verdict != verdict || got.Rank != rank {
					t.Fatalf("protocol %d port %d: got %v, want %v of rank %d; ranges %v", protocol, port, got, verdict, rank, ranges)
				}
			}
		}
	})
}

func TestEqualClassesAreOne(t *testing.T) {
	g := NewWithT(t)
	one := []state.PortRange{{Protocol: 6, First: 1, Last: 2, Judgement: state.Judgement{Verdict: state.Accept, Rank: 3, Rule: "r"}}}
	g.Expect(class(one).Name).To(Equal(class(slices.Clone(one)).Name))
	for _, change := range []func(*state.PortRange){
		func(r *state.PortRange) { r.Protocol = 17 }, func(r *state.PortRange) { r.First = 2 }, func(r *state.PortRange) { r.Last = 3 },
		func(r *state.PortRange) { r.Verdict = state.Deny }, func(r *state.PortRange) { r.Rank = 4 }, func(r *state.PortRange) { r.Rule = "s" },
	} {
		other := slices.Clone(one)
		change(&other[0])
		g.Expect(class(other).Name).NotTo(Equal(class(one).Name))
	}
}
