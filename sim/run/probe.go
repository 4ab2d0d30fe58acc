// SPDX-License-Identifier: Apache-2.0

package run

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/scenario"
	"github.com/mizar-net/mizar/sim/wire"
)

// conversation is what one check is about: the flows of one protocol and
// family between two endpoints.
type conversation struct {
	name   string
	flows  []wire.Probe
	fresh  bool
	cell   Cell
	expect scenario.Expect
	// vni is the sender's; of who is outside, that of the backends.
	vni uint32
	// ends are both addresses.
	ends []state.Place
	// to is the full name of the endpoint that is meant; "" for an address
	// that no endpoint has.
	to string
	// service says that the address is a service's: any of its backends is meant.
	service  bool
	backends []wire.Backend
	// elsewhere says that a drop is also seen when the packets reach
	// another endpoint than to: one of the sender's own VPC that has the
	// same address.
	elsewhere bool
	// unknown says that the oracle can't know what becomes of the packets.
	unknown bool
}

// oracleSays is who the oracle is in answers.
const oracleSays = "the oracle"

// answer is what one party says became of a conversation.
type answer struct {
	who string
	// timed says that real time passes between the packets.
	timed             bool
	requests, replies []wire.Packet
}

// probe has a conversation for each protocol and family.
func (r *runner) probe(ctx context.Context, p *scenario.Probe) ([]Check, error) {
	if p.Expect.Rule != "" {
		r.readRules()
	}
	var checks []Check
	for _, proto := range p.Protos {
		talks, err := r.conversations(p, proto)
		if err != nil {
			return nil, err
		}
		for _, talk := range talks {
			answers, err := r.converse(ctx, talk)
			if err != nil {
				return nil, err
			}
			checks = append(checks, talk.checks(answers)...)
		}
	}
	return checks, nil
}

// conversations makes one for each family that both ends have.
func (r *runner) conversations(p *scenario.Probe, proto wire.Proto) ([]conversation, error) {
	if p.Via != "" {
		return r.visit(p, proto)
	}
	from := r.world.endpoints[p.From]
	var talks []conversation
	for _, family := range []int{4, 6} {
		dst, to, ok := r.destination(p, from, family)
		if !ok || (p.Family != 0 && p.Family != family) {
			continue
		}
		talk := conversation{
			name:  fmt.Sprintf("%s %s → %s %s", proto, scenario.Short(p.From), p.To, familyName(family)),
			fresh: p.Fresh, expect: p.Expect, unknown: r.narrow(), vni: r.world.vni(from), cell: r.world.cell(from, to, family, string(proto)),
		}
		src, _ := address(from, family)
		talk.ends = []state.Place{{VNI: talk.vni, Address: src}, {VNI: talk.vni, Address: dst}}
		if p.To.Outsider != "" {
			talk.to, talk.cell.Path = p.To.Outsider, "leaving"
		} else if to != nil {
			talk.to = to.Key()
		} else if talk.service = r.world.served(talk.vni, proto, netip.AddrPortFrom(dst, p.Port)); talk.service {
			talk.cell.Path = "service"
		}
		for flow := range max(p.Flows, 1) {
			probe := wire.Probe{
				Proto: proto, From: p.From, To: dst, Outsider: p.To.Outsider, Port: p.Port, SourcePort: p.Source,
				Count: p.Count, Size: p.Size, TOS: p.TOS,
				TTL: p.TTL, DontFragment: p.Whole,
			}
			if p.Source != 0 {
				probe.SourcePort += uint16(flow)
			}
			r.serve(&probe)
			talk.flows = append(talk.flows, probe)
		}
		if talk.backends = talk.flows[0].Backends; len(talk.backends) > 0 {
			talk.cell = r.world.serviceCell(from, talk.backends, family, string(proto))
			for _, b := range talk.backends {
				talk.ends = append(talk.ends, state.Place{VNI: talk.vni, Address: b.At.Addr()})
			}
		}
		talks = append(talks, talk)
	}
	if len(talks) == 0 {
		return nil, fmt.Errorf("probe from %s to %s: they have no address family in common", p.From, p.To)
	}
	return talks, nil
}

// destination is the address that a probe goes to in a family, and the
// endpoint that has it.
func (r *runner) destination(p *scenario.Probe, from *object.Endpoint, family int) (netip.Addr, *object.Endpoint, bool) {
	if _, ok := address(from, family); !ok {
		return netip.Addr{}, nil, false
	}
	switch {
	case p.To.Service != nil:
		dst, ok := p.To.Service.Addr(family)
		return dst, nil, ok
	case p.To.Outsider != "":
		o, _ := r.ground.Outsider(p.To.Outsider)
		i := slices.IndexFunc(o.Addresses, func(a netip.Addr) bool { return familyOf(a) == family })
		if i < 0 {
			return netip.Addr{}, nil, false
		}
		return o.Addresses[i], nil, true
	case p.To.Endpoint != "":
		to := r.world.endpoints[p.To.Endpoint]
		dst, ok := address(to, family)
		return dst, to, ok
	}
	return p.To.Addr, r.world.at(r.world.vni(from), p.To.Addr), familyOf(p.To.Addr) == family
}

// answers are what the oracle and each wire say.
type answers struct {
	oracle answer
	wires  []answer
}

// converse has a conversation on every wire and with the oracle.
func (r *runner) converse(ctx context.Context, talk conversation) (answers, error) {
	all := answers{oracle: answer{who: oracleSays}, wires: make([]answer, len(r.wires))}
	for _, flow := range talk.flows {
		if talk.fresh {
			if err := r.forget(ctx, talk.ends...); err != nil {
				return all, err
			}
		}
		outcome, err := r.oracle.Probe(flow)
		if err != nil {
			return all, fmt.Errorf("ask the oracle: %s: %w", talk.name, err)
		}
		all.oracle.add(outcome)
		for i, w := range r.wires {
			all.wires[i].who, all.wires[i].timed = w.Name(), isTimed(w)
			outcome, err := w.Probe(ctx, flow)
			if err != nil {
				return all, fmt.Errorf("probe on the %s wire: %s: %w", w.Name(), talk.name, err)
			}
			all.wires[i].add(outcome)
		}
	}
	for _, a := range all.wires {
		a.age(all.oracle)
	}
	return all, nil
}

func (a *answer) add(o wire.Outcome) {
	a.requests = append(a.requests, o.Requests...)
	a.replies = append(a.replies, o.Replies...)
}

// checks holds each wire against the scenario and the oracle, and two wires
// against each other.
func (t conversation) checks(a answers) []Check {
	t.cell.Verdict, t.cell.Reason = string(t.expect.Verdict), t.expect.Reason
	if lost := t.expect.Verdict == scenario.Drop || t.expect.Verdict == scenario.Refuse; lost && len(a.oracle.requests) > 0 {
		first := a.oracle.requests[0]
		if t.cell.Reason == "" {
			t.cell.Reason = first.Reason
		}
		if t.elsewhere && first.Delivered && first.To != t.to {
			t.cell.Verdict = "elsewhere"
		}
	}
	var checks []Check
	for _, w := range a.wires {
		checks = append(checks, Check{
			Name: t.name, Wire: w.who, Cell: t.cell.on(w.who), Seen: w.seen(t), Hops: w.hops(),
			Failures: slices.Concat(t.expected(w), t.against(w, a.oracle), t.ruled(w, a.oracle)),
		})
		if t.expect.Paths > 0 {
			checks = append(checks, t.parted(w))
		}
	}
	if len(a.wires) == 2 {
		checks = append(checks, Check{
			Name: t.name, Wire: BothWires, Cell: t.cell.on(BothWires), Seen: "equal",
			Failures: differences(a.wires[1], a.wires[0]),
		})
	}
	return checks
}

// against holds what a wire says against the oracle, where that can know.
func (t conversation) against(a, oracle answer) []Failure {
	if t.unknown {
		return nil
	}
	return differences(a, oracle)
}
