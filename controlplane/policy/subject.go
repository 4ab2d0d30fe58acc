// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/mizar-net/mizar/controlplane/identity"
	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/dataplane/state"
)

// selection are the statements that select endpoints that are alike.
type selection struct {
	statements map[state.Direction][]*statement
	// keys stand for the statements.
	keys map[state.Direction]string
	// names are the named ports that the statements of ingress ask of a subject.
	names []string
}

// anything is the bucket of policies that select by no equality.
const anything = "*"

// bucket is where a policy's subject selector is found.
func (p *compiled) bucket() string {
	for _, s := range p.statements {
		if a, value, ok := s.subject.equality(); ok {
			return equal(a, value)
		}
	}
	return anything
}

func equal(a identity.Attribute, value string) string { return string(a) + "=" + value }

func (p *compiled) subjectAttributes() map[identity.Attribute]bool {
	all := map[identity.Attribute]bool{}
	for _, s := range p.statements {
		for _, r := range s.subject {
			all[r.attribute] = true
		}
	}
	return all
}

func (s *space) learn(key string, p *compiled) {
	s.policies[key] = p
	put(s.buckets, p.bucket(), p)
	for a := range p.subjectAttributes() {
		s.looked[a]++
	}
}

func (s *space) forget(key string, p *compiled) {
	delete(s.policies, key)
	drop(s.buckets, p.bucket(), p)
	for a := range p.subjectAttributes() {
		if s.looked[a]--; s.looked[a] == 0 {
			delete(s.looked, a)
		}
	}
}

// selected finds the policies that select an endpoint. Those that look the same to
// all policies of the namespace share what is found.
func (s *space) selected(e *subject) *selection {
	var like strings.Builder
	for _, key := range slices.Sorted(maps.Keys(e.Labels)) {
		if s.looked[identity.Label(key)] > 0 {
			fmt.Fprintf(&like, "%q=%q", key, e.Labels[key])
		}
	}
	if found := s.selections[like.String()]; found != nil {
		return found
	}
	found := &selection{statements: map[state.Direction][]*statement{}, keys: map[state.Direction]string{}}
	found.try(s.buckets[anything], e)
	for key, value := range e.Labels {
		found.try(s.buckets[equal(identity.Label(key), value)], e)
	}
	found.settle()
	s.selections[like.String()] = found
	return found
}

func (f *selection) try(policies map[*compiled]bool, e *subject) {
	read := func(a identity.Attribute) (string, bool, bool) {
		value, has := e.Labels[strings.TrimPrefix(string(a), string(identity.Label("")))]
		return value, has, true
	}
	for p := range policies {
		for d, s := range p.statements {
			if s.subject.matches(read) {
				f.statements[d] = append(f.statements[d], s)
			}
		}
	}
}

// settle leaves out what changes nothing: an audited policy, where others enforce
// what they say. What is left is put in order.
func (f *selection) settle() {
	for d, all := range f.statements {
		if slices.ContainsFunc(all, func(s *statement) bool { return !s.audit }) {
			all = slices.DeleteFunc(all, func(s *statement) bool { return s.audit })
		}
		slices.SortFunc(all, func(a, b *statement) int {
			return cmp.Or(cmp.Compare(a.tier, b.tier), cmp.Compare(a.policy, b.policy))
		})
		sum := sha256.New()
		for _, s := range all {
			fmt.Fprintf(sum, "%q %s\n", s.policy, s.digest)
			if d == state.Ingress {
				f.names = append(f.names, s.names...)
			}
		}
		f.statements[d], f.keys[d] = all, hex.EncodeToString(sum.Sum(nil)[:16])
	}
	slices.Sort(f.names)
	f.names = slices.Compact(f.names)
}

// selectFor gives an endpoint the sets of the policies that select it, and lets go
// of those it had.
func (c *Compiler) selectFor(s *space, e *subject) {
	found := s.selected(e)
	for _, d := range []state.Direction{state.Ingress, state.Egress} {
		old, now := e.sets[d], (*set)(nil)
		if len(found.statements[d]) > 0 {
			now = c.acquire(found, d, e)
		}
		if old == now {
			if now != nil {
				c.release(now, e.Host) // it was had already
			}
			continue
		}
		if delete(e.sets, d); now != nil {
			e.sets[d] = now
		}
		c.changes.Hosts[e.Host] = true
		if old != nil {
			c.release(old, e.Host)
		}
	}
}

// portsOf are the subject's ports of some names, as a text; "" when none is asked
// for.
func portsOf(ports []object.Port, names []string) string {
	var b strings.Builder
	for _, name := range names {
		fmt.Fprintf(&b, " %s=%s", name, strings.ReplaceAll(identity.Ports(ports, name), " ", ","))
	}
	return b.String()
}
