// SPDX-License-Identifier: Apache-2.0

package scenario

import (
	"net/netip"
	"slices"

	"github.com/mizar-net/mizar/controlplane/object"
)

// Variants returns the scenario once for each of its underlay families, with
// hosts that have addresses of that family alone, in each of its forms and modes
// of XDP. A scenario that names none of them is its only variant.
func (s *Scenario) Variants() []*Scenario {
	var each []*Scenario
	for _, v := range s.overEachFamily() {
		for _, in := range v.inEachForm() {
			each = append(each, in.inEachMode()...)
		}
	}
	return each
}

// overEachFamily returns the scenario once for each of its underlay families.
func (s *Scenario) overEachFamily() []*Scenario {
	all := []*Scenario{s}
	if len(s.Families) > 0 {
		all = nil
		for _, family := range s.Families {
			v := s.with(func(set object.Set) object.Set { return onFamily(set, family) })
			v.Families = []int{family}
			v.goldenOver(family)
			all = append(all, v)
		}
	}
	return all
}

// inEachMode returns a scenario once for each of its modes of XDP.
func (s *Scenario) inEachMode() []*Scenario {
	if len(s.Modes) == 0 {
		return []*Scenario{s}
	}
	var all []*Scenario
	for _, m := range s.Modes {
		in := s.with(func(set object.Set) object.Set { return inModes(set, m) })
		in.Modes = []Modes{m}
		all = append(all, in)
	}
	return all
}

// goldenOver chooses the golden captures of one family of the underlay.
func (s *Scenario) goldenOver(family int) {
	for i := range s.Steps {
		if p := s.Steps[i].Replay; p != nil && p.Over != nil {
			replay := *p
			replay.Golden = p.Over[family]
			s.Steps[i].Replay = &replay
		}
	}
}

// with returns the scenario with other objects, also after its changes.
func (s *Scenario) with(change func(object.Set) object.Set) *Scenario {
	v := *s
	v.Objects = change(s.Objects)
	v.Steps = slices.Clone(s.Steps)
	for i := range v.Steps {
		if c := v.Steps[i].Change; c != nil {
			changed := *c
			changed.Objects = change(c.Objects)
			v.Steps[i].Change = &changed
		}
	}
	return &v
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
