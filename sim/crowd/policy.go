// SPDX-License-Identifier: Apache-2.0

package crowd

import (
	"fmt"
	"net/netip"

	"github.com/mizar-net/mizar/dataplane/state"
)

// Guard is how much policy says of endpoint 0, in each direction. The zero value
// does not isolate it.
type Guard struct {
	// Peers are identities, of which the last is that of everybody (0), and
	// Prefixes ranges of addresses, of which the last has all.
	Peers, Prefixes int
	// Rules are ports, from FirstPort on, that the last peer may be reached at, one
	// rule each; without them and Ranges all are.
	Rules int
	// Ranges are pairs of neighbouring ports behind those, one rule each.
	Ranges int
}

// FirstPort is the port of the first rule.
const FirstPort = 2000

func (g Guard) isolates() bool { return g.Peers+g.Prefixes+g.Rules+g.Ranges > 0 }

// Fill isolates a host's first endpoint.
func (g Guard) Fill(h *state.Host) {
	if !g.isolates() {
		return
	}
	accept := func(rule string) state.Judgement {
		return state.Judgement{Verdict: state.Accept, Rule: rule}
	}
	some := state.PortClass{Name: "some", Ranges: []state.PortRange{{Last: 65535, Judgement: accept("all")}}}
	if g.Rules+g.Ranges > 0 {
		some.Ranges = nil
	}
	first := uint16(FirstPort)
	for n := range g.Rules + g.Ranges {
		last := first
		if n >= g.Rules {
			last++
		}
		some.Ranges = append(some.Ranges, state.PortRange{Protocol: 17, First: first, Last: last, Judgement: accept(fmt.Sprintf("port %d", first))})
		first = last + 1
	}
	one := state.PortClass{Name: "one", Ranges: []state.PortRange{{Protocol: 6, First: 1, Last: 1, Judgement: accept("one")}}}
	h.Policy.Classes = []state.PortClass{one, some}
	for _, d := range []state.Direction{state.Egress, state.Ingress} {
		s := state.PolicySet{Name: d.String(), Direction: d, Revision: "1", Default: state.Judgement{Verdict: state.Deny, Rule: "default"}}
		if g.Peers > 0 {
			s.Peers = append(s.Peers, state.PolicyPeer{Class: some.Name})
		}
		for n := 1; n < g.Peers; n++ {
			s.Peers = append(s.Peers, state.PolicyPeer{Identity: uint32(1000 + n), Class: one.Name})
		}
		s.Prefixes = g.prefixes()
		h.Policy.Sets = append(h.Policy.Sets, s)
	}
	h.Endpoints[0].Egress, h.Endpoints[0].Ingress = "egress", "ingress"
}

// prefixes are those of networks that nobody is in, and all addresses.
func (g Guard) prefixes() []state.PolicyPrefix {
	if g.Prefixes == 0 {
		return nil
	}
	all := []state.PolicyPrefix{{Prefix: netip.MustParsePrefix("0.0.0.0/0"), Class: "some"}, {Prefix: netip.MustParsePrefix("::/0"), Class: "some"}}
	for n := 1; n < g.Prefixes; n++ {
		p := netip.PrefixFrom(netip.AddrFrom4([4]byte{100, byte(n >> 16), byte(n >> 8), byte(n)}), 32)
		all = append(all, state.PolicyPrefix{Prefix: p, Class: "one"})
	}
	return all
}
