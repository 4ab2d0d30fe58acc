// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"maps"
	"reflect"
	"slices"

	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/dataplane/state"
)

// SetPolicy adds a policy, or puts it in the place of the one of its name.
func (c *Compiler) SetPolicy(p object.NetworkPolicy) {
	c.setPolicy(p)
	c.settle()
}

func (c *Compiler) setPolicy(p object.NetworkPolicy) {
	old := c.policies[p.Key()]
	if old != nil && old.policy.Audit == p.Audit && reflect.DeepEqual(old.policy.Spec, p.Spec) {
		return
	}
	now := &compiled{policy: p}
	now.statements, now.conditions = read(&p)
	c.replace(p.Namespace, p.Key(), old, now)
}

// DeletePolicy takes a policy away, if there is one of that key.
func (c *Compiler) DeletePolicy(key string) {
	if old := c.policies[key]; old != nil {
		c.replace(old.policy.Namespace, key, old, nil)
		c.settle()
	}
}

// settle gives the endpoints of namespaces whose policies changed their sets. Sets
// of what is new are made before those of what is gone go.
func (c *Compiler) settle() {
	for name := range c.stale {
		s := c.spaces[name]
		clear(s.selections)
		for _, e := range s.subjects {
			c.selectFor(s, e)
		}
	}
	for name := range c.stale {
		c.tidy(name)
	}
	clear(c.stale)
	for _, was := range c.gone {
		c.unuse(was)
	}
	c.gone = nil
}

// tidy forgets a namespace in which nothing is left.
func (c *Compiler) tidy(name string) {
	if s := c.spaces[name]; len(s.policies) == 0 && len(s.subjects) == 0 {
		delete(c.spaces, name)
	}
}

// replace puts one policy of a namespace in the place of another; nil is none.
func (c *Compiler) replace(namespace, key string, old, now *compiled) {
	s := c.space(namespace)
	if old != nil {
		s.forget(key, old)
		delete(c.policies, key)
		for d, was := range old.statements {
			if now != nil && now.statements[d] != nil && now.statements[d].digest == was.digest {
				was.subject = now.statements[d].subject // of no meaning to its sets,
				now.statements[d] = was                 // which stay
				continue
			}
			c.gone = append(c.gone, was)
		}
	}
	if now != nil {
		for d, is := range now.statements {
			if old == nil || old.statements[d] != is {
				c.use(is)
			}
		}
		s.learn(key, now)
		c.policies[key] = now
	}
	c.stale[namespace] = true
}

// SetEndpoint adds an endpoint, or puts it in the place of the one of its key.
func (c *Compiler) SetEndpoint(e Endpoint) {
	now := &subject{Endpoint: e, sets: map[state.Direction]*set{}}
	old := c.endpoints[e.Key]
	if old != nil {
		if old.Host == e.Host && old.VPC == e.VPC && old.Namespace == e.Namespace && maps.Equal(old.Labels, e.Labels) && slices.Equal(old.Ports, e.Ports) {
			old.Identity = e.Identity
			return
		}
		delete(c.spaces[old.Namespace].subjects, e.Key)
		delete(c.hosts[old.Host], e.Key)
	}
	s := c.space(e.Namespace)
	s.subjects[e.Key], c.endpoints[e.Key] = now, now
	if c.hosts[e.Host] == nil {
		c.hosts[e.Host] = map[string]*subject{}
	}
	c.hosts[e.Host][e.Key] = now
	c.selectFor(s, now)
	c.leave(old)
}

// DeleteEndpoint takes an endpoint away, if there is one of that key.
func (c *Compiler) DeleteEndpoint(key string) {
	old := c.endpoints[key]
	if old == nil {
		return
	}
	delete(c.endpoints, key)
	delete(c.spaces[old.Namespace].subjects, key)
	delete(c.hosts[old.Host], key)
	c.leave(old)
	c.tidy(old.Namespace)
}

// leave lets go of the sets of an endpoint that is no more; nil has none.
func (c *Compiler) leave(old *subject) {
	if old == nil {
		return
	}
	for _, set := range old.sets {
		c.release(set, old.Host)
	}
}
