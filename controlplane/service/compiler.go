// SPDX-License-Identifier: Apache-2.0

package service

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/dataplane/state"
)

// Compiler holds what the services of a set of objects are to hosts. It is for one
// goroutine at a time. What a change costs follows what it is a change of: services that
// have nothing to do with it are not looked at.
type Compiler struct {
	world    *world
	services map[string]*compiled
	byVNI    map[uint32][]*choice // in order of names
	gates    []*gate              // in order of names
	tables   tables
	// last is what was last told of a VPC, lastGates of the outside.
	last      map[uint32]told
	lastGates toldGates
	// claims are the services that ask for a frontend, by it.
	claims map[frontend]map[string]bool

	// touched are services that may be others than they were.
	touched map[string]bool
	// gone are choices that are not in their VPCs any more, but for settling.
	gone      map[*choice]bool
	goneGates map[*gate]bool
	// retired are choices that were replaced; their tables are kept until hosts have
	// asked for what is there instead, and something changes then.
	retired      []*choice
	retiredGates []*gate
	asked        bool
}

// compiled is a service, and what became of it.
type compiled struct {
	service    *object.Service
	choices    []*choice
	gates      []*gate
	conditions []object.Condition
	claims     map[frontend]bool
	causes     map[cause]bool
}

// choice is what frontends share: the backends of one port, protocol and family.
type choice struct {
	name      string
	vni       uint32
	protocol  uint8
	frontends []netip.AddrPort
	backends  []backend
	// reach says which of the backends a host chooses from.
	reach reach
	// affinity is how long a client keeps a backend; 0: it does not.
	affinity time.Duration
	// made is what was made for hosts, by name; of a choice that is the same for all by
	// "", which is all too.
	all  *made
	made map[string]*made
}

// told is what a host was told of a VPC.
type told struct {
	choices []*choice
	all     []state.Service
}

// made is a choice as a host has it.
type made struct {
	state state.Service
	table *table
}

// New returns a compiler that holds nothing.
func New() *Compiler {
	return &Compiler{
		world: newWorld(), services: map[string]*compiled{}, byVNI: map[uint32][]*choice{}, tables: tables{all: map[string]*table{}}, last: map[uint32]told{},
		claims: map[frontend]map[string]bool{}, touched: map[string]bool{}, gone: map[*choice]bool{}, goneGates: map[*gate]bool{},
	}
}

// Compile returns a compiler that holds the services of a set of objects.
func Compile(set object.Set) *Compiler {
	c := New()
	c.Sync(set)
	return c
}

// Conditions are what cannot be done as it was written, in order of objects: first of
// slices, then of services.
func (c *Compiler) Conditions() []object.Condition {
	all := c.world.sliceConditions()
	for _, key := range slices.Sorted(maps.Keys(c.services)) {
		all = append(all, c.services[key].conditions...)
	}
	return all
}

// Host is what a host must hold that has endpoints in some VPCs: their services, in
// order of names. What it returns is never changed again.
func (c *Compiler) Host(name string, vnis ...uint32) []state.Service {
	c.asked = true
	if len(vnis) == 1 {
		return c.inVPC(name, vnis[0])
	}
	var all []state.Service
	for _, vni := range vnis {
		all = append(all, c.inVPC(name, vni)...)
	}
	slices.SortFunc(all, func(a, b state.Service) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.VNI, b.VNI)) })
	return all
}

// inVPC are the services of a VPC as a host has them. Those that hosts have alike are
// copied from what was last asked for, as long as they stand where they stood.
func (c *Compiler) inVPC(host string, vni uint32) []state.Service {
	choices := c.byVNI[vni]
	if len(choices) == 0 {
		return nil
	}
	last := c.last[vni]
	like := len(last.choices) == len(choices)
	all := make([]state.Service, len(choices))
	copy(all, last.all)
	for i, one := range choices {
		if !like || last.choices[i] != one || one.all == nil {
			all[i] = c.state(one, host)
		}
	}
	c.last[vni] = told{choices, all}
	return all
}

func (c *Compiler) state(one *choice, host string) state.Service {
	if one.all != nil {
		return one.all.state
	}
	by := host
	if one.reach == everywhere {
		by = ""
	}
	m, ok := one.made[by]
	if !ok {
		m = &made{}
		m.table = c.tables.use(usable(one.reach.within(one.backends, host, c.world.zones[host])))
		m.state = state.Service{
			Name: one.name, VNI: one.vni, Protocol: one.protocol, Frontends: one.frontends, Affinity: one.affinity,
			Backends: m.table.backends, Table: m.table.places,
		}
		if one.made == nil {
			one.made = map[string]*made{}
		}
		one.made[by] = m
		if by == "" {
			one.all = m
		}
	}
	return m.state
}

// settle compiles the services that were touched, and those that want the same frontends
// as one that has come or gone.
func (c *Compiler) settle() {
	if c.asked {
		for _, one := range c.retired {
			for _, m := range one.made {
				c.tables.giveBack(m.table)
			}
		}
		for _, g := range c.retiredGates {
			for _, m := range g.made {
				c.tables.giveBack(m.table)
			}
		}
		c.retired, c.retiredGates, c.asked = nil, nil, false
	}
	added := map[uint32][]*choice{}
	var gates []*gate
	now := map[string][]*choice{} // of services that are compiled, once they are for the last time
	for len(c.touched) > 0 {
		touched := c.touched
		c.touched = map[string]bool{}
		for key := range touched {
			one := c.services[key]
			if one == nil {
				continue
			}
			if _, again := now[key]; !again {
				c.retire(one)
			}
			now[key] = c.compile(key, one)
		}
	}
	for key, choices := range now {
		c.services[key].choices = choices
		gates = append(gates, c.services[key].gates...)
		for _, one := range choices {
			added[one.vni] = append(added[one.vni], one)
		}
	}
	c.arrange(added)
	c.arrangeGates(gates)
}

// retire notes choices that were there and are not any more.
func (c *Compiler) retire(one *compiled) {
	for _, choice := range one.choices {
		c.gone[choice] = true
	}
	for _, g := range one.gates {
		c.goneGates[g] = true
	}
}

// compile reads a service anew, and touches the others whose frontends that changes.
func (c *Compiler) compile(key string, one *compiled) []*choice {
	c.world.forget(key, one.causes)
	r := reader{world: c.world, service: one.service, claims: c.claims, claimed: map[frontend]bool{}, causes: map[cause]bool{}}
	choices := r.read()
	c.contest(key, one.claims, r.claimed)
	one.claims, one.causes, one.conditions = r.claimed, r.causes, r.conditions
	one.gates = r.gates
	c.world.note(key, one.causes)
	return choices
}

// contest enters the frontends that a service asks for now. Whoever else asks for one
// that it did not ask for, or does no more, is touched: the first in order of names has it.
func (c *Compiler) contest(key string, before, now map[frontend]bool) {
	for at := range before {
		if now[at] {
			continue
		}
		delete(c.claims[at], key)
		for other := range c.claims[at] {
			c.touched[other] = true
		}
		if len(c.claims[at]) == 0 {
			delete(c.claims, at)
		}
	}
	for at := range now {
		if before[at] {
			continue
		}
		for other := range c.claims[at] {
			c.touched[other] = true
		}
		if c.claims[at] == nil {
			c.claims[at] = map[string]bool{}
		}
		c.claims[at][key] = true
	}
}
