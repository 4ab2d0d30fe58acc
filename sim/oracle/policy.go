// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"net/netip"
	"reflect"
	"slices"

	core "k8s.io/api/core/v1"

	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/oracle/judge"
)

// party is an endpoint as the policies of this world see it.
func (w world) party(e object.Endpoint) judge.Party {
	p := judge.Party{
		Namespace: e.Namespace, Labels: e.Labels, Host: e.Self,
		NamespaceLabels: w.set.Namespace(e.Namespace).Labels,
	}
	for _, port := range e.Ports {
		p.Ports = append(p.Ports, judge.Port{Name: port.Name, Number: port.Number, Protocol: protocols[port.Protocol]})
	}
	return p
}

var protocols = map[core.Protocol]uint8{core.ProtocolTCP: judge.TCP, core.ProtocolUDP: judge.UDP, core.ProtocolSCTP: judge.SCTP}

// policies are all of a set, as they are judged by.
func policies(set object.Set) (all []judge.Policy) {
	for _, p := range set.Policies {
		all = append(all, judge.Policy{Namespace: p.Namespace, Name: p.Name, Spec: p.Spec, Audit: p.Audit})
	}
	return all
}

// said is what the policies of an endpoint say, in one direction, of the other end.
func (n *node) said(e object.Endpoint, d state.Direction, peer end, protocol uint8, port uint16) judge.Answer {
	return judge.Judge(n.policies, judge.Question{
		Subject: n.party(e), Direction: d, Peer: peer.party, Addr: peer.addr, Protocol: protocol, Port: port,
	})
}

// set is all that policies say of an endpoint in a direction, whoever its peer is:
// two that are equal judge alike.
type set struct {
	policies []judge.Policy
	ports    []judge.Port
}

func (n *node) setOf(e object.Endpoint, d state.Direction) set {
	return set{judge.Selecting(n.policies, n.party(e), d), n.party(e).Ports}
}

func (s set) equal(other set) bool { return reflect.DeepEqual(s, other) }

// names says whether what a set says can depend on who the other end is: it means
// some endpoint of the VPC for what it is, or was until lately, and not for its address.
// A packet of which it means nobody else than who is no more is [wire.Packet.Vain].
func (n *node) names(w *walk, s set, d state.Direction) bool {
	for _, e := range n.set.Endpoints {
		if n.vpcOf(e) == w.vpc.Name && judge.Names(s.policies, d, n.party(e)) {
			return true
		}
	}
	was := slices.ContainsFunc(n.former, func(g former) bool { return g.vpc == w.vpc.Name && judge.Names(s.policies, d, g.party) })
	w.out.Vain = w.out.Vain || was
	return was
}

// end is one end of a packet, as a host knows it.
type end struct {
	addr netip.Addr
	// here is the endpoint, if it is behind this host.
	here *object.Endpoint
	// party is who it is to policies; nil: nobody, or it is not known. number is the
	// identity that packets carry for it.
	party  *judge.Party
	number uint32
	known  bool
	// hearsay says that this was learned a while ago: it may be another one by now.
	hearsay bool
	// heard is what was learned of it, if it has said itself who it is; nil: nothing.
	heard *end
	// is who it is by now, if it has said itself who it is; nil: nobody.
	is *judge.Party
}

// exempt says whether no policy comes between two ends: a host and an endpoint
// behind it, an endpoint and itself.
func exempt(a, b end) bool {
	return a.here != nil && b.here != nil && (a.here.Self || b.here.Self || a.here.Key() == b.here.Key())
}

// end is who has an address, as this host knows.
func (n *node) end(addr netip.Addr, e object.Endpoint) end {
	party := n.party(e)
	known := end{addr: addr, party: &party, number: e.Identity, known: true}
	if e.Host == n.name {
		known.here = &e
	}
	return known
}

// Question is what [Say] is asked: a conversation at one of its ends. Peer is who
// has Addr, nil: nobody.
type Question struct {
	Subject   object.Endpoint
	Peer      *object.Endpoint
	Addr      netip.Addr
	Direction state.Direction
	Protocol  uint8
	Port      uint16
}

// Say is what the policies of a set of objects say.
func Say(set object.Set, q Question) judge.Answer {
	w := world{set: set}
	asked := judge.Question{Subject: w.party(q.Subject), Direction: q.Direction, Addr: q.Addr, Protocol: q.Protocol, Port: q.Port}
	if q.Peer != nil {
		peer := w.party(*q.Peer)
		asked.Peer = &peer
	}
	return judge.Judge(policies(set), asked)
}
