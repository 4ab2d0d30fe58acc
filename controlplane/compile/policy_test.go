// SPDX-License-Identifier: Apache-2.0

package compile_test

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	. "github.com/onsi/gomega"
	"pgregory.net/rapid"

	"github.com/mizar-net/mizar/controlplane/compile"
	"github.com/mizar-net/mizar/controlplane/identity"
	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/dataplane/state"
)

// judged draws a network whose endpoints are of two namespaces and have labels, with
// policies.
func judged(t *rapid.T) object.Draft {
	d := network(t)
	for i := range d.Endpoints {
		d.Endpoints[i].Namespace = rapid.SampledFrom([]string{"a", "b"}).Draw(t, "namespace")
		d.Endpoints[i].Labels = map[string]string{"app": rapid.SampledFrom([]string{"web", "db", "x"}).Draw(t, "app")}
	}
	for i := range rapid.IntRange(0, 4).Draw(t, "policies") {
		d.Add(policyOf(rapid.SampledFrom([]string{"a", "b"}).Draw(t, "in"), fmt.Sprintf("p%d", i),
			rapid.SampledFrom([]string{"web", "db"}).Draw(t, "subject"), rapid.SampledFrom([]string{"web", "db"}).Draw(t, "peer")))
	}
	return d
}

// policyOf lets one app reach another, and it that one.
func policyOf(namespace, name, subject, peer string) object.Draft {
	d, err := object.Decode("policy.yaml", []byte(fmt.Sprintf(`{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {namespace: %s, name: %s}, spec: {
		podSelector: {matchLabels: {app: %s}},
		ingress: [{from: [{podSelector: {matchLabels: {app: %[4]s}}}], ports: [{port: 80}]}],
		egress: [{to: [{namespaceSelector: {}, podSelector: {matchLabels: {app: %[4]s}}}]}]}}`, namespace, name, subject, peer)))
	if err != nil {
		panic(err)
	}
	return d
}

// Who an endpoint is, every directory says as its own host does, and its host holds
// the sets that judge it and no others.
func TestStatesSayTheSameOfWhoIsWho(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		set := valid(t, judged(t))
		type user struct {
			identity   uint32
			generation uint8
		}
		users := map[uint32]map[netip.Addr]user{}
		hosts := compile.Hosts(set)
		for _, h := range hosts {
			used := map[string]bool{}
			for _, e := range h.Endpoints {
				g.Expect(e.Identity).To(BeNumerically(">", state.LastReservedIdentity))
				for _, a := range e.Addresses {
					if users[e.VNI] == nil {
						users[e.VNI] = map[netip.Addr]user{}
					}
					users[e.VNI][a] = user{e.Identity, e.Generation}
				}
				for _, name := range []string{e.Ingress, e.Egress} {
					used[name] = true
				}
			}
			delete(used, "")
			g.Expect(h.Policy.Sets).To(HaveLen(len(used)))
			for _, s := range h.Policy.Sets {
				g.Expect(used).To(HaveKey(s.Name))
				for _, p := range s.Peers {
					g.Expect(slices.ContainsFunc(h.Policy.Classes, func(c state.PortClass) bool { return c.Name == p.Class })).To(BeTrue())
				}
			}
		}
		for _, h := range hosts {
			for _, l := range h.Directory {
				g.Expect(user{l.Identity, l.Generation}).To(Equal(users[l.VNI][l.Address]), "%s at %s", l.Address, h.Name)
			}
			one, err := compile.Host(set, h.Name)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(cmp.Diff(h, one, comparers...)).To(BeEmpty(), "one host alone")
		}
		g.Expect(cmp.Diff(hosts, compile.Hosts(set), comparers...)).To(BeEmpty(), "equal sets, equal states")
	})
}

// A policy that comes or goes changes the states of the hosts of endpoints that it
// selects, and of no others, when it looks at nothing that is new.
func TestAPolicyTouchesTheHostsOfItsEndpoints(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		d := judged(t)
		d.Add(policyOf("c", "looks", "web", "web"))
		before := valid(t, d)
		d.Add(policyOf("a", "added", "web", "db"))
		old, now := given(t, before, valid(t, d))
		for i := range old {
			selected := slices.ContainsFunc(before.Endpoints, func(e object.Endpoint) bool {
				return e.Host == old[i].Name && e.Namespace == "a" && e.Labels["app"] == "web"
			})
			g.Expect(cmp.Equal(old[i], now[i], comparers...)).To(Equal(!selected), "host %s", old[i].Name)
		}
	})
}

func TestHostsAreJudgedByNobody(t *testing.T) {
	g := NewWithT(t)
	d := three(t).Draft()
	d.VPCs[0].Default = true
	d.Hosts[0].Endpoint = &object.HostEndpoint{Addresses: []netip.Addr{netip.MustParseAddr("10.0.0.200")}}
	d.Add(policyOf(object.HostNamespace, "p", "web", "web"))
	d.Policies[0].Spec.PodSelector.MatchLabels = nil
	d.Namespaces = []object.Namespace{{Meta: object.Meta{Name: "default", Annotations: map[string]string{object.AnnotationKeepEstablished: "true"}}}}
	h, err := compile.Host(valid(t, d), "h1")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(h.Endpoints).To(HaveExactElements(
		And(HaveField("Name", "default/e-h1"), HaveField("KeepEstablished", true)),
		And(HaveField("Name", "host/h1"), HaveField("Ingress", ""), HaveField("Egress", ""), HaveField("Identity", BeEquivalentTo(state.IdentityHost)), HaveField("KeepEstablished", false)),
	))
	g.Expect(h.Policy).To(Equal(state.Policy{}))
}

// What a ledger says is used, and who has no number has none and is told of.
func TestIdentitiesAreTheLedgers(t *testing.T) {
	g := NewWithT(t)
	d := three(t).Draft()
	d.Add(policyOf("default", "p", "web", "web"))
	set := valid(t, d)
	view := compile.View{Identities: &identity.Book{Numbers: map[string]uint32{"default/e-h1": 77}}}
	for _, h := range view.Hosts(set) {
		want := map[string]uint32{"h1": 77, "h2": 0, "h3": 0}[h.Name]
		g.Expect(h.Endpoints).To(HaveExactElements(HaveField("Identity", want)))
	}
	g.Expect(view.Conditions(set)).To(HaveLen(2))
	g.Expect((compile.View{}).Conditions(set)).To(BeEmpty())
}
