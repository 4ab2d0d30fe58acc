// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"maps"
	"slices"

	"github.com/mizar-net/mizar/controlplane/identity"
)

// peerSelector is a peer that some rules name, and the identities that it matches.
// It is there once, however many rules name it.
type peerSelector struct {
	peer
	key string
	// uses are the rules that name it.
	uses    map[*rule]*statement
	matched map[*known]bool
}

// known is an identity that peers may be, and who matches it.
type known struct {
	identity.Identity
	matched map[*peerSelector]bool
}

// text is the same for peers that are the same.
func (p peer) text() string { return fmt.Sprintf("%q %s / %s", p.own, p.namespaces, p.pods) }

func (p peer) matches(i identity.Identity) bool {
	return (p.own == "" || p.own == i.Namespace) && p.namespaces.matches(i.Value) && p.pods.matches(i.Value)
}

// anchor is a place where every identity that the peer matches is to be found:
// a namespace, a label, or both; else among all.
func (p peer) anchor() string {
	a, value, labelled := p.pods.equality()
	own := p.own
	if b, name, ok := p.namespaces.equality(); ok {
		if _, _, always := (identity.Identity{}).Value(b); always {
			own = name
		} else if !labelled {
			a, value, labelled = b, name, true
		}
	}
	switch {
	case own != "" && labelled:
		return inSpace(own) + equal(a, value)
	case own != "":
		return inSpace(own)
	case labelled:
		return equal(a, value)
	}
	return anything
}

func inSpace(namespace string) string { return "in " + namespace + " " }

// anchorsOf are all places where an identity is found.
func anchorsOf(i identity.Identity) []string {
	all := []string{anything, inSpace(i.Namespace)}
	for a, value := range i.Attributes {
		all = append(all, equal(a, value), inSpace(i.Namespace)+equal(a, value))
	}
	return all
}

// use makes the peers of a statement's rules known.
func (c *Compiler) use(s *statement) {
	s.sets = map[*set]bool{}
	for i := range s.rules {
		r := &s.rules[i]
		for _, p := range r.peers {
			one := c.selector(p)
			one.uses[r] = s
			r.selectors = append(r.selectors, one)
		}
	}
}

// unuse is the end of a statement, which no set has any more.
func (c *Compiler) unuse(s *statement) {
	for i := range s.rules {
		r := &s.rules[i]
		for _, one := range r.selectors {
			delete(one.uses, r)
			if len(one.uses) > 0 || c.selectors[one.key] != one {
				continue
			}
			delete(c.selectors, one.key)
			drop(c.anchors, one.anchor(), one)
			for k := range one.matched {
				delete(k.matched, one)
			}
		}
	}
}

// selector returns the one of a peer.
func (c *Compiler) selector(p peer) *peerSelector {
	key := p.text()
	if one := c.selectors[key]; one != nil {
		return one
	}
	one := &peerSelector{peer: p, key: key, uses: map[*rule]*statement{}, matched: map[*known]bool{}}
	c.selectors[key] = one
	anchor := p.anchor()
	put(c.anchors, anchor, one)
	for k := range c.anchored[anchor] {
		if p.matches(k.Identity) {
			one.matched[k], k.matched[one] = true, true
		}
	}
	return one
}

func put[T comparable](in map[string]map[T]bool, key string, one T) {
	if in[key] == nil {
		in[key] = map[T]bool{}
	}
	in[key][one] = true
}

func drop[T comparable](from map[string]map[T]bool, key string, one T) {
	if delete(from[key], one); len(from[key]) == 0 {
		delete(from, key)
	}
}

// SetIdentity makes an identity known, or what it stands for now.
func (c *Compiler) SetIdentity(i identity.Identity) {
	if old := c.identities[i.Number]; old != nil {
		if old.Equal(i) {
			return
		}
		c.DeleteIdentity(i.Number)
	}
	k := &known{Identity: i, matched: map[*peerSelector]bool{}}
	c.identities[i.Number] = k
	for _, anchor := range anchorsOf(i) {
		put(c.anchored, anchor, k)
		for one := range c.anchors[anchor] {
			if one.matches(i) {
				one.matched[k], k.matched[one] = true, true
			}
		}
	}
	for s, orders := range c.met(k) {
		c.addPeer(s, k, orders)
	}
}

// DeleteIdentity lets an identity go that nobody is any more.
func (c *Compiler) DeleteIdentity(number uint32) {
	k := c.identities[number]
	if k == nil {
		return
	}
	for s := range c.met(k) {
		c.removePeer(s, k.Number)
	}
	delete(c.identities, number)
	for _, anchor := range anchorsOf(k.Identity) {
		drop(c.anchored, anchor, k)
	}
	for one := range k.matched {
		delete(one.matched, k)
	}
}

// met are the sets that have rules that match an identity, and which rules.
func (c *Compiler) met(k *known) map[*set][]int {
	met := map[*set][]int{}
	for one := range k.matched {
		for r, statement := range one.uses {
			for s := range statement.sets {
				if s.vpc == k.VPC {
					met[s] = append(met[s], s.orders[r])
				}
			}
		}
	}
	for s, orders := range met {
		slices.Sort(orders)
		met[s] = slices.Compact(orders)
	}
	return met
}

// matching are the identities that rules of a set match, and which rules.
func (s *set) matching() map[*known][]int {
	met := map[*known][]int{}
	for order, r := range s.rules {
		for _, one := range r.selectors {
			for k := range one.matched {
				if k.VPC != s.vpc {
					continue
				}
				if n := len(met[k]); n == 0 || met[k][n-1] != order {
					met[k] = append(met[k], order)
				}
			}
		}
	}
	return met
}

// sortedNumbers are the identities of a map, by their numbers.
func sortedNumbers(met map[*known][]int) []*known {
	return slices.SortedFunc(maps.Keys(met), func(a, b *known) int { return int(a.Number) - int(b.Number) })
}
