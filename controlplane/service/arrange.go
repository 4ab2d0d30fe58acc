// SPDX-License-Identifier: Apache-2.0

package service

import (
	"cmp"
	"maps"
	"slices"
)

// arrange takes the choices that are gone out of those of VPCs, and puts others in.
func (c *Compiler) arrange(added map[uint32][]*choice) {
	vnis := map[uint32]bool{}
	for one := range c.gone {
		vnis[one.vni] = true
		c.retired = append(c.retired, one)
	}
	for vni := range added {
		vnis[vni] = true
	}
	for vni := range vnis {
		c.byVNI[vni] = arranged(c.byVNI[vni], c.gone, added[vni], func(one *choice) string { return one.name })
		if len(c.byVNI[vni]) == 0 {
			delete(c.byVNI, vni)
			delete(c.last, vni)
		}
	}
	clear(c.gone)
}

// arrangeGates does so for gates.
func (c *Compiler) arrangeGates(added []*gate) {
	if len(c.goneGates)+len(added) == 0 {
		return
	}
	c.gates = arranged(c.gates, c.goneGates, added, func(g *gate) string { return g.name })
	c.retiredGates = slices.AppendSeq(c.retiredGates, maps.Keys(c.goneGates))
	clear(c.goneGates)
}

// arranged are some in order of names without those that are gone, and with more.
func arranged[T comparable](before []T, gone map[T]bool, more []T, name func(T) string) []T {
	byName := func(a, b T) int { return cmp.Compare(name(a), name(b)) }
	slices.SortFunc(more, byName)
	all := make([]T, 0, len(before)+len(more))
	for _, one := range before {
		if gone[one] {
			continue
		}
		for len(more) > 0 && byName(more[0], one) < 0 {
			all, more = append(all, more[0]), more[1:]
		}
		all = append(all, one)
	}
	return append(all, more...)
}
