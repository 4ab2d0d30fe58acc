// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"fmt"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/controlplane/identity"
	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/dataplane/state"
)

func TestVerdictsNameTheirRule(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(written(t,
		"x/q: {podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {pod: b}}}]}, {from: [{ipBlock: {cidr: 1.0.0.0/8}}], ports: [{port: 80}]}]}",
		"x/p: {podSelector: {matchLabels: {pod: a}}, policyTypes: [Ingress, Egress], ingress: [{from: [{podSelector: {matchLabels: {pod: b}}}], ports: [{port: 80}]}], egress: [{to: [{podSelector: {}}]}]}",
		"y/open: {podSelector: {}, ingress: [{ports: [{port: 1}]}, {}]}",
	))
	for flow, want := range map[string]string{
		"1.1.1.1 > x/a tcp 80": "x/q ingress[1]",
		"x/b > x/a tcp 443":    "x/q ingress[0]",
		"y/b > x/a tcp 443":    "x/p,x/q isolate ingress",
		"x/b > x/c udp 1":      "x/q ingress[0]",
		"y/b > x/c tcp 443":    "x/q isolate ingress",
		"x/a > y/a tcp 443":    "x/p isolate egress",
		"x/a > 9.9.9.9 icmp":   "x/p isolate egress",
		"z/a > y/a tcp 1":      "y/open ingress[1]",
	} {
		_, rule := w.verdict(flowOf(flow))
		g.Expect(rule).To(Equal(want), flow)
	}
	_, egress := w.compiler.Sets("x/a")
	g.Expect(egress).To(Equal("red egress x/p"))
	g.Expect(w.hosts["h2"].Sets).To(ContainElement(And(HaveField("Name", "red ingress y/open"), HaveField("Peers", BeEmpty()), HaveField("Prefixes", BeEmpty()))),
		"all is accepted, and needs no rows")
}

func TestNamesOfManyPoliciesAreShortAndTheirOwn(t *testing.T) {
	g := NewWithT(t)
	var many []string
	for n := range 9 {
		many = append(many, fmt.Sprintf("x/p%d: {podSelector: {}}", n))
	}
	_, rule := newWorld(written(t, many...)).verdict(flowOf("y/a > x/a tcp 1"))
	g.Expect(rule).To(Equal("x/p0,x/p1,x/p2,x/p3 and 5 more isolate ingress"))
	a, _ := newWorld(written(t, many[:8]...)).compiler.Sets("x/a")
	b, _ := newWorld(written(t, append(many[:7:7], many[8])...)).compiler.Sets("x/a")
	g.Expect(a).NotTo(Equal(b))
	g.Expect(len(a)).To(BeNumerically("<", 80))
}

// What no policy selects has no set, and a host has the sets of its endpoints alone.
func TestAHostHasTheSetsOfItsEndpoints(t *testing.T) {
	f := followed(t, "x/a: {podSelector: {matchLabels: {pod: a}}}", "x/b: {podSelector: {matchLabels: {pod: b}}}")
	f.g.Expect(f.w.hosts["h1"].Sets).To(HaveExactElements(HaveField("Name", "red ingress x/a")))
	f.g.Expect(f.w.hosts["h2"].Sets).To(HaveExactElements(HaveField("Name", "red ingress x/b")))
	changed := f.step(func() { f.policy("x/a").Spec.Ingress = written(t, "x/a: {ingress: [{}]}").Policies[0].Spec.Ingress })
	f.g.Expect(changed.Hosts).To(Equal(map[string]bool{"h1": true}))
	f.step(func() { f.endpoint("x/a").Host = "h2" })
	f.g.Expect(f.w.hosts["h1"]).To(Equal(state.Policy{}))
	f.g.Expect(f.w.hosts["h2"].Sets).To(HaveLen(2))
	f.step(func() { f.draft.Policies = nil })
	f.g.Expect(f.w.hosts["h2"]).To(Equal(state.Policy{}), "NP-15")
	f.expect("accept", "y/a > x/a tcp 80")
}

// L1: an endpoint with an identity that is known changes no row, one with a new
// identity a row in each set that it matches.
func TestAKnownIdentityChangesNoRow(t *testing.T) {
	f := followed(t,
		"x/p: {podSelector: {matchLabels: {pod: a}}, ingress: [{from: [{podSelector: {matchLabels: {pod: c}}}]}]}",
		"x/q: {podSelector: {matchLabels: {pod: b}}, ingress: [{from: [{podSelector: {}}]}]}",
		"y/r: {podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {ns: x}}}], ports: [{port: 80}]}]}",
		"z/s: {podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {ns: z}}}]}]}")
	add := func(name, label string) func() {
		return func() {
			e := *f.endpoint("x/c")
			e.Name, e.Labels, e.MAC, e.Addresses = name, map[string]string{"pod": label}, [6]byte{}, e.Addresses[:1:1]
			e.Addresses = append(e.Addresses[:0:0], e.Addresses[0].Next())
			for taken := true; taken; {
				taken = false
				for _, o := range f.draft.Endpoints {
					if o.Addresses[0] == e.Addresses[0] {
						e.Addresses[0], taken = e.Addresses[0].Next(), true
					}
				}
			}
			f.draft.Endpoints = append(f.draft.Endpoints, e)
		}
	}
	changed := f.step(add("c2", "c"))
	f.g.Expect(changed.Rows()).To(BeZero())
	f.g.Expect(changed.Hosts).To(BeEmpty())
	f.expect("accept", "x/c2 > x/a tcp 1", "x/c2 > y/a tcp 80")
	before := f.set("red ingress x/q")
	changed = f.step(add("d", "d"))
	f.g.Expect(changed.Peers).To(Equal(2), "x/q and y/r")
	f.g.Expect(changed.Rows()).To(Equal(2))
	after := f.set("red ingress x/q")
	f.g.Expect(after.Revision).To(Equal(before.Revision), "only who there is has changed")
	f.g.Expect(after.Peers).To(HaveLen(len(before.Peers) + 1))
	f.expect("accept", "x/d > x/b tcp 1", "x/d > y/a tcp 80")
	f.expect("deny", "x/d > x/a tcp 1", "x/d > y/a tcp 81")
}

// NP-66: a rule says nothing of who has no port of the name that it gives, whatever
// another one says of everyone: nobody is asked who he is for it.
func TestNobodyIsMeantByAPortThatHeHasNot(t *testing.T) {
	const everyone = ", {ports: [{}]}]}"
	f := followed(t, "x/p: {podSelector: {}, policyTypes: [Egress], egress: [{to: [{podSelector: {}}], ports: [{port: nobody-s}]}"+everyone)
	f.g.Expect(f.set("red egress x/p").Peers).To(BeEmpty())
	f.expect("accept", "x/a > x/b tcp 1")
	f.expect("deny", "x/a > x/b udp 1")
	f = followed(t, "x/p: {podSelector: {}, policyTypes: [Egress], egress: [{to: [{podSelector: {}}], ports: [{port: http}]}"+everyone)
	f.g.Expect(f.set("red egress x/p").Peers).NotTo(BeEmpty())
}

func TestAnotherPolicyIsAnotherRevision(t *testing.T) {
	f := followed(t, "x/p: {podSelector: {matchLabels: {pod: a}}, ingress: [{from: [{podSelector: {matchLabels: {pod: c}}}]}]}")
	was := f.set("red ingress x/p")
	f.step(func() { f.policy("x/p").Spec.PodSelector.MatchLabels = nil })
	f.g.Expect(f.set("red ingress x/p").Revision).To(Equal(was.Revision), "whom it selects is nothing that it says")
	for _, spec := range []string{
		"{ingress: [{from: [{podSelector: {matchLabels: {pod: b}}}]}]}",
		"{ingress: [{from: [{podSelector: {matchLabels: {pod: b}}}], ports: [{port: 80}]}]}",
		"{ingress: [{from: [{podSelector: {matchLabels: {pod: b}}}], ports: [{port: 80, endPort: 81}]}]}",
		"{ingress: [{from: [{podSelector: {matchLabels: {pod: b}}}, {ipBlock: {cidr: 1.0.0.0/8}}], ports: [{port: 80}]}]}",
		"{ingress: [{from: [{podSelector: {matchLabels: {pod: b}}}, {ipBlock: {cidr: 1.0.0.0/8, except: [1.1.0.0/16]}}], ports: [{port: 80}]}]}",
		"{ingress: []}",
	} {
		f.step(func() { f.policy("x/p").Spec = written(t, "x/p: "+spec).Policies[0].Spec })
		now := f.set("red ingress x/p")
		f.g.Expect(now.Revision).NotTo(Equal(was.Revision), spec)
		was = now
	}
	f.step(func() { f.policy("x/p").Annotations = map[string]string{object.AnnotationAudit: "true"} })
	f.g.Expect(f.set("red ingress x/p").Revision).NotTo(Equal(was.Revision))
}

// NP-18: labels of endpoints and of namespaces, of subjects and of peers.
func TestRelabelling(t *testing.T) {
	f := followed(t, "x/p: {podSelector: {matchLabels: {pod: a}}, ingress: [{from: [{namespaceSelector: {matchLabels: {ns: y}}, podSelector: {matchLabels: {pod: b}}}]}]}")
	f.expect("accept", "y/b > x/a tcp 1", "z/b > x/b tcp 1")
	f.expect("deny", "z/b > x/a tcp 1", "y/c > x/a tcp 1")
	f.step(func() {
		f.endpoint("y/b").Labels, f.endpoint("y/c").Labels = map[string]string{}, map[string]string{"pod": "b"}
	})
	f.expect("deny", "y/b > x/a tcp 1")
	f.expect("accept", "y/c > x/a tcp 1")
	f.step(func() { f.draft.Namespaces[1].Labels, f.draft.Namespaces[2].Labels = nil, map[string]string{"ns": "y"} })
	f.expect("deny", "y/c > x/a tcp 1")
	f.expect("accept", "z/b > x/a tcp 1")
	f.step(func() {
		f.endpoint("x/a").Labels, f.endpoint("x/b").Labels = map[string]string{"pod": "b"}, map[string]string{"pod": "a"}
	})
	f.expect("accept", "y/c > x/a tcp 1")
	f.expect("deny", "y/c > x/b tcp 1")
}

// NP-19: who has ended matches nothing, nor does the next one at its address.
func TestWhoHasEndedMatchesNothing(t *testing.T) {
	f := followed(t, "x/p: {podSelector: {matchLabels: {pod: a}}, ingress: [{from: [{podSelector: {matchLabels: {pod: b}}}]}]}")
	f.expect("accept", "x/b > x/a tcp 1")
	was := f.w.book.Numbers["x/b"]
	f.step(func() {
		f.endpoint("x/b").Phase = object.Succeeded
		next := *f.endpoint("x/b")
		next.Name, next.Labels, next.Phase = "next", map[string]string{"pod": "q"}, object.Running
		f.draft.Endpoints = append(f.draft.Endpoints, next)
	})
	f.expect("deny", "x/next > x/a tcp 1")
	f.g.Expect(f.w.book.Numbers["x/next"]).NotTo(Equal(was))
}

// NP-66: a port's name goes over to another number, at the subject and at a peer.
func TestANamedPortMoves(t *testing.T) {
	f := followed(t, "x/p: {podSelector: {matchLabels: {pod: a}}, ingress: [{ports: [{port: http}]}]}",
		"y/p: {podSelector: {}, policyTypes: [Egress], egress: [{to: [{namespaceSelector: {}}], ports: [{port: http}]}]}")
	f.expect("accept", "y/a > x/a tcp 8080")
	f.step(func() { f.endpoint("x/a").Ports = []object.Port{{Name: "http", Number: 9090}} })
	f.expect("accept", "y/a > x/a tcp 9090", "z/a > x/a tcp 9090")
	f.expect("deny", "y/a > x/a tcp 8080", "z/a > x/a tcp 8080")
	f.step(func() { f.endpoint("x/a").Ports = nil })
	f.expect("deny", "y/a > x/a tcp 9090", "z/a > x/a tcp 9090")
}

// NP-81: policies and endpoints may come in any order. NP-85: other VPCs are no
// peers, whatever their labels.
func TestPoliciesActWithinEachVPC(t *testing.T) {
	f := followed(t)
	f.step(func() {
		for _, key := range []string{"x/b", "y/b"} {
			f.endpoint(key).Subnet = "t"
		}
	})
	f.step(func() {
		more := written(t, "x/p: {podSelector: {}, ingress: [{from: [{podSelector: {}}]}]}")
		f.draft.Policies = more.Policies
	})
	red, _ := f.w.compiler.Sets("x/a")
	blue, _ := f.w.compiler.Sets("x/b")
	f.g.Expect([]string{red, blue}).To(Equal([]string{"red ingress x/p", "blue ingress x/p"}))
	f.expect("accept", "x/c > x/a tcp 1")
	number := f.w.book.Numbers["x/b"]
	f.g.Expect(f.set(red).Peers).NotTo(ContainElement(HaveField("Identity", number)))
	f.g.Expect(f.set(blue).Peers).To(HaveExactElements(HaveField("Identity", number)))
}

// A number that is on its way out keeps what it had, and gets nothing by what it
// does not say.
func TestOldNumbersKeepTheirRows(t *testing.T) {
	f := followed(t, "x/p: {podSelector: {matchLabels: {pod: a}}, ingress: [{from: [{podSelector: {matchLabels: {pod: b}}}]}]}")
	was := f.w.book.Numbers["x/b"]
	f.step(func() {
		twin := *f.endpoint("x/b")
		twin.Name, twin.Addresses, twin.MAC = "twin", twin.Addresses[1:], [6]byte{}
		twin.Labels = map[string]string{"pod": "b", "tier": "web"}
		f.endpoint("x/b").Addresses = f.endpoint("x/b").Addresses[:1]
		f.draft.Endpoints = append(f.draft.Endpoints, twin)
	})
	f.g.Expect(f.w.book.Numbers["x/twin"]).To(Equal(was))
	f.step(func() {
		f.draft.Policies = append(f.draft.Policies, written(t,
			"z/q: {podSelector: {}, ingress: [{from: [{namespaceSelector: {}, podSelector: {matchExpressions: [{key: tier, operator: NotIn, values: [web]}]}}]}]}").Policies...)
	})
	one, twin := f.w.book.Numbers["x/b"], f.w.book.Numbers["x/twin"]
	f.g.Expect([]uint32{one, twin}).NotTo(ContainElement(was))
	numbers := func(set string) (all []uint32) {
		for _, p := range f.set(set).Peers {
			all = append(all, p.Identity)
		}
		return all
	}
	f.g.Expect(numbers("red ingress x/p")).To(ConsistOf(was, one, twin), "hosts that have not heard of it may send as before")
	f.g.Expect(numbers("red ingress z/q")).To(ContainElement(one))
	f.g.Expect(numbers("red ingress z/q")).NotTo(ContainElements(was))
	f.g.Expect(numbers("red ingress z/q")).NotTo(ContainElements(twin))
}

// An endpoint without a number is isolated as any other, matches nobody, and is
// told of.
func TestAnEndpointWithoutANumber(t *testing.T) {
	f := followed(t, "x/p: {podSelector: {}, ingress: [{from: [{podSelector: {}}]}]}")
	book := identity.Book{Numbers: map[string]uint32{}}
	f.w.compiler.Sync(f.w.set, &book)
	ingress, _ := f.w.compiler.Sets("x/a")
	f.g.Expect(ingress).To(Equal("red ingress x/p"))
	f.g.Expect(f.w.compiler.Host("h1").Sets).To(HaveExactElements(And(HaveField("Peers", BeEmpty()), HaveField("Default.Verdict", state.Deny))))
	f.g.Expect(f.w.compiler.Conditions()).To(HaveLen(9))
	f.g.Expect(f.w.compiler.Conditions()[0].String()).To(Equal("Endpoint/x/a: has no identity yet; it is denied wherever policy asks who its peers are"))
}

// L5: what is audited changes no verdict, and says what it would have denied.
func TestAudit(t *testing.T) {
	f := followed(t, "x/p: {podSelector: {}, ingress: [{from: [{podSelector: {}}]}]}")
	audit := map[string]string{object.AnnotationAudit: "true"}
	f.step(func() { f.policy("x/p").Annotations = audit })
	f.expect("audit", "y/a > x/a tcp 80")
	f.expect("accept", "x/b > x/a tcp 80")
	_, rule := f.w.verdict(flowOf("y/a > x/a tcp 80"))
	f.g.Expect(rule).To(Equal("x/p isolate ingress"))
	f.step(func() {
		f.draft.Policies = append(f.draft.Policies, written(t, "x/q: {podSelector: {matchLabels: {pod: a}}, ingress: [{from: [{podSelector: {matchLabels: {pod: c}}}]}]}").Policies...)
	})
	f.expect("deny", "y/a > x/a tcp 80", "x/b > x/a tcp 80")
	f.expect("accept", "x/c > x/a tcp 80")
	f.expect("audit", "y/a > x/b tcp 80")
	f.step(func() { f.policy("x/p").Annotations, f.draft.Namespaces[0].Annotations = nil, audit })
	f.expect("audit", "y/a > x/a tcp 80", "y/a > x/b tcp 80")
	f.expect("accept", "x/b > x/a tcp 80", "x/c > x/a tcp 80")
	f.step(func() { f.draft.Namespaces[0].Annotations = nil })
	f.expect("deny", "y/a > x/a tcp 80")
}
