// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"net/netip"
	"slices"

	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/controlplane/service"
	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/link"
	"github.com/mizar-net/mizar/sim/oracle/judge"
	"github.com/mizar-net/mizar/sim/wire"
)

// visit is a packet of a client outside, or what an endpoint answers him.
func (o *Oracle) visit(e object.Endpoint, d datagram, transport int) wire.Packet {
	p := packet{src: d.src, dst: d.dst, ttl: d.ttl, length: d.ipHeader() + transport + d.size, flow: d.tuple()}
	if d.reversed {
		out := o.send(e, p)
		if out.Delivered && out.To == "" {
			out.To = d.From
		}
		return out
	}
	w := &walk{packet: p, out: wire.Packet{Hosts: []string{d.Visit.Via}}}
	if c := o.conditions[d.Visit.Via]; c.Dead || c.Carrying().Down {
		w.drop(link.Down)
	} else {
		o.come(w, o.nodes[d.Visit.Via])
	}
	w.out.Hops = len(w.out.Hosts) - 1
	return w.out
}

// come is what a host does with a packet from outside that is for it, or that it is given:
// if that is for a frontend, it goes to a backend. Else it is the stack's.
func (o *Oracle) come(w *walk, n *node) {
	gate := netip.AddrPortFrom(w.dst, w.flow.to)
	s, ok := n.gateOf(gate, w.flow.protocol)
	if !ok {
		return
	}
	flow := service.Tuple{Source: netip.AddrPortFrom(w.src, w.flow.from), Destination: gate, Protocol: w.flow.protocol}
	if s.Alike {
		flow = flow.OfClient()
	}
	i := service.Choose(s.Table, flow)
	if i < 0 {
		w.drop(noBackend)
		return
	}
	b := s.Backends[i]
	switch {
	case len(s.Ranges) > 0 && !slices.ContainsFunc(s.Ranges, func(p netip.Prefix) bool { return p.Contains(w.src) }):
		w.drop(sourceRange)
		return
	case b.Host != n.name && !n.knows(b.Host):
		w.drop(noHost)
		return
	}
	if most, fits := o.fitsBehind(n, b.Host, w.length); !fits {
		o.tellOutside(w, n, most)
		return
	}
	switch {
	case b.At.Addr() == w.src:
		w.drop(flowTaken)
		return
	case w.ttl <= 1:
		w.drop(ttl)
		return
	}
	w.vpc = n.set.VPCs[slices.IndexFunc(n.set.VPCs, func(v object.VPC) bool { return v.VNI == s.VNI })]
	w.gate, w.dst, w.flow.to = gate, b.At.Addr(), b.At.Port()
	if b.Host == n.name {
		o.welcome(w, n, b.Generation)
	} else {
		o.hand(w, n, b)
	}
}

// fitsBehind says how large a packet from outside may be that goes to an endpoint behind a
// host, this one or another, and whether one is not larger.
func (o *Oracle) fitsBehind(n *node, host string, length int) (most int, ok bool) {
	if host != n.name {
		return o.fits(n, host, length)
	}
	most = endpointMTU(n.set)
	return most, length <= most
}

// tellOutside refuses what is too large to somebody outside, from the address that he came to.
func (o *Oracle) tellOutside(w *walk, n *node, most int) {
	w.drop(mtu)
	if w.silent || !spend(n.errors, "", o.now(n.name), errorEvery, errorAhead) {
		return
	}
	says := said[mtu][0]
	if w.src.Is6() {
		says, most = said[mtu][1], max(most, least6)
	}
	w.out.Refused = &wire.Refusal{From: w.dst, Type: says[0], Code: says[1], MTU: most}
}

// gateOf is the service that clients outside come to at a host by an address and port.
func (n *node) gateOf(at netip.AddrPort, protocol uint8) (state.OutsideService, bool) {
	own, _ := n.set.Host(n.name)
	for _, s := range n.services.Outside(own) {
		if s.Protocol == protocol && slices.Contains(s.Frontends, at) {
			return s, true
		}
	}
	return state.OutsideService{}, false
}

// hand gives a packet from outside to its backend's host.
func (o *Oracle) hand(w *walk, from *node, b state.OutsideBackend) {
	n := o.nodes[b.Host]
	if n == nil {
		return // nobody has that address: the underlay lost it
	}
	w.out.Hosts = append(w.out.Hosts, b.Host)
	if broken := o.broken(from.name, b.Host); broken != "" {
		w.out.Reason, w.out.Dropper = link.Down, broken
	} else if !n.knows(from.name) {
		w.drop(tunnelSource)
	} else {
		o.welcome(w, n, b.Generation)
	}
}

// welcome is what the backend's host does with it.
func (o *Oracle) welcome(w *walk, n *node, now uint8) {
	to, here := n.behind(n.name, w.to())
	own, _ := n.set.Host(n.name)
	_, answered := ofFamily(own.Addresses, w.src)
	switch {
	case !here || generation(to) != now:
		w.drop(stale)
	case !answered || len(n.services.Outside(own)) == 0:
		w.drop(noHost) // no way leads there
	default:
		if v := o.track(n, w, n.end(w.dst, to)); v != pass {
			w.drop(v.reason)
			return
		}
		o.put(w, to)
	}
}

// answersOutside says whether a packet belongs to a flow that somebody outside has opened.
func (o *Oracle) answersOutside(w *walk, n *node) bool {
	o.collect(n)
	k, low := w.key()
	f := n.flows[k]
	return f != nil && f.gate.IsValid() && f.low != low
}

// goOut sends an answer to the outside: from what its client came to, and past all hosts.
func (o *Oracle) goOut(w *walk, n *node) {
	if w.flow.protocol == judge.UDP && w.flow.to == tunnelPort {
		w.drop(snatTunnel)
		return
	}
	if v := o.track(n, w, end{addr: w.dst, known: true}); v != pass {
		w.drop(v.reason)
		return
	}
	w.out.Delivered = true
}
