// SPDX-License-Identifier: Apache-2.0

package property

import (
	"encoding/json"
	"strings"

	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// The universe that is drawn from is small, so that what is drawn often meets.
var (
	namespaces = []string{"x", "y", "z"}
	names      = []string{"a", "b", "c"}
	// labels are those of endpoints and of namespaces.
	labels   = map[string][]string{"pod": {"a", "b", "c"}, "app": {"web", "db"}}
	nsLabels = map[string][]string{"ns": {"x", "y", "z"}, "team": {"red", "blue"}}
	ports    = []int{79, 80, 81, 82, 443, 8080}
	portName = []string{"serve-80", "serve-81", "other"}
	blocks   = []string{
		"10.0.0.0/16", "10.0.0.0/24", "10.0.1.0/24", "10.0.0.10/31", "10.0.0.12/32", "10.0.1.8/29", "0.0.0.0/0",
		"fd00::/32", "fd00::/64", "fd00:0:0:1::/64", "fd00::10/124", "fd00:0:0:1::13/128", "::/0",
		"10.0.0.13/30", "10.0.1.101/32", "fd00::13/125", // host bits are set
	}
	// inside are exceptions that lie in some of the blocks.
	inside = map[string][]string{
		"10.0.0.0/16": {"10.0.0.0/24", "10.0.1.0/24", "10.0.0.11/32"}, "10.0.0.0/24": {"10.0.0.10/31", "10.0.0.12/32"},
		"10.0.1.0/24": {"10.0.1.8/29", "10.0.1.101/32"}, "0.0.0.0/0": {"10.0.0.0/16", "10.0.0.10/31"},
		"fd00::/32": {"fd00::/64", "fd00:0:0:1::/64"}, "fd00::/64": {"fd00::10/124"}, "::/0": {"fd00::/32", "fd00::12/127"},
		"10.0.0.12/32": {"10.0.0.12/32"},
	}
)

// Dice are what is drawn with: rapid's engine in tests, which makes what it draws smaller,
// numbers from a seed elsewhere.
type Dice interface {
	// Roll returns a number from 0 to sides-1; what names it for people.
	Roll(what string, sides int) int
}

// of draws one of some values.
func of[T any](t Dice, what string, values ...T) T {
	return values[t.Roll(what, len(values))]
}

// upTo draws a number from 0 on.
func upTo(t Dice, what string, most int) int { return t.Roll(what, most+1) }

// oneIn draws whether something happens that does once in n times.
func oneIn(t Dice, what string, n int) bool { return upTo(t, what, n-1) == n-1 }

// labelled draws some labels out of a universe.
func labelled(t Dice, universe map[string][]string) map[string]string {
	all := map[string]string{}
	for _, key := range sortedKeys(universe) {
		if value := of(t, key, append([]string{""}, universe[key]...)...); value != "" {
			all[key] = value
		}
	}
	return all
}

func selector(t Dice, universe map[string][]string) meta.LabelSelector {
	var s meta.LabelSelector
	keys := sortedKeys(universe)
	if oneIn(t, "everything", 3) {
		return s
	}
	if kind := of(t, "by", "labels", "expressions", "both"); kind != "expressions" {
		key := of(t, "key", keys...)
		s.MatchLabels = map[string]string{key: of(t, "value", universe[key]...)}
		if kind == "labels" {
			return s
		}
	}
	for range 1 + upTo(t, "more expressions", 1) {
		key := of(t, "key", keys...)
		r := meta.LabelSelectorRequirement{Key: key, Operator: of(t, "operator",
			meta.LabelSelectorOpIn, meta.LabelSelectorOpNotIn, meta.LabelSelectorOpExists, meta.LabelSelectorOpDoesNotExist)}
		if r.Operator == meta.LabelSelectorOpIn || r.Operator == meta.LabelSelectorOpNotIn {
			r.Values = universe[key][:1+upTo(t, "values", len(universe[key])-1)]
		}
		s.MatchExpressions = append(s.MatchExpressions, r)
	}
	return s
}

func peer(t Dice) networking.NetworkPolicyPeer {
	var p networking.NetworkPolicyPeer
	kind := of(t, "peer", "pod", "namespace", "both", "block")
	if kind == "pod" || kind == "both" {
		s := selector(t, labels)
		p.PodSelector = &s
	}
	if kind == "namespace" || kind == "both" {
		s := selector(t, nsLabels)
		p.NamespaceSelector = &s
	}
	if kind == "block" {
		b := networking.IPBlock{CIDR: of(t, "block", blocks...)}
		if some := inside[b.CIDR]; len(some) > 0 && oneIn(t, "except", 2) {
			b.Except = some[:1+upTo(t, "exceptions", len(some)-1)]
		}
		p.IPBlock = &b
	}
	return p
}

func port(t Dice) networking.NetworkPolicyPort {
	var p networking.NetworkPolicyPort
	if protocol := of(t, "protocol", "", core.ProtocolTCP, core.ProtocolUDP, core.ProtocolSCTP); protocol != "" {
		p.Protocol = &protocol
	}
	switch of(t, "port", "none", "number", "range", "name", "all") {
	case "number":
		n := intstr.FromInt32(int32(of(t, "number", ports...)))
		p.Port = &n
	case "range":
		first := int32(of(t, "first", ports...))
		n, last := intstr.FromInt32(first), first+int32(upTo(t, "more", 3))
		p.Port, p.EndPort = &n, &last
	case "all":
		n, last := intstr.FromInt32(1), int32(65535)
		p.Port, p.EndPort = &n, &last
	case "name":
		n := intstr.FromString(of(t, "name", portName...))
		p.Port = &n
	}
	return p
}

func some[T any](t Dice, what string, most int, draw func(Dice) T) (all []T) {
	for range upTo(t, what, most) {
		all = append(all, draw(t))
	}
	return all
}

// spec draws what a policy says.
func spec(t Dice) networking.NetworkPolicySpec {
	s := networking.NetworkPolicySpec{PodSelector: selector(t, labels)}
	for range upTo(t, "ingress rules", 2) {
		s.Ingress = append(s.Ingress, networking.NetworkPolicyIngressRule{From: some(t, "from", 2, peer), Ports: some(t, "ports", 2, port)})
	}
	for range upTo(t, "egress rules", 2) {
		s.Egress = append(s.Egress, networking.NetworkPolicyEgressRule{To: some(t, "to", 2, peer), Ports: some(t, "ports", 2, port)})
	}
	const in, out = networking.PolicyTypeIngress, networking.PolicyTypeEgress
	s.PolicyTypes = of(t, "types", nil, []networking.PolicyType{in}, []networking.PolicyType{out}, []networking.PolicyType{in, out})
	return s
}

// policy draws a policy of that name as an object.
func policy(t Dice, key string) string {
	namespace, name, _ := strings.Cut(key, "/")
	m := map[string]any{"name": name, "namespace": namespace}
	if audit := of(t, "audit", "", "", "", "", "", "true", "false"); audit != "" {
		m["annotations"] = map[string]string{"mizar.dev/audit": audit}
	}
	return flow(map[string]any{"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": m, "spec": spec(t)})
}

// flow is a value as YAML in one line.
func flow(value any) string {
	b, err := json.Marshal(value)
	if err != nil {
		panic(err) // the value is one of ours
	}
	return string(b)
}
