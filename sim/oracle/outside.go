// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"net/netip"
	"time"

	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/link"
	"github.com/mizar-net/mizar/sim/oracle/judge"
	"github.com/mizar-net/mizar/sim/wire"
)

// How long a host takes an address to be outside: subnets are made.
const outsideKept = 60 * time.Second

// The drop reasons of what leaves; nobody reaches the port of the tunnel outside.
const (
	snatPorts  = "snat_ports"
	snatTunnel = "snat_tunnel"
	tunnelPort = 6081
)

// masquerades says whether endpoints of the packet's VPC reach what is outside.
func (n *node) masquerades(w *walk) bool {
	vpc, _ := n.set.VPC(w.vpc.Name)
	return vpc.Masquerade
}

// mayLeave says whether a host's endpoints reach what is in no subnet of the packet's VPC:
// but for the host itself, whose address they would come from.
func (n *node) mayLeave(w *walk) bool {
	own, _ := n.set.Host(n.name)
	self, speaks := ofFamily(own.Addresses, w.dst)
	return n.masquerades(w) && speaks && self != w.dst
}

// isOutside says whether a host takes the packet's destination to be outside.
func (o *Oracle) isOutside(w *walk, n *node) bool {
	known := n.paths[w.to()]
	return known.state == beyond && o.now(n.name)-known.since < outsideKept
}

// goAbroad sends a packet of an endpoint outside, with an address of its host: who is there
// gets it. It is judged, unless it has been.
func (o *Oracle) goAbroad(w *walk, n *node, judged bool) {
	if w.flow.protocol == judge.UDP && w.flow.to == tunnelPort {
		w.drop(snatTunnel)
		return
	}
	if !judged {
		if v := o.track(n, w, end{addr: w.dst, known: true}); v != pass {
			w.drop(v.reason)
			return
		}
	}
	k, low := w.key()
	if f := n.flows[k]; !f.leaves && n.leaving(k, low) >= n.ports() {
		delete(n.flows, k)
		w.drop(snatPorts)
		return
	}
	n.flows[k].leaves = true
	w.out.Delivered, w.out.To, w.out.Reason, w.out.Dropper = true, w.outsider, "", ""
}

// ports is how many the host has for what leaves to one address, protocol and port outside.
func (n *node) ports() int {
	own, _ := n.set.Host(n.name)
	if p := own.MasqueradePorts; p != (state.Ports{}) {
		return int(p.Last) - int(p.First) + 1
	}
	return int(state.MasqueradePorts.Last) - int(state.MasqueradePorts.First) + 1
}

// leaving is how many flows have a port to who is outside in a flow.
func (n *node) leaving(k flowKey, low bool) (count int) {
	far := func(k flowKey, low bool) netip.AddrPort {
		if low {
			return k.high
		}
		return k.low
	}
	for other, f := range n.flows {
		if f.leaves && other.protocol == k.protocol && far(other, f.low) == far(k, low) {
			count++
		}
	}
	return count
}

// comeBack is what a host does with what somebody outside answers an endpoint behind it.
func (o *Oracle) comeBack(e object.Endpoint, d datagram, transport int) wire.Packet {
	n := o.nodes[e.Host]
	vpc, _ := o.real.set.VPC(o.real.vpcOf(e))
	w := &walk{vpc: vpc, abroad: true, out: wire.Packet{Hosts: []string{e.Host}}}
	w.packet = packet{src: d.src, dst: d.dst, ttl: d.ttl, length: d.ipHeader() + transport + d.size, flow: d.tuple()}
	if c := o.conditions[e.Host]; c.Dead || c.Carrying().Down {
		w.drop(link.Down)
		return w.out
	}
	o.collect(n)
	k, low := w.key()
	to, here := n.behind(n.name, w.to())
	switch f := n.flows[k]; {
	case f == nil || !f.leaves || f.low == low:
		return w.out // it is the stack's
	case w.ttl <= 1:
		w.drop(ttl)
	case w.length > endpointMTU(n.set):
		o.tellOutside(w, n, endpointMTU(n.set))
	case !here:
		w.drop(notOurs)
	default:
		if v := o.track(n, w, n.end(w.dst, to)); v != pass {
			w.drop(v.reason)
			return w.out
		}
		o.put(w, to)
	}
	return w.out
}
