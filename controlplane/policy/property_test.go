// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"pgregory.net/rapid"

	"github.com/mizar-net/mizar/controlplane/identity"
	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/controlplane/policy"
	"github.com/mizar-net/mizar/dataplane/state"
)

// oneOf draws one of a few values.
func oneOf[T any](t *rapid.T, of string, values ...T) T { return rapid.SampledFrom(values).Draw(t, of) }

func few(t *rapid.T, of string, most int) int { return rapid.IntRange(0, most).Draw(t, of) }

func drawSelector(t *rapid.T, keys ...string) *metav1.LabelSelector {
	s := &metav1.LabelSelector{}
	for range few(t, "labels", 1) {
		s.MatchLabels = map[string]string{oneOf(t, "key", keys...): oneOf(t, "value", "a", "b", "x", "y")}
	}
	for range few(t, "expressions", 1) {
		r := metav1.LabelSelectorRequirement{Key: oneOf(t, "key", keys...), Operator: oneOf(t, "operator",
			metav1.LabelSelectorOpIn, metav1.LabelSelectorOpNotIn, metav1.LabelSelectorOpExists, metav1.LabelSelectorOpDoesNotExist)}
		if r.Operator == metav1.LabelSelectorOpIn || r.Operator == metav1.LabelSelectorOpNotIn {
			r.Values = rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "x", "y", "zz"}), 1, 2).Draw(t, "values")
		}
		s.MatchExpressions = append(s.MatchExpressions, r)
	}
	return s
}

// blocks and what may be taken from them, some inside others.
var cidrs = []string{"0.0.0.0/0", "::/0", "10.0.0.0/8", "10.0.1.0/24", "10.0.1.7/25", "10.0.1.1/32", "10.0.2.0/24", "1.0.0.0/8", "1.2.3.0/24", "fd00::/64", "fd00::1:0/112", "fd00::1:1/128"}

func drawBlock(t *rapid.T) *networkingv1.IPBlock {
	b := &networkingv1.IPBlock{CIDR: oneOf(t, "cidr", cidrs...)}
	whole := netip.MustParsePrefix(b.CIDR).Masked()
	for _, text := range cidrs {
		part := netip.MustParsePrefix(text).Masked()
		if whole.Contains(part.Addr()) && part.Bits() >= whole.Bits() && few(t, "except "+text, 3) == 0 {
			b.Except = append(b.Except, text)
		}
	}
	return b
}

func drawPeers(t *rapid.T) []networkingv1.NetworkPolicyPeer {
	var all []networkingv1.NetworkPolicyPeer
	for range few(t, "peers", 3) {
		var p networkingv1.NetworkPolicyPeer
		switch few(t, "kind", 3) {
		case 0:
			p.IPBlock = drawBlock(t)
		case 1:
			p.PodSelector = drawSelector(t, "pod", "tier")
		case 2:
			p.NamespaceSelector = drawSelector(t, "ns", "kubernetes.io/metadata.name", "team")
		default:
			p.PodSelector, p.NamespaceSelector = drawSelector(t, "pod", "tier"), drawSelector(t, "ns", "kubernetes.io/metadata.name")
		}
		all = append(all, p)
	}
	return all
}

func drawPorts(t *rapid.T) []networkingv1.NetworkPolicyPort {
	var all []networkingv1.NetworkPolicyPort
	for range few(t, "ports", 3) {
		var p networkingv1.NetworkPolicyPort
		if rapid.Bool().Draw(t, "protocol") {
			protocol := oneOf(t, "of", corev1.ProtocolTCP, corev1.ProtocolUDP, corev1.ProtocolSCTP)
			p.Protocol = &protocol
		}
		switch few(t, "port", 3) {
		case 0:
		case 1:
			port := intstr.FromString(oneOf(t, "name", "http", "dns", "https"))
			p.Port = &port
		default:
			port := intstr.FromInt32(oneOf[int32](t, "number", 1, 79, 80, 81, 5353, 8080, 65535))
			p.Port = &port
			if last := oneOf[int32](t, "last", 0, 80, 81, 8080, 65535); last >= port.IntVal {
				p.EndPort = &last
			}
		}
		all = append(all, p)
	}
	return all
}

func drawPolicy(t *rapid.T, name string) object.NetworkPolicy {
	p := object.NetworkPolicy{Meta: object.Meta{Name: name, Namespace: oneOf(t, "namespace", "x", "y")}}
	p.Spec.PodSelector = *drawSelector(t, "pod", "tier")
	p.Spec.PolicyTypes = oneOf(t, "types", nil, []networkingv1.PolicyType{"Ingress"}, []networkingv1.PolicyType{"Egress"}, []networkingv1.PolicyType{"Ingress", "Egress"})
	for range few(t, "ingress", 2) {
		p.Spec.Ingress = append(p.Spec.Ingress, networkingv1.NetworkPolicyIngressRule{From: drawPeers(t), Ports: drawPorts(t)})
	}
	for range few(t, "egress", 2) {
		p.Spec.Egress = append(p.Spec.Egress, networkingv1.NetworkPolicyEgressRule{To: drawPeers(t), Ports: drawPorts(t)})
	}
	return p
}

func valid(t interface{ Fatalf(string, ...any) }, d object.Draft) object.Set {
	set, err := object.New(d)
	if err != nil {
		t.Fatalf("a network that is not valid: %v", err)
	}
	return set
}

var others = []string{"1.2.3.4", "1.9.9.9", "9.9.9.9", "10.0.1.200", "2001:db8::9", "fd00::1:77"}

func drawFlow(t *rapid.T, set object.Set) flow {
	var names []string
	for _, e := range set.Endpoints {
		names = append(names, e.Key())
	}
	f := flow{
		from: oneOf(t, "from", names...), to: oneOf(t, "to", append(names, others...)...),
		protocol: oneOf[uint8](t, "protocol", 6, 6, 6, 17, 132, 1, 47),
		family:   oneOf(t, "family", 4, 6),
	}
	if a, err := netip.ParseAddr(f.to); err == nil {
		if f.family = 4; a.Is6() {
			f.family = 6
		}
		if rapid.Bool().Draw(t, "back") {
			f.from, f.to = f.to, f.from
		}
	}
	if f.protocol != 1 && f.protocol != 47 {
		f.port = oneOf[uint16](t, "to port", 1, 2, 53, 79, 80, 81, 82, 5353, 8080, 8081, 65534, 65535)
	}
	return f
}

// What the tables say is what the policies say.
func TestTablesSayWhatPoliciesSay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := pods()
		for i := range 1 + few(t, "policies", 3) {
			d.Policies = append(d.Policies, drawPolicy(t, fmt.Sprintf("p%d", i)))
		}
		w := newWorld(valid(t, d))
		for range 20 {
			f := drawFlow(t, w.set)
			want := obviouslyAllowed(w.set, w.party(f.from, f.family), w.party(f.to, f.family), f.protocol, f.port)
			if got, rule := w.verdict(f); (got == state.Accept) != want {
				t.Fatalf("%+v: the tables say %s (%s), the policies %t", f, got, rule, want)
			}
		}
	})
}

var start = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

var comparers = cmp.Options{cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{})}

// alter changes one thing of a network.
func alter(t *rapid.T, d *object.Draft) {
	switch few(t, "change", 10) {
	case 0, 1:
		d.Policies = append(d.Policies, drawPolicy(t, fmt.Sprintf("n%d", len(d.Policies)+100*few(t, "another", 9))))
	case 2:
		if n := len(d.Policies); n > 0 {
			at := few(t, "at", n-1)
			d.Policies = slices.Delete(slices.Clone(d.Policies), at, at+1)
		}
	case 3:
		if n := len(d.Policies); n > 0 {
			d.Policies = slices.Clone(d.Policies)
			at := few(t, "at", n-1)
			with := drawPolicy(t, d.Policies[at].Name)
			with.Namespace = d.Policies[at].Namespace
			d.Policies[at] = with
		}
	case 4:
		d.Namespaces = slices.Clone(d.Namespaces)
		if n := len(d.Namespaces); n > 0 {
			d.Namespaces[few(t, "at", n-1)].Labels = map[string]string{"ns": oneOf(t, "label", "x", "y", "q")}
		}
	case 5:
		if n := len(d.Policies); n > 0 {
			d.Policies = slices.Clone(d.Policies)
			d.Policies[few(t, "at", n-1)].Annotations = audits(t)
		}
	case 6:
		if n := len(d.Namespaces); n > 0 {
			d.Namespaces = slices.Clone(d.Namespaces)
			at := few(t, "at", n-1)
			if d.Namespaces[at].Annotations = audits(t); oneOf(t, "gone", true, false) {
				d.Namespaces = slices.Delete(d.Namespaces, at, at+1)
			}
		}
	case 7:
		d.Endpoints = slices.Clone(d.Endpoints)
		if n := len(d.Endpoints); n > 1 && oneOf(t, "gone", true, false) {
			at := few(t, "at", n-1)
			d.Endpoints = slices.Delete(d.Endpoints, at, at+1)
			return
		}
		more := pods().Endpoints[few(t, "which", 8)]
		if !slices.ContainsFunc(d.Endpoints, func(e object.Endpoint) bool { return e.Key() == more.Key() }) {
			d.Endpoints = append(d.Endpoints, more)
		}
	default:
		d.Endpoints = slices.Clone(d.Endpoints)
		e := &d.Endpoints[few(t, "at", len(d.Endpoints)-1)]
		switch few(t, "of", 5) {
		case 0:
			e.Labels = map[string]string{"pod": oneOf(t, "label", "a", "b", "q")}
		case 1:
			e.Labels = map[string]string{"tier": oneOf(t, "label", "a", "x")}
		case 2:
			e.Ports = []object.Port{{Name: "http", Number: oneOf[uint16](t, "number", 80, 81), Protocol: "TCP"}}
		case 3:
			e.Host = oneOf(t, "host", "h1", "h2")
		case 4:
			e.Subnet = oneOf(t, "subnet", "s", "t")
		default:
			e.Phase = oneOf(t, "phase", object.Running, object.Succeeded)
		}
	}
}

// audits are the annotations of a policy, or of a namespace.
func audits(t *rapid.T) map[string]string {
	if value := oneOf(t, "audit", "", "true", "false"); value != "" {
		return map[string]string{object.AnnotationAudit: value}
	}
	return nil
}

func hostsOf(set object.Set, c *policy.Compiler) map[string]any {
	out := map[string]any{}
	for _, h := range set.Hosts {
		out[h.Name] = c.Host(h.Name)
	}
	for _, e := range set.Endpoints {
		ingress, egress := c.Sets(e.Key())
		out[e.Key()] = [2]string{ingress, egress}
	}
	return out
}

// A compiler that has been told of many changes holds what a fresh one would, and
// names the hosts that have to hold something else.
func TestIncrementalIsFromScratch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		d, ledger, c, now := pods(), identity.Ledger{}, policy.New(), start
		before := map[string]any{"h1": state.Policy{}, "h2": state.Policy{}}
		for range 1 + few(t, "changes", 8) {
			alter(t, &d)
			set, err := object.New(d)
			if err != nil {
				continue // two policies of one name
			}
			now = now.Add(oneOf(t, "passes", 0, time.Second, identity.Linger+time.Second, identity.Rest+time.Second))
			book, next, err := ledger.Step(set, now)
			g.Expect(err).NotTo(HaveOccurred())
			ledger = next
			c.Sync(set, &book)
			got, want := hostsOf(set, c), hostsOf(set, policy.Compile(set, &book))
			if diff := cmp.Diff(want, got, comparers); diff != "" {
				t.Fatalf("(-from scratch +incremental)\n%s", diff)
			}
			g.Expect(c.Weight()).To(Equal(policy.Compile(set, &book).Weight()), "nothing is remembered for nothing")
			changed := c.Changes()
			for _, h := range []string{"h1", "h2"} {
				if !cmp.Equal(before[h], got[h], comparers) {
					g.Expect(changed.Hosts).To(HaveKey(h))
				}
			}
			before = got
		}
	})
}

// A policy more takes nothing away from whom others isolate already.
func TestAPolicyMoreOnlyAdds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := pods()
		all := object.NetworkPolicy{Meta: object.Meta{Name: "all", Namespace: "x"}}
		all.Spec.PolicyTypes = []networkingv1.PolicyType{"Ingress", "Egress"}
		other := all
		other.Namespace = "y"
		d.Policies = append(d.Policies, all, other, drawPolicy(t, "p"))
		few := newWorld(valid(t, d))
		d.Policies = append(d.Policies, drawPolicy(t, "q"))
		more := newWorld(valid(t, d))
		for range 20 {
			f := drawFlow(t, few.set)
			a, _ := few.verdict(f)
			b, rule := more.verdict(f)
			if a == state.Accept && b != state.Accept {
				t.Fatalf("%+v was accepted, and is denied by %s", f, rule)
			}
		}
	})
}

// Tables hold nothing twice and in no other order than they say.
func TestTablesAreInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		d := pods()
		for i := range 1 + few(t, "policies", 3) {
			d.Policies = append(d.Policies, drawPolicy(t, fmt.Sprintf("p%d", i)))
		}
		for _, p := range newWorld(valid(t, d)).hosts {
			g.Expect(slices.IsSortedFunc(p.Sets, func(a, b state.PolicySet) int { return cmpText(a.Name, b.Name) })).To(BeTrue())
			named := map[string]bool{}
			for _, s := range p.Sets {
				for i, one := range s.Peers {
					g.Expect(i == 0 || s.Peers[i-1].Identity < one.Identity).To(BeTrue())
					named[one.Class] = true
					g.Expect(p.Classes).NotTo(ContainElement(And(HaveField("Name", one.Class), HaveField("Ranges", BeEmpty()))), "a row that says nothing")
				}
				for i, one := range s.Prefixes {
					g.Expect(one.Prefix).To(Equal(one.Prefix.Masked()))
					g.Expect(i == 0 || s.Prefixes[i-1].Prefix.Addr().Less(one.Prefix.Addr()) ||
						s.Prefixes[i-1].Prefix.Addr() == one.Prefix.Addr() && s.Prefixes[i-1].Prefix.Bits() < one.Prefix.Bits()).To(BeTrue())
					named[one.Class] = true
				}
			}
			g.Expect(p.Classes).To(HaveLen(len(named)), "classes that some row names")
			for i, c := range p.Classes {
				g.Expect(i == 0 || p.Classes[i-1].Name < c.Name).To(BeTrue())
				for j, r := range c.Ranges {
					g.Expect(r.First <= r.Last && (r.Protocol != 0 || r.First == 0 && r.Last == 65535)).To(BeTrue())
					if j > 0 {
						last := c.Ranges[j-1]
						g.Expect(last.Protocol < r.Protocol || last.Protocol == r.Protocol && last.Last < r.First).To(BeTrue())
					}
				}
			}
		}
	})
}

func cmpText(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}
