// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/mizar-net/mizar/controlplane/identity"
	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/controlplane/policy"
)

// size is a large network: endpoints of as many apps as there are, spread over
// namespaces and hosts.
type size struct {
	namespaces, hosts, endpoints, apps, policies int
}

func namespaceOf(n int) string { return fmt.Sprintf("ns%d", n) }

func appLabels(app int) map[string]string { return map[string]string{"app": fmt.Sprintf("app%d", app)} }

func (z size) endpoint(n int) object.Endpoint {
	return object.Endpoint{
		Meta:      object.Meta{Name: fmt.Sprintf("e%d", n), Namespace: namespaceOf(n % z.namespaces), Labels: appLabels(n / z.namespaces % z.apps)},
		Subnet:    "s",
		Host:      fmt.Sprintf("h%d", n%z.hosts),
		Addresses: []netip.Addr{netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)})},
	}
}

// policy lets the next app of the namespace, and one of the next namespace, reach an
// app.
func (z size) policy(n int) object.NetworkPolicy {
	app := n / z.namespaces % z.apps
	p := object.NetworkPolicy{Meta: object.Meta{Name: fmt.Sprintf("p%d", n), Namespace: namespaceOf(n % z.namespaces)}}
	p.Spec = networkingv1.NetworkPolicySpec{
		PodSelector: metav1.LabelSelector{MatchLabels: appLabels(app)},
		Ingress: []networkingv1.NetworkPolicyIngressRule{{
			From: []networkingv1.NetworkPolicyPeer{
				{PodSelector: &metav1.LabelSelector{MatchLabels: appLabels((app + 1) % z.apps)}},
				{PodSelector: &metav1.LabelSelector{MatchLabels: appLabels(app)}, NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"kubernetes.io/metadata.name": namespaceOf((n + 1) % z.namespaces)}}},
				{IPBlock: &networkingv1.IPBlock{CIDR: fmt.Sprintf("172.%d.%d.0/24", n>>8&255, n&255)}},
			},
			Ports: []networkingv1.NetworkPolicyPort{{Port: new(intstr.FromInt32(int32(1 + n%60000)))}},
		}},
	}
	return p
}

func (z size) set() object.Set {
	set := object.Set{Subnets: []object.Subnet{{Meta: object.Meta{Name: "s"}, VPC: "red"}}}
	for n := range z.hosts {
		set.Hosts = append(set.Hosts, object.Host{Meta: object.Meta{Name: fmt.Sprintf("h%d", n)}})
	}
	for n := range z.endpoints {
		set.Endpoints = append(set.Endpoints, z.endpoint(n))
	}
	for n := range z.policies {
		set.Policies = append(set.Policies, z.policy(n))
	}
	return set
}

func report(b *testing.B, c policy.Changes) {
	b.ReportMetric(float64(c.Rows()), "rows/op")
	b.ReportMetric(float64(c.Peers), "peers/op")
	b.ReportMetric(float64(c.Sets), "sets/op")
}

// BenchmarkFromScratch compiles 10,000 policies over 10,000 endpoints, each with an
// identity of its own.
func BenchmarkFromScratch(b *testing.B) {
	set := size{namespaces: 100, hosts: 100, endpoints: 10000, apps: 100, policies: 10000}.set()
	book := identity.Fresh(set)
	if len(book.Identities) != 10000 {
		b.Fatalf("%d identities", len(book.Identities))
	}
	for b.Loop() {
		c := policy.Compile(set, book)
		for _, h := range set.Hosts {
			c.Host(h.Name)
		}
		report(b, c.Changes())
	}
}

// BenchmarkIdentities gives 10,000 endpoints their numbers, all new and all known.
func BenchmarkIdentities(b *testing.B) {
	set := size{namespaces: 100, hosts: 100, endpoints: 10000, apps: 100, policies: 10000}.set()
	now := time.Unix(0, 0)
	_, known, _ := identity.Ledger{}.Step(set, now)
	for name, l := range map[string]identity.Ledger{"new": {}, "known": known} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, _, err := l.Step(set, now); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkThousandEndpoints adds 1,000 endpoints, one after the other, under 1,000
// policies, and makes the parts of the hosts that change.
func BenchmarkThousandEndpoints(b *testing.B) {
	for _, kind := range []string{"known", "new"} {
		b.Run(kind, func(b *testing.B) {
			z := size{namespaces: 10, hosts: 50, endpoints: 1000, apps: 100, policies: 1000}
			set := z.set()
			// Somebody looks at who is whose, so each owner has an identity.
			set.Policies[0].Spec.PodSelector.MatchExpressions = []metav1.LabelSelectorRequirement{{Key: "owner", Operator: metav1.LabelSelectorOpDoesNotExist}}
			book, ledger, err := identity.Ledger{}.Step(set, time.Unix(0, 0))
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				b.StopTimer()
				giver, c := ledger.Giver(), policy.Compile(set, &book)
				c.Changes()
				b.StartTimer()
				addThousand(b, z, kind == "new", giver, c)
			}
		})
	}
}

func addThousand(b *testing.B, z size, owned bool, giver *identity.Giver, c *policy.Compiler) {
	var total policy.Changes
	fresh := 0
	for n := z.endpoints; n < z.endpoints+1000; n++ {
		e := z.endpoint(n)
		if owned {
			e.Labels["owner"] = e.Name
		}
		i, isNew, err := giver.Give("red", &e, nil)
		if err != nil {
			b.Fatal(err)
		}
		if isNew {
			fresh++
			c.SetIdentity(i)
		}
		c.SetEndpoint(policy.Endpoint{Key: e.Key(), Host: e.Host, VPC: "red", Namespace: e.Namespace, Labels: e.Labels, Identity: i.Number})
		now := c.Changes()
		for h := range now.Hosts {
			c.Host(h)
		}
		total.Sets, total.Peers, total.Prefixes, total.Ranges = total.Sets+now.Sets, total.Peers+now.Peers, total.Prefixes+now.Prefixes, total.Ranges+now.Ranges
	}
	report(b, total)
	b.ReportMetric(float64(fresh), "identities/op")
}

// BenchmarkOneEndpoint compiles what many rules on one endpoint, or many CIDRs, come
// to, and adds one more.
func BenchmarkOneEndpoint(b *testing.B) {
	for name, c := range map[string]struct{ rules, blocks int }{
		"500 rules": {500, 1}, "100000 CIDRs in 500 rules": {500, 200}, "100000 CIDRs in one rule": {1, 100000},
	} {
		b.Run(name, func(b *testing.B) {
			z := size{namespaces: 1, hosts: 1, endpoints: 1, apps: 1, policies: 1}
			set := z.set()
			set.Policies[0].Spec.Ingress = nil
			for r := range c.rules {
				rule := networkingv1.NetworkPolicyIngressRule{Ports: []networkingv1.NetworkPolicyPort{{Port: new(intstr.FromInt32(int32(1 + r)))}}}
				for n := range c.blocks {
					at := r*c.blocks + n
					rule.From = append(rule.From, networkingv1.NetworkPolicyPeer{IPBlock: &networkingv1.IPBlock{CIDR: fmt.Sprintf("%d.%d.%d.0/24", 20+at>>16, at>>8&255, at&255)}})
				}
				set.Policies[0].Spec.Ingress = append(set.Policies[0].Spec.Ingress, rule)
			}
			book := identity.Fresh(set)
			for b.Loop() {
				c := policy.Compile(set, book)
				c.Host("h0")
				report(b, c.Changes())
			}
		})
	}
}

// BenchmarkPolicyChange changes one of 10,000 policies, and makes the parts of the
// hosts that change.
func BenchmarkPolicyChange(b *testing.B) {
	z := size{namespaces: 100, hosts: 100, endpoints: 10000, apps: 100, policies: 10000}
	set := z.set()
	c := policy.Compile(set, identity.Fresh(set))
	c.Changes()
	p := z.policy(77)
	for n := int32(1); b.Loop(); n++ {
		p.Spec.Ingress = []networkingv1.NetworkPolicyIngressRule{{Ports: []networkingv1.NetworkPolicyPort{{Port: new(intstr.FromInt32(1 + n%60000))}}}}
		c.SetPolicy(p)
		changed := c.Changes()
		for h := range changed.Hosts {
			c.Host(h)
		}
		report(b, changed)
	}
}
