// SPDX-License-Identifier: Apache-2.0

package scenario

import (
	"net/netip"
	"slices"

	"github.com/mizar-net/mizar/controlplane/object"
)

// Variants returns the scenario once for each of its underlay families, with
// hosts that have addresses of that family alone. A scenario that names no
// families is its only variant.
func (s *Scenario) Variants() []*Scenario {
	if len(s.Families) == 0 {
		return []*Scenario{s}
	}
	var all []*Scenario
	for _, family := range s.Families {
		v := *s
		v.Families = []int{family}
		v.Objects = onFamily(s.Objects, family)
		v.Steps = slices.Clone(s.Steps)
		for i := range v.Steps {
			if c := v.Steps[i].Change; c != nil {
				changed := *c
				changed.Objects = onFamily(c.Objects, family)
				v.Steps[i].Change = &changed
			}
			if p := v.Steps[i].Replay; p != nil && p.Over != nil {
				replay := *p
				replay.Golden = p.Over[family]
				v.Steps[i].Replay = &replay
			}
		}
		all = append(all, &v)
	}
	return all
}

// onFamily returns the set with underlay addresses of one family.
func onFamily(set object.Set, family int) object.Set {
	set.Hosts = slices.Clone(set.Hosts)
	for i := range set.Hosts {
		keep := isFamily(family)
		set.Hosts[i].Addresses = slices.DeleteFunc(slices.Clone(set.Hosts[i].Addresses),
			func(a netip.Addr) bool { return !keep(a) })
	}
	return set
}
