// SPDX-License-Identifier: Apache-2.0

package judge

import (
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/mizar-net/mizar/dataplane/state"
)

// covers says whether an entry of ports covers the destination port of a
// conversation.
func covers(p networking.NetworkPolicyPort, q Question) bool {
	protocol := number(p.Protocol)
	switch {
	case protocol != q.Protocol:
		return false
	case p.Port == nil:
		return true
	case p.Port.Type == intstr.String:
		return q.destination().has(Port{p.Port.StrVal, q.Port, protocol})
	case p.EndPort != nil:
		return p.Port.IntVal <= int32(q.Port) && int32(q.Port) <= *p.EndPort
	}
	return p.Port.IntVal == int32(q.Port)
}

// number is IP's of a protocol; TCP if there is none.
func number(p *core.Protocol) uint8 {
	if p == nil {
		return TCP
	}
	return map[core.Protocol]uint8{core.ProtocolTCP: TCP, core.ProtocolUDP: UDP, core.ProtocolSCTP: SCTP}[*p]
}

// destination is who is spoken to, by whose names ports are called; one without
// any names where nobody is known.
func (q Question) destination() Party {
	switch {
	case q.Direction == state.Ingress:
		return q.Subject
	case q.Peer != nil && !q.Peer.Host:
		return *q.Peer
	}
	return Party{}
}

func (e Party) has(p Port) bool {
	for _, own := range e.Ports {
		if own == p {
			return true
		}
	}
	return false
}

// called says whether an endpoint has a port of the name that is asked for.
func called(p networking.NetworkPolicyPort, e Party) bool {
	for _, own := range e.Ports {
		if p.Port != nil && p.Port.Type == intstr.String && p.Port.StrVal == own.Name && number(p.Protocol) == own.Protocol {
			return true
		}
	}
	return false
}
