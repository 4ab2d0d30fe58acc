// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/mizar-net/mizar/controlplane/identity"
	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/controlplane/policy"
)

// NP-49 and NP-55: what Kubernetes' API server lets through, in some version, opens
// nothing, and is told of.
var invalid = []struct {
	name  string
	peer  networkingv1.NetworkPolicyPeer
	port  networkingv1.NetworkPolicyPort
	types []networkingv1.PolicyType
	label string // of the subject
	want  string
}{
	{name: "mapped addresses", peer: blockOf("::ffff:1.0.0.0/104"), want: `from[0].ipBlock.cidr: "::ffff:1.0.0.0/104" has IPv4 addresses in the form of IPv6`},
	{name: "no prefix", peer: blockOf("1.0.0.0"), want: `from[0].ipBlock.cidr: "1.0.0.0" is no IPv4 or IPv6 prefix`},
	{name: "an exception outside", peer: blockOf("1.0.0.0/8", "1.1.0.0/16", "2.0.0.0/16"), want: "from[0].ipBlock.except[1]: 2.0.0.0/16 is not inside of 1.0.0.0/8"},
	{name: "an exception of another family", peer: blockOf("0.0.0.0/0", "::/0"), want: "from[0].ipBlock.except[0]: ::/0 is not inside"},
	{name: "an exception that is larger", peer: blockOf("1.0.0.0/8", "0.0.0.0/7"), want: "from[0].ipBlock.except[0]: 0.0.0.0/7 is not inside"},
	{name: "an exception that is none", peer: blockOf("1.0.0.0/8", ""), want: `from[0].ipBlock.except[0]: "" is no IPv4 or IPv6 prefix`},
	{name: "a peer that is nobody", peer: networkingv1.NetworkPolicyPeer{}, want: "from[0]: a peer that names nobody"},
	{name: "a peer that is two", peer: networkingv1.NetworkPolicyPeer{IPBlock: &networkingv1.IPBlock{CIDR: "1.0.0.0/8"}, PodSelector: &metav1.LabelSelector{}}, want: "from[0]: ipBlock and a selector"},
	{name: "an operator", peer: expression(metav1.LabelSelectorRequirement{Key: "a", Operator: "Near"}), want: "from[0].podSelector: \"Near\" is not a valid label selector operator"},
	{name: "values missing", peer: expression(metav1.LabelSelectorRequirement{Key: "a", Operator: "In"}), want: "from[0].podSelector"},
	{name: "values too many", peer: expression(metav1.LabelSelectorRequirement{Key: "a", Operator: "Exists", Values: []string{"b"}}), want: "from[0].podSelector"},
	{name: "port 0", port: networkingv1.NetworkPolicyPort{Port: new(intstr.FromInt32(0))}, want: "ports[0]: ports 0 to 0"},
	{name: "port -1", port: networkingv1.NetworkPolicyPort{Port: new(intstr.FromInt32(-1))}, want: "ports[0]: ports -1 to -1"},
	{name: "port 65616", port: networkingv1.NetworkPolicyPort{Port: new(intstr.FromInt32(65616))}, want: "ports[0]: ports 65616 to 65616"},
	{name: "a range backwards", port: networkingv1.NetworkPolicyPort{Port: new(intstr.FromInt32(80)), EndPort: new(int32(79))}, want: "ports[0]: ports 80 to 79"},
	{name: "a range without beginning", port: networkingv1.NetworkPolicyPort{EndPort: new(int32(79))}, want: "ports[0]: endPort without port"},
	{name: "NP-55 a range from a name", port: networkingv1.NetworkPolicyPort{Port: new(intstr.FromString("http")), EndPort: new(int32(79))}, want: "ports[0]: endPort with a named port"},
	{name: "a name that is a number", port: networkingv1.NetworkPolicyPort{Port: new(intstr.FromString("80"))}, want: `ports[0]: port "80" must contain`},
	{name: "a protocol", port: networkingv1.NetworkPolicyPort{Protocol: new(corev1.Protocol("ICMP"))}, want: `ports[0]: protocol "ICMP", want TCP, UDP or SCTP`},
	{name: "a type", types: []networkingv1.PolicyType{"Sideways"}, want: `spec.policyTypes[0]: got "Sideways", want Ingress or Egress`},
	{name: "the subject", label: "-", want: "spec.podSelector: "},
}

func blockOf(cidr string, except ...string) networkingv1.NetworkPolicyPeer {
	return networkingv1.NetworkPolicyPeer{IPBlock: &networkingv1.IPBlock{CIDR: cidr, Except: except}}
}

func expression(r metav1.LabelSelectorRequirement) networkingv1.NetworkPolicyPeer {
	return networkingv1.NetworkPolicyPeer{PodSelector: &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{r}}}
}

func TestInvalidPoliciesGrantNothing(t *testing.T) {
	for _, c := range invalid {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			all := networkingv1.NetworkPolicyPeer{NamespaceSelector: &metav1.LabelSelector{}}
			good := networkingv1.NetworkPolicyIngressRule{From: []networkingv1.NetworkPolicyPeer{all}}
			bad := networkingv1.NetworkPolicyIngressRule{From: []networkingv1.NetworkPolicyPeer{c.peer}, Ports: []networkingv1.NetworkPolicyPort{c.port}}
			if c.peer.IPBlock == nil && c.peer.PodSelector == nil && c.name != "a peer that is nobody" {
				bad.From = good.From
			}
			p := object.NetworkPolicy{Meta: object.Meta{Namespace: "x", Name: "bad"}}
			p.Spec = networkingv1.NetworkPolicySpec{PolicyTypes: c.types, Ingress: []networkingv1.NetworkPolicyIngressRule{good, bad}}
			if c.label != "" {
				p.Spec.PodSelector.MatchLabels = map[string]string{"pod": "q", c.label: "q"}
			}
			set := written(t, "x/other: {podSelector: {}, policyTypes: [Ingress], ingress: [{from: [{podSelector: {matchLabels: {pod: c}}}]}]}")
			set.Policies = append([]object.NetworkPolicy{p}, set.Policies...)
			w := newWorld(set)
			told := w.compiler.Conditions()
			g.Expect(told).To(HaveLen(1))
			g.Expect(told[0].Object).To(Equal("NetworkPolicy/x/bad"))
			g.Expect(told[0].String()).To(And(ContainSubstring(c.want), ContainSubstring("the policy grants nothing until this is mended")))
			for flow, want := range map[string]string{"y/a > x/a tcp 80": "deny", "1.1.1.1 > x/a tcp 80": "deny", "x/b > x/c udp 1": "deny", "x/c > x/b tcp 1": "accept"} {
				if len(c.types) > 0 && want == "accept" {
					want = "deny" // egress is isolated too
				}
				got, rule := w.verdict(flowOf(flow))
				g.Expect(got.String()).To(Equal(want), "%s (%s)", flow, rule)
			}
			w.compiler.DeletePolicy("x/bad")
			g.Expect(w.compiler.Conditions()).To(BeEmpty())
		})
	}
}

// What is wrong is mended, and grants what it says from then on.
func TestAMendedPolicyGrants(t *testing.T) {
	g := NewWithT(t)
	set := written(t, "x/p: {podSelector: {}, ingress: [{from: [{ipBlock: {cidr: '::ffff:1.0.0.0/104'}}]}, {from: [{podSelector: {}}]}]}")
	book := identity.Fresh(set)
	c := policy.Compile(set, book)
	g.Expect(c.Conditions()).To(HaveLen(1), "an object that can be written")
	g.Expect(c.Host("h1").Sets[0].Peers).To(BeEmpty())
	c.Sync(written(t, "x/p: {podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 1.0.0.0/8}}]}, {from: [{podSelector: {}}]}]}"), book)
	g.Expect(c.Conditions()).To(BeEmpty())
	g.Expect(c.Host("h1").Sets[0].Peers).NotTo(BeEmpty())
}
