// SPDX-License-Identifier: Apache-2.0

package identity

import (
	"maps"
	"slices"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/mizar-net/mizar/controlplane/object"
)

// Looked are the attributes that policies look at, sorted, each once. Named ports
// are looked at by egress alone: by ingress they are the subject's own.
func Looked(policies []object.NetworkPolicy) []Attribute {
	l := looker{}
	for i := range policies {
		spec := &policies[i].Spec
		l.selector(&spec.PodSelector, Label)
		for _, rule := range spec.Ingress {
			l.peers(rule.From)
		}
		for _, rule := range spec.Egress {
			l.peers(rule.To)
			for _, p := range rule.Ports {
				if p.Port != nil && p.Port.Type == intstr.String {
					l[Port(p.Port.StrVal)] = true
				}
			}
		}
	}
	delete(l, namespaceName)
	return slices.Sorted(maps.Keys(l))
}

// looker collects attributes.
type looker map[Attribute]bool

func (l looker) peers(peers []networkingv1.NetworkPolicyPeer) {
	for _, p := range peers {
		l.selector(p.PodSelector, Label)
		l.selector(p.NamespaceSelector, NamespaceLabel)
	}
}

func (l looker) selector(s *metav1.LabelSelector, attribute func(string) Attribute) {
	if s == nil {
		return
	}
	for key := range s.MatchLabels {
		l[attribute(key)] = true
	}
	for _, e := range s.MatchExpressions {
		l[attribute(e.Key)] = true
	}
}
