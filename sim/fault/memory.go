// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"time"

	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/wire"
)

// Faults that depend on what happened before. Each function makes what is planted in
// one wire.

// latePolicy leaves endpoints without sets until the second state that they are in.
func latePolicy() func([]state.Host) {
	known := map[string]bool{}
	return func(hosts []state.Host) {
		first := len(known) == 0
		eachEndpoint(func(e *state.Endpoint) {
			if !known[e.Name] && !first {
				isolateNobody(e)
			}
			known[e.Name] = true
		})(hosts)
	}
}

// place is an address of a VPC.
type place struct {
	vni  uint32
	addr netip.Addr
}

// firstIdentities leaves endpoints with the number that they had at first.
func firstIdentities() func([]state.Host) {
	had := map[place]uint32{}
	first := func(vni uint32, addr netip.Addr, is uint32) uint32 {
		if was, found := had[place{vni, addr}]; found {
			return was
		}
		had[place{vni, addr}] = is
		return is
	}
	return func(hosts []state.Host) {
		eachEndpoint(func(e *state.Endpoint) {
			for _, a := range e.Addresses {
				e.Identity = first(e.VNI, a, e.Identity)
			}
		})(hosts)
		eachLocation(func(l *state.Location) { l.Identity = first(l.VNI, l.Address, l.Identity) })(hosts)
	}
}

// freshIdentities gives each endpoint that comes after the first state a number of its
// own, whoever has its labels already. To all sets it is what that one is.
func freshIdentities() func([]state.Host) {
	const firstFresh = 1 << 23
	seen, fresh := map[string]bool{}, map[string]uint32{}
	return func(hosts []state.Host) {
		first := len(seen) == 0
		like, at := map[uint32][]uint32{}, map[place]uint32{}
		eachEndpoint(func(e *state.Endpoint) {
			if !seen[e.Name] && !first && !e.IsHost() {
				fresh[e.Name] = firstFresh + uint32(len(fresh))
			}
			seen[e.Name] = true
			number, ok := fresh[e.Name]
			if !ok {
				return
			}
			like[e.Identity] = append(like[e.Identity], number)
			for _, a := range e.Addresses {
				at[place{e.VNI, a}] = number
			}
			e.Identity = number
		})(hosts)
		eachLocation(func(l *state.Location) {
			if number, ok := at[place{l.VNI, l.Address}]; ok {
				l.Identity = number
			}
		})(hosts)
		eachSet(func(s *state.PolicySet) { addPeers(s, like) })(hosts)
	}
}

// addPeers lets a set say of other identities what it says of those that they are like.
func addPeers(s *state.PolicySet, like map[uint32][]uint32) {
	peers := slices.Clone(s.Peers)
	for _, p := range s.Peers {
		for _, number := range like[p.Identity] {
			peers = append(peers, state.PolicyPeer{Identity: number, Class: p.Class})
		}
	}
	slices.SortFunc(peers, func(a, b state.PolicyPeer) int { return cmp.Compare(a.Identity, b.Identity) })
	s.Peers = peers
}

// freedSiblings takes their sets from all who shared one with an endpoint that went.
func freedSiblings() func([]state.Host) {
	had, freed := map[string][2]string{}, map[string]bool{}
	return func(hosts []state.Host) {
		there := map[string]bool{}
		for _, h := range hosts {
			for _, e := range h.Endpoints {
				there[e.Name] = true
			}
		}
		for name, sets := range had {
			if !there[name] {
				freed[sets[0]], freed[sets[1]] = true, true
			}
		}
		clear(had)
		eachEndpoint(func(e *state.Endpoint) {
			had[e.Name] = [2]string{e.Ingress, e.Egress}
			if freed[e.Ingress] {
				e.Ingress = ""
			}
			if freed[e.Egress] {
				e.Egress = ""
			}
		})(hosts)
	}
}

// tuple is how a probe began.
type tuple struct {
	proto    wire.Proto
	from, to string
	// ports of the sender and of the receiver.
	ports [2]uint16
}

// back is what the other side would begin with.
func (t tuple) back() tuple {
	return tuple{t.proto, t.to, t.from, [2]uint16{t.ports[1], t.ports[0]}}
}

// grudge denies a conversation for good, in both directions, once any of its packets
// was denied.
func grudge(p *planted) func(wire.Probe, *wire.Outcome) {
	denied := map[tuple]bool{}
	return func(probe wire.Probe, o *wire.Outcome) {
		t := p.tuple(probe)
		for i := range o.Requests {
			if !o.Requests[i].Delivered && t.ports[0] != 0 {
				denied[t], denied[t.back()] = true, true
			} else if denied[t] {
				lose(&o.Requests[i])
				o.Replies = nil
			}
		}
	}
}

// openBothWays lets who was spoken to begin with the same ports, whatever policy says.
func openBothWays(p *planted) func(wire.Probe, *wire.Outcome) {
	open := map[tuple]bool{}
	return func(probe wire.Probe, o *wire.Outcome) {
		t := p.tuple(probe)
		for i := range o.Requests {
			if o.Requests[i].Delivered {
				open[t.back()] = true
			} else if open[t] {
				deliver(&o.Requests[i], t.to)
			}
		}
	}
}

// passICMP delivers every echo request.
func passICMP(p *planted) func(wire.Probe, *wire.Outcome) {
	return func(probe wire.Probe, o *wire.Outcome) {
		for i := range o.Requests {
			if probe.Proto == wire.ICMP {
				deliver(&o.Requests[i], p.at(probe.To))
			}
		}
	}
}

// loseReplies loses the answers to all that arrived.
func loseReplies(*planted) func(wire.Probe, *wire.Outcome) {
	return func(_ wire.Probe, o *wire.Outcome) {
		for i := range o.Replies {
			lose(&o.Replies[i])
		}
	}
}

// deliver says that a packet came out at an endpoint.
func deliver(p *wire.Packet, to string) {
	p.Delivered, p.To, p.Reason, p.Dropper, p.Refused = true, to, "", "", nil
}

// tuple is how a probe begins.
func (p *planted) tuple(probe wire.Probe) tuple {
	return tuple{probe.Proto, probe.From, p.at(probe.To), [2]uint16{probe.SourcePort, probe.Port}}
}

// at is the endpoint that had an address when states were applied last; of several,
// any.
func (p *planted) at(a netip.Addr) string { return p.names[a] }

// half applies states without what sets accept, and lets some time pass, before the
// real ones come.
func (p *planted) half(ctx context.Context, hosts []state.Host) error {
	const awhile = 40 * time.Millisecond
	empty := slices.Clone(hosts)
	eachSet(func(s *state.PolicySet) {
		s.Peers, s.Prefixes, s.Revision = nil, nil, s.Revision+" half"
	})(empty)
	if err := p.Wire.Apply(ctx, empty); err != nil {
		return err
	}
	return p.Advance(ctx, awhile)
}
