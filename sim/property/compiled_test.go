// SPDX-License-Identifier: Apache-2.0

package property_test

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/mizar-net/mizar/controlplane/compile"
	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/oracle"
	"github.com/mizar-net/mizar/sim/oracle/judge"
	"github.com/mizar-net/mizar/sim/property"
)

// policies are what a host holds, and a reading of it that is as plain as its
// documentation.
type policies struct{ state.Policy }

// say is what an endpoint's set says of a peer with an identity and an address.
func (p policies) say(set string, identity uint32, addr netip.Addr, protocol uint8, port uint16) state.Judgement {
	if set == "" {
		return state.Judgement{Verdict: state.Accept}
	}
	for _, s := range p.Sets {
		if s.Name != set {
			continue
		}
		best, found := s.Default, false
		for _, class := range []string{byIdentity(s, identity), byAddress(s, addr)} {
			if j, ok := p.inClass(class, protocol, port); ok && (!found || j.Rank < best.Rank) {
				best, found = j, true
			}
		}
		return best
	}
	panic(fmt.Sprintf("no set %q", set))
}

// byIdentity is the class of a peer; "": none.
func byIdentity(s state.PolicySet, identity uint32) string {
	for _, p := range s.Peers {
		if p.Identity == identity {
			return p.Class
		}
	}
	return ""
}

// byAddress is the class of the longest prefix.
func byAddress(s state.PolicySet, addr netip.Addr) (class string) {
	longest := -1
	for _, p := range s.Prefixes {
		if p.Prefix.Contains(addr) && p.Prefix.Bits() > longest {
			class, longest = p.Class, p.Prefix.Bits()
		}
	}
	return class
}

func (p policies) inClass(name string, protocol uint8, port uint16) (found state.Judgement, ok bool) {
	for _, c := range p.Classes {
		if c.Name != name {
			continue
		}
		for _, r := range c.Ranges {
			if r.Protocol == protocol && r.First <= port && port <= r.Last {
				return r.Judgement, true
			}
			if r.Protocol == 0 {
				found, ok = r.Judgement, true
			}
		}
	}
	return found, ok
}

// What the compiler makes of objects says the same as the objects themselves.
func TestCompiledPolicySaysWhatTheObjectsSay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := property.Network(dice{t})
		d.Silence()
		defer func() {
			if t.Failed() {
				keep(d.String())
			}
		}()
		s, err := d.Decode()
		if err != nil {
			t.Fatal(err)
		}
		set := s.Objects
		held := map[string]state.Host{}
		for _, h := range compile.Hosts(set) {
			held[h.Name] = h
		}
		for _, subject := range set.Endpoints {
			for _, peer := range set.Endpoints {
				if !subject.Self && subject.Key() != peer.Key() && vpcOf(set, subject) == vpcOf(set, peer) {
					compareAll(t, set, held, subject, &peer, peer.Addresses)
				}
			}
			if !subject.Self {
				compareAll(t, set, held, subject, nil, []netip.Addr{netip.MustParseAddr("10.0.0.99"), netip.MustParseAddr("fd00::99"), netip.MustParseAddr("203.0.113.9")})
			}
		}
	})
}

// asked are the ports that are asked about, the first alone where there are none.
var (
	asked   = []uint16{0, 78, 79, 80, 81, 82, 443, 8080, 8083, 8084}
	numbers = map[uint8]int{1: 1, 47: 1, judge.TCP: len(asked), judge.UDP: len(asked), judge.SCTP: len(asked)}
)

// vpcOf is the VPC of an endpoint: nobody meets those of another.
func vpcOf(set object.Set, e object.Endpoint) string {
	s, _ := set.Subnet(e.Subnet)
	return s.VPC
}

// compareAll asks in both directions, by all protocols and ports.
func compareAll(t *rapid.T, set object.Set, held map[string]state.Host, subject object.Endpoint, peer *object.Endpoint, addrs []netip.Addr) {
	own, identity := state.Endpoint{}, uint32(0)
	for _, h := range held {
		for _, e := range h.Endpoints {
			if e.Name == subject.Key() {
				own = e
			}
			if peer != nil && e.Name == peer.Key() {
				identity = e.Identity
			}
		}
	}
	p := policies{held[subject.Host].Policy}
	for _, direction := range []state.Direction{state.Ingress, state.Egress} {
		name := map[state.Direction]string{state.Ingress: own.Ingress, state.Egress: own.Egress}[direction]
		for _, addr := range addrs {
			for _, protocol := range []uint8{1, judge.TCP, judge.UDP, judge.SCTP, 47} {
				for _, port := range asked[:numbers[protocol]] {
					got := p.say(name, identity, addr, protocol, port)
					want := oracle.Say(set, oracle.Question{Subject: subject, Peer: peer, Addr: addr, Direction: direction, Protocol: protocol, Port: port})
					about := func() string {
						return fmt.Sprintf("%s %s of %s (%s), protocol %d port %d", subject.Key(), direction, addr, name, protocol, port)
					}
					if got.Verdict != want.Verdict || len(want.Rules) > 0 && !slices.Contains(want.Rules, got.Rule) {
						t.Fatalf("%s: compiled %s by %q, the objects say %s by %q", about(), got.Verdict, got.Rule, want.Verdict, want.Rules)
					}
				}
			}
		}
	}
}
