// SPDX-License-Identifier: Apache-2.0

package service

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/dataplane/state"
)

// Compiler holds what the services of a set of objects are to hosts. It is for one
// goroutine at a time.
type Compiler struct {
	byVNI      map[uint32][]*choice
	gates      []*gate
	conditions []object.Condition
	// zones are those of hosts, by name.
	zones  map[string]string
	tables tables
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
	// made is for all hosts, of a choice that is the same for all.
	made *state.Service
}

// New returns a compiler that holds nothing.
func New() *Compiler { return &Compiler{} }

// Compile returns a compiler that holds the services of a set of objects.
func Compile(set object.Set) *Compiler {
	c := New()
	c.Sync(set)
	return c
}

// Sync makes the compiler hold the services of a set of objects and nothing else.
// Tables of backends that it has met in the set before are not made again.
func (c *Compiler) Sync(set object.Set) {
	w := newWorld(set)
	c.byVNI, c.conditions, c.zones = map[uint32][]*choice{}, w.sliceConditions(), map[string]string{}
	for _, h := range set.Hosts {
		c.zones[h.Name] = h.Labels[corev1.LabelTopologyZone]
	}
	c.gates = nil
	c.tables.turn()
	taken := map[frontend]string{}
	for i := range set.Services {
		r := reader{world: w, service: &set.Services[i], taken: taken}
		for _, one := range r.read() {
			c.byVNI[one.vni] = append(c.byVNI[one.vni], one)
		}
		c.gates = append(c.gates, r.gates...)
		c.conditions = append(c.conditions, r.conditions...)
	}
}

// Conditions are what cannot be done as it was written, in order of objects: first of
// slices, then of services.
func (c *Compiler) Conditions() []object.Condition { return c.conditions }

// Host is what a host must hold that has endpoints in some VPCs: their services, in
// order of names. What it returns is never changed again.
func (c *Compiler) Host(name string, vnis ...uint32) []state.Service {
	var all []state.Service
	for _, vni := range vnis {
		for _, one := range c.byVNI[vni] {
			all = append(all, c.state(one, name))
		}
	}
	slices.SortFunc(all, func(a, b state.Service) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.VNI, b.VNI)) })
	return all
}

func (c *Compiler) state(one *choice, host string) state.Service {
	if one.made != nil {
		return *one.made
	}
	out := state.Service{Name: one.name, VNI: one.vni, Protocol: one.protocol, Frontends: one.frontends, Affinity: one.affinity}
	out.Backends, out.Table = c.tables.of(usable(one.reach.within(one.backends, host, c.zones[host])))
	if one.reach == everywhere {
		one.made = &out
	}
	return out
}

// tables keeps tables by what they are of: those of the last set and of this one.
type tables struct {
	old, now map[string]table
}

// table is one with its backends.
type table struct {
	backends []netip.AddrPort
	places   []uint16
}

// turn forgets what the last set did not ask for.
func (t *tables) turn() { t.old, t.now = t.now, map[string]table{} }

// of is the table of some backends, which are sorted, and they themselves: equal ones
// are the same.
func (t *tables) of(backends []netip.AddrPort) ([]netip.AddrPort, []uint16) {
	if len(backends) == 0 {
		return nil, nil
	}
	key := make([]byte, 0, 18*len(backends))
	for _, b := range backends {
		key, _ = b.AppendBinary(key)
	}
	found, ok := t.now[string(key)]
	if !ok {
		if found, ok = t.old[string(key)]; !ok {
			found = table{backends, Table(backends)}
		}
		t.now[string(key)] = found
	}
	return found.backends, found.places
}
