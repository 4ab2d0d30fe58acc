// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	"github.com/mizar-net/mizar/dataplane/state"
)

// tiered is a rule that matched, and the tier it is of.
type tiered struct {
	*rule
	tier int
}

// span is the ports of one protocol that a rule holds for.
type span struct {
	first, last uint16
	order       int // of the rule
}

// flatten says what becomes of each protocol and port for whom these rules match,
// in their order: of a rule's tier, the first decides; one that passes leads to
// the next tier. name finds named ports. Ports that no rule decides are in no
// range, or, where a range of all protocols has them, are judged by default.
func flatten(rules []tiered, name named, byDefault state.Judgement) []state.PortRange {
	spans := map[uint8][]span{}
	for order, r := range rules {
		for _, p := range r.ports {
			if p.name != "" {
				number := name(p.name, p.protocol)
				if number == 0 {
					continue
				}
				p.first, p.last = number, number
			}
			spans[p.protocol] = append(spans[p.protocol], span{p.first, p.last, order})
		}
	}
	all := decide(rules, 0, spans[0], nil)
	var otherwise *state.Judgement
	if len(all) > 0 {
		otherwise = &byDefault
	}
	out := slices.Clone(all)
	for _, protocol := range []uint8{6, 17, 132} {
		if len(spans[protocol]) == 0 {
			continue
		}
		for _, r := range decide(rules, protocol, slices.Concat(spans[protocol], spans[0]), otherwise) {
			if len(all) == 0 || all[0].Verdict != r.Verdict || all[0].Rank != r.Rank {
				out = append(out, r)
			}
		}
	}
	return out
}

// decide goes over the ports of one protocol from the lowest on, with the rules
// that hold there, and makes a range of each stretch that one rule decides, or else
// of what is judged otherwise; nil: nothing is.
func decide(rules []tiered, protocol uint8, spans []span, otherwise *state.Judgement) []state.PortRange {
	type edge struct {
		port int
		ends bool
		span
	}
	edges := make([]edge, 0, 2*len(spans))
	for _, s := range spans {
		edges = append(edges, edge{int(s.first), false, s}, edge{int(s.last) + 1, true, s})
	}
	slices.SortFunc(edges, func(a, b edge) int { return cmp.Compare(a.port, b.port) })
	var out []state.PortRange
	open := map[int]int{} // how often each rule holds here
	var orders []int      // of rules that hold here, sorted
	for i, e := range edges {
		at, _ := slices.BinarySearch(orders, e.order)
		switch {
		case !e.ends:
			if open[e.order]++; open[e.order] == 1 {
				orders = slices.Insert(orders, at, e.order)
			}
		default:
			if open[e.order]--; open[e.order] == 0 {
				orders = slices.Delete(orders, at, at+1)
			}
		}
		if i+1 == len(edges) || edges[i+1].port == e.port {
			continue
		}
		judged, ok := first(rules, orders)
		switch {
		case !ok && otherwise == nil:
			continue
		case !ok:
			judged = *otherwise
		}
		r := state.PortRange{Protocol: protocol, First: uint16(e.port), Last: uint16(edges[i+1].port - 1), Judgement: judged}
		if n := len(out); n > 0 && out[n-1].Judgement == judged && int(out[n-1].Last)+1 == e.port {
			out[n-1].Last = r.Last
			continue
		}
		out = append(out, r)
	}
	return out
}

// first is what the first of the rules that decides says. The ranks of what a rule
// that passes leads to are as they are: of two judgements of one packet, by who the
// peer is and by its address, each has followed its own passes.
func first(rules []tiered, orders []int) (state.Judgement, bool) {
	tier := -1
	for _, o := range orders {
		r := rules[o]
		switch {
		case r.tier <= tier:
			continue // was passed
		case r.action == pass:
			tier = r.tier
			continue
		}
		verdict := state.Accept
		if r.action == deny {
			verdict = state.Deny
		}
		return state.Judgement{Verdict: verdict, Rank: r.rank, Rule: r.name}, true
	}
	return state.Judgement{}, false
}

// class names ranges by what is in them, so that equal ones are one.
func class(ranges []state.PortRange) state.PortClass {
	sum := sha256.New()
	for _, r := range ranges {
		fmt.Fprintf(sum, "%d %d %d %d %d %q\n", r.Protocol, r.First, r.Last, r.Verdict, r.Rank, r.Rule)
	}
	return state.PortClass{Name: hex.EncodeToString(sum.Sum(nil)[:12]), Ranges: ranges}
}
