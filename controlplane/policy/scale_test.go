// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"fmt"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/controlplane/identity"
	"github.com/mizar-net/mizar/controlplane/policy"
	"github.com/mizar-net/mizar/dataplane/state"
)

// NP-88: each of many rules on one endpoint does what it says and no other does, in
// one policy and in as many.
func TestManyRulesOnOneEndpoint(t *testing.T) {
	for _, rules := range []int{1, 32, 33, 64, 65, 128, 129, 500} {
		rule := func(n int) string {
			return fmt.Sprintf("{from: [{ipBlock: {cidr: 20.%d.%d.0/24}}], ports: [{port: %d}]}", n/200, n%200, 1000+n)
		}
		var one, many []string
		for n := range rules {
			one = append(one, rule(n))
			many = append(many, fmt.Sprintf("x/p%d: {podSelector: {matchLabels: {pod: a}}, ingress: [%s]}", n, rule(n)))
		}
		for kind, policies := range map[string][]string{"one policy": {"x/p: {podSelector: {matchLabels: {pod: a}}, ingress: [" + strings.Join(one, ", ") + "]}"}, "many": many} {
			t.Run(fmt.Sprintf("%d rules of %s", rules, kind), func(t *testing.T) {
				g := NewWithT(t)
				w := newWorld(written(t, policies...))
				a, _ := w.set.Endpoint("x/a")
				wrong := 0
				for from := range rules {
					for port := range rules {
						if rules > 129 && (from+port)%7 > 0 && from != port {
							continue
						}
						peer := w.party(fmt.Sprintf("20.%d.%d.9", from/200, from%200), 4)
						j := w.judged(state.Ingress, a, peer, 6, uint16(1000+port))
						if (j.Verdict == state.Accept) != (from == port) || from == port && kind == "many" && j.Rule != fmt.Sprintf("x/p%d ingress[0]", from) {
							wrong++
						}
					}
				}
				g.Expect(wrong).To(BeZero())
			})
		}
	}
}

// NP-89: 10,000 peers are a row each, of one class.
func TestTenThousandPeers(t *testing.T) {
	g := NewWithT(t)
	z := size{namespaces: 1, hosts: 2, endpoints: 10001, apps: 10001, policies: 0}
	set := z.set()
	p := z.policy(0)
	p.Spec.Ingress = written(t, "x/p: {ingress: [{from: [{podSelector: {matchExpressions: [{key: app, operator: NotIn, values: [app7]}]}}], ports: [{port: 80}]}]}").Policies[0].Spec.Ingress
	set.Policies = append(set.Policies, p)
	book := identity.Fresh(set)
	c := policy.Compile(set, book)
	h := c.Host("h0")
	g.Expect(h.Sets).To(HaveLen(1))
	g.Expect(h.Sets[0].Peers).To(HaveLen(10000))
	g.Expect(h.Sets[0].Peers).NotTo(ContainElement(HaveField("Identity", book.Numbers["ns0/e7"])))
	g.Expect(h.Classes).To(HaveLen(1))
	g.Expect(c.Host("h1")).To(Equal(state.Policy{}))
}
