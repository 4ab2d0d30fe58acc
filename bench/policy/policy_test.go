// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"testing"

	. "github.com/onsi/gomega"
)

// An endpoint whose identity others have had writes no policy rows; one of a new
// identity one for each set that looks at it (rows L1, E21), where endpoints with the
// same sets are behind the host already.
func TestOnlyNewIdentitiesWritePolicyRows(t *testing.T) {
	small := size{namespaces: 2, hosts: 2, endpoints: 20, apps: 10, policies: 20}
	after := small
	after.endpoints = 40
	for kind, owned := range map[string]int{"known": 0, "new": 20} {
		g := NewWithT(t)
		after.owned = owned
		a := Added{Identities: kind}
		g.Expect(a.measure(t.Context(), small, after, 2)).To(Succeed())
		g.Expect(a.Seconds).To(HaveLen(2))
		g.Expect(a.Writes).To(And(HaveKeyWithValue("endpoints", 20), HaveKeyWithValue("locals", 20), HaveKeyWithValue("ports", 20)))
		if kind == "known" {
			g.Expect(a.PolicyWrites()).To(BeZero())
			continue
		}
		g.Expect(a.Writes).To(HaveKey("policy_peers"))
		g.Expect(a.PolicyWrites()).To(Equal(a.Writes["policy_peers"]), "no other rows of policy")
		g.Expect(a.PolicyWrites()).To(BeNumerically("<=", 20*20), "of the sets that look at it")
	}
}

// A rule has its rows, and they weigh something in every map.
func TestRulesAreWeighed(t *testing.T) {
	g := NewWithT(t)
	w, err := weigh(size{namespaces: 2, hosts: 1, endpoints: 20, apps: 10, policies: 20})
	g.Expect(err).NotTo(HaveOccurred(), "root is needed")
	g.Expect(w.Rows).To(Equal(map[string]int{"policy_sets": 20, "policy_peers": 40, "policy_prefixes": 20, "policy_ports": 20, "rules": 40}))
	for name := range w.Rows {
		g.Expect(w.Bytes[name]).To(BeNumerically(">", 0), name)
	}
	g.Expect(w.PerRule()).To(And(BeNumerically(">", 100), BeNumerically("<", 500)))
}

// Other labels are another identity at the endpoint's host and its bouncers, and other
// sets at its host.
func TestOtherLabelsChangeFewHosts(t *testing.T) {
	g := NewWithT(t)
	r, err := relabel(t.Context(), size{namespaces: 2, hosts: 5, endpoints: 20, apps: 10, policies: 20}, 2)
	g.Expect(err).NotTo(HaveOccurred(), "root is needed")
	g.Expect(r.Control).To(And(HaveLen(2), HaveEach(BeNumerically(">", 0))))
	g.Expect(r.Apply).To(And(HaveLen(4), HaveEach(BeNumerically(">", 0))))
	g.Expect(r.Changed).To(And(BeNumerically(">", 0), BeNumerically("<", 5)), "its own host, and those that bounce its subnet")
	g.Expect(r.Writes).To(And(HaveKeyWithValue("endpoints", 1), HaveKey("directory")))
}
