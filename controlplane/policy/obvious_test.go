// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/dataplane/state"
)

// What NetworkPolicy says of a flow, from its types alone, without any table.

func obviouslyAllowed(set object.Set, from, to party, protocol uint8, port uint16) bool {
	return (from.endpoint.Name == "" || allows(set, state.Egress, from, to, protocol, port)) &&
		(to.endpoint.Name == "" || allows(set, state.Ingress, to, from, protocol, port))
}

// allows says whether policies let a flow with a peer into, or out of, an endpoint.
func allows(set object.Set, d state.Direction, e, peer party, protocol uint8, port uint16) bool {
	isolated := false
	for _, p := range set.Policies {
		if p.Namespace != e.endpoint.Namespace || !selects(&p.Spec.PodSelector, e.endpoint.Labels) || !isOf(p.Spec, d) {
			continue
		}
		isolated = true
		destination := e
		if d == state.Egress {
			destination = peer
		}
		if d == state.Ingress {
			for _, r := range p.Spec.Ingress {
				if isPeer(set, p.Namespace, r.From, e, peer) && isPort(r.Ports, destination, protocol, port) {
					return true
				}
			}
			continue
		}
		for _, r := range p.Spec.Egress {
			if isPeer(set, p.Namespace, r.To, e, peer) && isPort(r.Ports, destination, protocol, port) {
				return true
			}
		}
	}
	return !isolated
}

func isOf(spec networkingv1.NetworkPolicySpec, d state.Direction) bool {
	if len(spec.PolicyTypes) == 0 {
		return d == state.Ingress || len(spec.Egress) > 0
	}
	for _, t := range spec.PolicyTypes {
		if (t == networkingv1.PolicyTypeIngress) == (d == state.Ingress) {
			return true
		}
	}
	return false
}

func selects(s *metav1.LabelSelector, of map[string]string) bool {
	selector, err := metav1.LabelSelectorAsSelector(s)
	if err != nil {
		panic(err)
	}
	return selector.Matches(labels.Set(of))
}

func isPeer(set object.Set, own string, peers []networkingv1.NetworkPolicyPeer, e, peer party) bool {
	for _, p := range peers {
		if p.IPBlock != nil {
			if inBlock(p.IPBlock, peer.addr) {
				return true
			}
			continue
		}
		if peer.endpoint.Name == "" || vpcOf(set, peer) != vpcOf(set, e) {
			continue
		}
		inNamespace := peer.endpoint.Namespace == own
		if p.NamespaceSelector != nil {
			inNamespace = selects(p.NamespaceSelector, set.Namespace(peer.endpoint.Namespace).Labels)
		}
		if inNamespace && (p.PodSelector == nil || selects(p.PodSelector, peer.endpoint.Labels)) {
			return true
		}
	}
	return len(peers) == 0
}

func vpcOf(set object.Set, p party) string {
	s, _ := set.Subnet(p.endpoint.Subnet)
	return s.VPC
}

func inBlock(b *networkingv1.IPBlock, addr netip.Addr) bool {
	if !netip.MustParsePrefix(b.CIDR).Masked().Contains(addr) {
		return false
	}
	for _, e := range b.Except {
		if netip.MustParsePrefix(e).Masked().Contains(addr) {
			return false
		}
	}
	return true
}

func isPort(ports []networkingv1.NetworkPolicyPort, destination party, protocol uint8, port uint16) bool {
	for _, p := range ports {
		name := corev1.ProtocolTCP
		if p.Protocol != nil {
			name = *p.Protocol
		}
		if map[corev1.Protocol]uint8{"TCP": 6, "UDP": 17, "SCTP": 132}[name] != protocol {
			continue
		}
		switch {
		case p.Port == nil:
			return true
		case p.Port.Type == intstr.String:
			for _, has := range destination.endpoint.Ports {
				if has.Name == p.Port.StrVal && has.Protocol == name && has.Number == port {
					return true
				}
			}
		case p.EndPort == nil:
			if int32(port) == p.Port.IntVal {
				return true
			}
		case p.Port.IntVal <= int32(port) && int32(port) <= *p.EndPort:
			return true
		}
	}
	return len(ports) == 0
}
