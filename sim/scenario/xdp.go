// SPDX-License-Identifier: Apache-2.0

package scenario

import (
	"slices"

	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/controlplane/object/strict"
	"github.com/mizar-net/mizar/dataplane/state"
)

// Modes of XDP: those of every uplink, and of every endpoint's port, that has
// none of its own. Empty means that nothing is said.
type Modes struct {
	Uplinks   state.XDP
	Endpoints state.XDP
}

// String is one word where both are the same, and both where they are not.
func (m Modes) String() string {
	switch {
	case m == Modes{}:
		return ""
	case m.Uplinks == m.Endpoints:
		return string(m.Uplinks)
	}
	return string(m.Uplinks) + " uplinks, " + string(m.Endpoints) + " endpoints"
}

// modes reads the modes of XDP, one or several each, and combines them.
//
//	xdp: generic
//	xdp: [native, generic]
//	xdp: {uplinks: [native, generic], endpoints: native}
func modes(v strict.Value) []Modes {
	if !v.Present() {
		return nil
	}
	if isMap(v) {
		f := v.Fields("uplinks", "endpoints")
		ups, ends := orNative(someModes(f.Optional("uplinks"))), orNative(someModes(f.Optional("endpoints")))
		var all []Modes
		for _, up := range ups {
			for _, end := range ends {
				all = append(all, Modes{up, end})
			}
		}
		return all
	}
	var all []Modes
	for _, m := range someModes(v) {
		all = append(all, Modes{m, m})
	}
	return all
}

// asked reads the one thing that modes can be compared with.
func (d *decoder) asked(v strict.Value) bool {
	if !v.Present() {
		return false
	}
	v.Enum("asked")
	if slices.Contains(d.wires, "testrun") {
		v.FailGot("a comparison of modes on the testrun wire, which has no devices", "the scenario with wires: [veth]")
	}
	return true
}

// someModes reads one mode, or a list of different ones.
func someModes(v strict.Value) []state.XDP {
	if !v.Present() {
		return nil
	}
	if !isList(v) {
		return []state.XDP{object.DecodeXDP(v)}
	}
	all := strict.Each(v, object.DecodeXDP)
	sorted := slices.Sorted(slices.Values(all))
	if len(slices.Compact(sorted)) != len(all) {
		v.Fail("each mode once")
	}
	return all
}

func orNative(all []state.XDP) []state.XDP {
	if len(all) == 0 {
		return []state.XDP{state.Native}
	}
	return all
}

// Standing returns the objects of a network that stands and runs no steps: with
// addresses of all families, in the first of its forms and modes.
func (s *Scenario) Standing() object.Set {
	set := s.Objects
	if len(s.Forms) > 0 {
		set = inForm(set, s.Forms[0])
	}
	if len(s.Modes) == 0 {
		return set
	}
	return inModes(set, s.Modes[0])
}

// inModes returns the set in which every uplink and every port of the form xdp has
// a mode.
func inModes(set object.Set, m Modes) object.Set {
	set.Hosts, set.Endpoints = slices.Clone(set.Hosts), slices.Clone(set.Endpoints)
	for i := range set.Hosts {
		if set.Hosts[i].XDP == "" && set.Hosts[i].Form.Is(state.FormXDP) {
			set.Hosts[i].XDP = m.Uplinks
		}
	}
	for i := range set.Endpoints {
		if set.Endpoints[i].XDP == "" && set.Endpoints[i].Form.Is(state.FormXDP) {
			set.Endpoints[i].XDP = m.Endpoints
		}
	}
	return set
}
