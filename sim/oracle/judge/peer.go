// SPDX-License-Identifier: Apache-2.0

package judge

import (
	"net/netip"

	networking "k8s.io/api/networking/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// means says whether an entry of from or to means the other end of a conversation.
func (p Policy) means(peer networking.NetworkPolicyPeer, q Question) bool {
	if peer.IPBlock != nil {
		return within(*peer.IPBlock, q.Addr)
	}
	if q.Peer == nil || q.Peer.Host {
		return false
	}
	if peer.NamespaceSelector == nil {
		if q.Peer.Namespace != p.Namespace {
			return false
		}
	} else if !matches(*peer.NamespaceSelector, named(*q.Peer)) {
		return false
	}
	return peer.PodSelector == nil || matches(*peer.PodSelector, q.Peer.Labels)
}

// named are the labels of an endpoint's namespace with the one that is implied.
func named(e Party) map[string]string {
	all := map[string]string{}
	for key, value := range e.NamespaceLabels {
		all[key] = value
	}
	all[NameLabel] = e.Namespace
	return all
}

// within says whether an address is in a block and in none of its exceptions.
func within(b networking.IPBlock, a netip.Addr) bool {
	if !in(b.CIDR, a) {
		return false
	}
	for _, except := range b.Except {
		if in(except, a) {
			return false
		}
	}
	return true
}

// in says whether an address is in a CIDR, whose host bits may be set. One that
// cannot be read holds nothing.
func in(cidr string, a netip.Addr) bool {
	p, err := netip.ParsePrefix(cidr)
	return err == nil && p.Masked().Contains(a)
}

// matches says whether a selector matches labels. Without any requirement it
// matches all.
func matches(s meta.LabelSelector, labels map[string]string) bool {
	for key, want := range s.MatchLabels {
		if got, ok := labels[key]; !ok || got != want {
			return false
		}
	}
	for _, r := range s.MatchExpressions {
		if !meets(r, labels) {
			return false
		}
	}
	return true
}

// meets says whether labels meet one requirement. What is not there is not in any
// list of values.
func meets(r meta.LabelSelectorRequirement, labels map[string]string) bool {
	got, there := labels[r.Key]
	listed := false
	for _, value := range r.Values {
		listed = listed || there && value == got
	}
	switch r.Operator {
	case meta.LabelSelectorOpIn:
		return listed
	case meta.LabelSelectorOpNotIn:
		return !listed
	case meta.LabelSelectorOpExists:
		return there
	case meta.LabelSelectorOpDoesNotExist:
		return !there
	}
	return false
}
