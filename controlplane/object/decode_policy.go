// SPDX-License-Identifier: Apache-2.0

package object

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/mizar-net/mizar/controlplane/object/strict"
)

// decodePolicy reads the spec of a NetworkPolicy and refuses what Kubernetes' API
// server refuses. Where that is lax about addresses, so is this; what such a policy
// is good for, controlplane/policy says.
func decodePolicy(v strict.Value) networkingv1.NetworkPolicySpec {
	f := v.Fields("podSelector", "ingress", "egress", "policyTypes")
	var spec networkingv1.NetworkPolicySpec
	if s := decodeSelector(f.Optional("podSelector")); s != nil {
		spec.PodSelector = *s
	}
	for _, rule := range f.Optional("ingress").AnyList() {
		r := rule.Fields("from", "ports")
		spec.Ingress = append(spec.Ingress, networkingv1.NetworkPolicyIngressRule{From: decodePeers(r.Optional("from")), Ports: decodePolicyPorts(r.Optional("ports"))})
	}
	for _, rule := range f.Optional("egress").AnyList() {
		r := rule.Fields("to", "ports")
		spec.Egress = append(spec.Egress, networkingv1.NetworkPolicyEgressRule{To: decodePeers(r.Optional("to")), Ports: decodePolicyPorts(r.Optional("ports"))})
	}
	types := f.Optional("policyTypes")
	for _, t := range types.AnyList() {
		spec.PolicyTypes = append(spec.PolicyTypes, networkingv1.PolicyType(t.Enum(string(networkingv1.PolicyTypeIngress), string(networkingv1.PolicyTypeEgress))))
	}
	if len(spec.PolicyTypes) > 2 {
		types.FailGot(fmt.Sprintf("%d types", len(spec.PolicyTypes)), "at most two: Ingress and Egress")
	}
	return spec
}

func decodePeers(v strict.Value) []networkingv1.NetworkPolicyPeer {
	var peers []networkingv1.NetworkPolicyPeer
	for _, item := range v.AnyList() {
		f := item.Fields("podSelector", "namespaceSelector", "ipBlock")
		p := networkingv1.NetworkPolicyPeer{
			PodSelector:       decodeSelector(f.Optional("podSelector")),
			NamespaceSelector: decodeSelector(f.Optional("namespaceSelector")),
			IPBlock:           decodeBlock(f.Optional("ipBlock")),
		}
		selects := p.PodSelector != nil || p.NamespaceSelector != nil
		switch {
		case !item.Present():
		case !selects && p.IPBlock == nil:
			item.FailGot("a peer that names nobody", "podSelector, namespaceSelector or both; or ipBlock")
		case selects && p.IPBlock != nil:
			item.FailGot("ipBlock and a selector in one peer", "one of them, or two peers")
		}
		peers = append(peers, p)
	}
	return peers
}

// decodeBlock reads an ipBlock; nil when there is none. Exceptions must be inside:
// one that is all of the block leaves nothing of it.
func decodeBlock(v strict.Value) *networkingv1.IPBlock {
	f := v.Fields("cidr", "except")
	cidr, whole := decodeCIDR(f.Required("cidr", "an IPv4 or IPv6 prefix"))
	block := &networkingv1.IPBlock{CIDR: cidr}
	for _, item := range f.Optional("except").AnyList() {
		text, part := decodeCIDR(item)
		if whole.IsValid() && part.IsValid() && (part.Bits() < whole.Bits() || !whole.Contains(part.Addr())) {
			item.Fail("a prefix inside of " + cidr)
		}
		block.Except = append(block.Except, text)
	}
	if !v.Present() {
		return nil
	}
	return block
}

// decodeCIDR reads a prefix, which may have host bits: the API server lets them
// pass.
func decodeCIDR(v strict.Value) (string, netip.Prefix) {
	text := v.Text()
	prefix, err := netip.ParsePrefix(text)
	if text != "" && err != nil {
		v.Fail("an IPv4 or IPv6 prefix such as 10.0.0.0/24")
	}
	return text, prefix
}

func decodePolicyPorts(v strict.Value) []networkingv1.NetworkPolicyPort {
	var ports []networkingv1.NetworkPolicyPort
	for _, item := range v.AnyList() {
		f := item.Fields("protocol", "port", "endPort")
		p := networkingv1.NetworkPolicyPort{Port: decodePortOrName(f.Optional("port"))}
		if written := f.Optional("protocol"); written.Present() || !item.Present() {
			protocol := decodeProtocol(written)
			p.Protocol = &protocol
		}
		last := f.Optional("endPort")
		if number := last.Int(1, maxPort); last.Present() {
			end := int32(number)
			p.EndPort = &end
			switch {
			case p.Port == nil || p.Port.Type == intstr.String:
				last.FailGot("endPort without a number in port", "port: the first number of the range")
			case number != 0 && number < p.Port.IntValue():
				last.Fail(fmt.Sprintf("at least port, %d", p.Port.IntValue()))
			}
		}
		ports = append(ports, p)
	}
	return ports
}

const maxPort = 65535

// decodePortOrName reads the number or name of a port; nil when there is none.
func decodePortOrName(v strict.Value) *intstr.IntOrString {
	const want = "a port, 1 to 65535, or the name of one"
	text := v.Written()
	if text == "" {
		return nil
	}
	if !v.IsText() {
		number, err := strconv.ParseUint(text, 0, 16)
		if err != nil || number == 0 {
			v.Fail(want)
		}
		port := intstr.FromInt32(int32(number))
		return &port
	}
	if problems := validation.IsValidPortName(text); len(problems) > 0 {
		v.Fail(want + ": " + problems[0])
	}
	port := intstr.FromString(text)
	return &port
}

func decodeProtocol(v strict.Value) corev1.Protocol {
	var texts []string
	for _, p := range protocols {
		texts = append(texts, string(p))
	}
	return corev1.Protocol(v.Enum(texts...))
}

// decodePort reads a port of an endpoint.
func decodePort(v strict.Value) Port {
	f := v.Fields("name", "port", "protocol")
	name := f.Required("name", "the name that policies call it by")
	p := Port{
		Name:     name.Text(),
		Number:   uint16(f.Required("port", "a number from 1 to 65535").Int(1, maxPort)),
		Protocol: decodeProtocol(f.Optional("protocol")),
	}
	if problems := validation.IsValidPortName(p.Name); p.Name != "" && len(problems) > 0 {
		name.Fail("the name of a port: " + problems[0])
	}
	return p
}

// decodeSelector reads a label selector; nil when there is none.
func decodeSelector(v strict.Value) *metav1.LabelSelector {
	f := v.Fields("matchLabels", "matchExpressions")
	labels := f.Optional("matchLabels")
	s := &metav1.LabelSelector{MatchLabels: decodeTexts(labels)}
	for _, key := range slices.Sorted(maps.Keys(s.MatchLabels)) {
		checkLabel(labels, key, s.MatchLabels[key])
	}
	for _, item := range f.Optional("matchExpressions").AnyList() {
		s.MatchExpressions = append(s.MatchExpressions, decodeRequirement(item))
	}
	if !v.Present() {
		return nil
	}
	return s
}

func decodeRequirement(v strict.Value) metav1.LabelSelectorRequirement {
	f := v.Fields("key", "operator", "values")
	key, values := f.Required("key", "the key of a label"), f.Optional("values")
	r := metav1.LabelSelectorRequirement{
		Key: key.Text(),
		Operator: metav1.LabelSelectorOperator(f.Required("operator", "In, NotIn, Exists or DoesNotExist").Enum(
			string(metav1.LabelSelectorOpIn), string(metav1.LabelSelectorOpNotIn), string(metav1.LabelSelectorOpExists), string(metav1.LabelSelectorOpDoesNotExist))),
	}
	for _, item := range values.AnyList() {
		text := item.AnyText()
		checkLabel(item, "", text)
		r.Values = append(r.Values, text)
	}
	if r.Key != "" {
		checkLabel(key, r.Key, "")
	}
	switch among := r.Operator == metav1.LabelSelectorOpIn || r.Operator == metav1.LabelSelectorOpNotIn; {
	case among && len(r.Values) == 0 && v.Present():
		values.FailGot("no values for "+string(r.Operator), "one or more")
	case r.Operator != "" && !among && len(r.Values) > 0:
		values.FailGot("values for "+string(r.Operator), "none")
	}
	return r
}

// checkLabel refuses what can be no key or value of a label; "" is no key to check.
func checkLabel(v strict.Value, key, value string) {
	if !v.Present() {
		return
	}
	if problems := validation.IsQualifiedName(key); key != "" && len(problems) > 0 {
		v.FailGot(strict.Quote(key), "the key of a label: "+brief(problems[0]))
	}
	if problems := validation.IsValidLabelValue(value); len(problems) > 0 {
		v.FailGot(strict.Quote(value), "the value of a label: "+brief(problems[0]))
	}
}

// brief is what Kubernetes says of a text, without its examples and expressions.
func brief(problem string) string {
	told, _, _ := strings.Cut(problem, " (e.g.")
	return told
}
