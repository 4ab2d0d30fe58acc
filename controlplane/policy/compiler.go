// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"cmp"
	"maps"
	"slices"

	"github.com/mizar-net/mizar/controlplane/identity"
	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/dataplane/state"
)

// Compiler holds policies, identities and endpoints, and what they make. It is
// for one goroutine at a time. Policies of a namespace, identities and endpoints may
// come in any order.
type Compiler struct {
	spaces     map[string]*space
	policies   map[string]*compiled
	selectors  map[string]*peerSelector
	anchors    map[string]map[*peerSelector]bool
	identities map[uint32]*known
	anchored   map[string]map[*known]bool
	endpoints  map[string]*subject
	hosts      map[string]map[string]*subject
	sets       map[string]*set

	// stale are namespaces whose policies changed and whose endpoints have their
	// sets by what they were; gone are the statements of then.
	stale map[string]bool
	gone  []*statement

	changes Changes
}

// Changes counts rows that came or went, and names whom that concerns.
type Changes struct {
	// Sets came, went, or changed their rules.
	Sets int
	// Peers, Prefixes and Ranges are rows of sets and of classes.
	Peers, Prefixes, Ranges int
	// Hosts are those whose part of the policy is another.
	Hosts map[string]bool
}

// Rows are all rows that came or went.
func (c Changes) Rows() int { return c.Sets + c.Peers + c.Prefixes + c.Ranges }

// Endpoint is what the compiler knows of an endpoint.
type Endpoint struct {
	// Key is the endpoint's [object.Meta.Key].
	Key                  string
	Host, VPC, Namespace string
	Labels               map[string]string
	Ports                []object.Port
	// Identity is 0 when there is no number for it.
	Identity uint32
}

// compiled is a policy, and the statements that it makes.
type compiled struct {
	policy     object.NetworkPolicy
	statements map[state.Direction]*statement
	conditions []object.Condition
}

// space is a namespace.
type space struct {
	policies map[string]*compiled
	// looked counts the labels that subjects are selected by.
	looked map[identity.Attribute]int
	// buckets have the policies that select by an equality, by it.
	buckets  map[string]map[*compiled]bool
	subjects map[string]*subject
	// selections are by what of subjects is looked at.
	selections map[string]*selection
}

// subject is an endpoint, and the sets that judge it.
type subject struct {
	Endpoint
	sets map[state.Direction]*set
}

// New returns a compiler that holds nothing.
func New() *Compiler {
	return &Compiler{
		spaces: map[string]*space{}, policies: map[string]*compiled{},
		selectors: map[string]*peerSelector{}, anchors: map[string]map[*peerSelector]bool{},
		identities: map[uint32]*known{}, anchored: map[string]map[*known]bool{},
		endpoints: map[string]*subject{}, hosts: map[string]map[string]*subject{},
		sets: map[string]*set{}, stale: map[string]bool{},
		changes: Changes{Hosts: map[string]bool{}},
	}
}

// Compile returns a compiler that holds all of a set of objects.
func Compile(set object.Set, book *identity.Book) *Compiler {
	c := New()
	c.Sync(set, book)
	return c
}

// Sync makes the compiler hold all of a set of objects and nothing else. It compares
// all of it; an operator that is told of single changes need not.
func (c *Compiler) Sync(set object.Set, book *identity.Book) {
	held := map[uint32]bool{}
	for _, i := range book.Identities {
		held[i.Number] = true
		c.SetIdentity(i)
	}
	for _, number := range slices.Sorted(maps.Keys(c.identities)) {
		if !held[number] {
			c.DeleteIdentity(number)
		}
	}
	written := map[string]bool{}
	for _, p := range set.Policies {
		written[p.Key()] = true
		c.setPolicy(p)
	}
	for _, key := range slices.Sorted(maps.Keys(c.policies)) {
		if !written[key] {
			c.replace(c.policies[key].policy.Namespace, key, c.policies[key], nil)
		}
	}
	c.settle()
	vpcs, there := map[string]string{}, map[string]bool{}
	for _, s := range set.Subnets {
		vpcs[s.Name] = s.VPC
	}
	for _, e := range set.Endpoints {
		if e.Self {
			continue
		}
		there[e.Key()] = true
		c.SetEndpoint(Endpoint{
			Key: e.Key(), Host: e.Host, VPC: vpcs[e.Subnet], Namespace: e.Namespace,
			Labels: e.Labels, Ports: e.Ports, Identity: book.Numbers[e.Key()],
		})
	}
	for _, key := range slices.Sorted(maps.Keys(c.endpoints)) {
		if !there[key] {
			c.DeleteEndpoint(key)
		}
	}
}

func (c *Compiler) space(name string) *space {
	s := c.spaces[name]
	if s == nil {
		s = &space{
			policies: map[string]*compiled{}, looked: map[identity.Attribute]int{}, buckets: map[string]map[*compiled]bool{},
			subjects: map[string]*subject{}, selections: map[string]*selection{},
		}
		c.spaces[name] = s
	}
	return s
}

// Sets are the names of the sets that judge an endpoint; "": it is not isolated.
func (c *Compiler) Sets(endpoint string) (ingress, egress string) {
	e := c.endpoints[endpoint]
	if e == nil {
		return "", ""
	}
	return e.sets[state.Ingress].called(), e.sets[state.Egress].called()
}

// Host is what a host must hold: the sets of its endpoints, and their classes. What
// it returns is never changed again.
func (c *Compiler) Host(name string) state.Policy {
	used := map[*set]bool{}
	for _, e := range c.hosts[name] {
		for _, s := range e.sets {
			used[s] = true
		}
	}
	var out state.Policy
	classes := map[string]state.PortClass{}
	for s := range used {
		out.Sets = append(out.Sets, s.state())
		for name, one := range s.classes {
			classes[name] = one.PortClass
		}
	}
	slices.SortFunc(out.Sets, func(a, b state.PolicySet) int { return cmp.Compare(a.Name, b.Name) })
	for _, name := range slices.Sorted(maps.Keys(classes)) {
		out.Classes = append(out.Classes, classes[name])
	}
	return out
}

// Conditions are what is wrong with policies, and endpoints without an identity, in
// order of objects.
func (c *Compiler) Conditions() []object.Condition {
	var all []object.Condition
	for _, key := range slices.Sorted(maps.Keys(c.policies)) {
		all = append(all, c.policies[key].conditions...)
	}
	for _, key := range slices.Sorted(maps.Keys(c.endpoints)) {
		if c.endpoints[key].Identity == 0 {
			all = append(all, object.Condition{
				Object:  string(object.KindEndpoint) + "/" + key,
				Problem: "has no identity yet; it is denied wherever policy asks who its peers are",
			})
		}
	}
	return all
}

// Changes returns what has changed since it was last asked.
func (c *Compiler) Changes() Changes {
	out := c.changes
	c.changes = Changes{Hosts: map[string]bool{}}
	return out
}
