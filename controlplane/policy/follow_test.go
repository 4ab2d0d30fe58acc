// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"slices"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/controlplane/identity"
	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/controlplane/policy"
	"github.com/mizar-net/mizar/dataplane/state"
)

func written(t *testing.T, policies ...string) object.Set {
	t.Helper()
	set, err := withPolicies(policies...)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return set
}

// follow is a network that is changed, as by an operator: with a ledger, and one
// compiler all along.
type follow struct {
	g      Gomega
	draft  object.Draft
	ledger identity.Ledger
	w      *world
}

func followed(t *testing.T, policies ...string) *follow {
	t.Helper()
	f := &follow{g: NewWithT(t), draft: withoutDefaults(written(t, policies...)), w: &world{compiler: policy.New()}}
	f.step(func() {})
	return f
}

// withoutDefaults is a draft whose namespaces can be relabelled.
func withoutDefaults(set object.Set) object.Draft {
	d := set.Draft()
	for i := range d.Namespaces {
		d.Namespaces[i].Labels = map[string]string{"ns": d.Namespaces[i].Name}
	}
	return d
}

// step changes the draft and returns what that changes in the tables.
func (f *follow) step(change func()) policy.Changes {
	change()
	set, err := object.New(f.draft)
	f.g.Expect(err).NotTo(HaveOccurred())
	book, next, err := f.ledger.Step(set, start)
	f.g.Expect(err).NotTo(HaveOccurred())
	f.ledger, f.w.set, f.w.book, f.w.hosts = next, set, &book, map[string]state.Policy{}
	f.w.compiler.Sync(set, &book)
	for _, h := range set.Hosts {
		f.w.hosts[h.Name] = f.w.compiler.Host(h.Name)
	}
	return f.w.compiler.Changes()
}

func (f *follow) endpoint(key string) *object.Endpoint {
	at := slices.IndexFunc(f.draft.Endpoints, func(e object.Endpoint) bool { return e.Key() == key })
	return &f.draft.Endpoints[at]
}

func (f *follow) policy(key string) *object.NetworkPolicy {
	at := slices.IndexFunc(f.draft.Policies, func(p object.NetworkPolicy) bool { return p.Key() == key })
	return &f.draft.Policies[at]
}

func (f *follow) expect(want string, flows ...string) {
	for _, one := range flows {
		got, rule := f.w.verdict(flowOf(one))
		f.g.ExpectWithOffset(1, got.String()).To(Equal(want), "%s (%s)", one, rule)
	}
}

// set is the set of a name, on whatever host.
func (f *follow) set(name string) state.PolicySet {
	for _, h := range f.w.hosts {
		for _, s := range h.Sets {
			if s.Name == name {
				return s
			}
		}
	}
	f.g.ExpectWithOffset(1, name).To(BeEmpty(), "no such set")
	return state.PolicySet{}
}
