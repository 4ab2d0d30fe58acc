// SPDX-License-Identifier: Apache-2.0

package scenario

import (
	"slices"

	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/controlplane/object/strict"
	"github.com/mizar-net/mizar/dataplane/state"
)

// forms reads the forms of the endpoint program, one or several.
//
//	form: tcx
//	form: [xdp, tcx]
func forms(v strict.Value) []state.Form {
	if !v.Present() {
		return nil
	}
	if !isList(v) {
		return []state.Form{object.DecodeForm(v)}
	}
	all := strict.Each(v, object.DecodeForm)
	if sorted := slices.Sorted(slices.Values(all)); len(slices.Compact(sorted)) != len(all) {
		v.Fail("each form once")
	}
	return all
}

// InForm returns the scenario with the endpoint program in a form, wherever the
// scenario itself says nothing about that. The empty form changes nothing.
func (s *Scenario) InForm(f state.Form) *Scenario {
	if f == "" || len(s.Forms) > 0 {
		return s
	}
	v := *s
	v.Forms = []state.Form{f}
	return &v
}

// WithUplinks returns the scenario with the programs of uplinks in a form, wherever
// a host asks for neither a form nor a mode of XDP.
func (s *Scenario) WithUplinks(f state.Form) *Scenario {
	return s.with(func(set object.Set) object.Set {
		set.Hosts = slices.Clone(set.Hosts)
		for i := range set.Hosts {
			if h := &set.Hosts[i]; h.Form == "" && h.XDP == "" {
				h.Form = f
			}
		}
		return set
	})
}

// inEachForm returns a scenario once for each of its forms.
func (s *Scenario) inEachForm() []*Scenario {
	if len(s.Forms) == 0 {
		return []*Scenario{s}
	}
	var all []*Scenario
	for _, f := range s.Forms {
		v := s.with(func(set object.Set) object.Set { return inForm(set, f) })
		v.Forms = []state.Form{f}
		v.Modes = modesIn(s.Modes, f)
		all = append(all, v)
	}
	return all
}

// modesIn are the modes that are different from one another in a form: ports of
// the form tcx have none.
func modesIn(all []Modes, f state.Form) []Modes {
	if f.Is(state.FormXDP) {
		return all
	}
	var some []Modes
	for _, m := range all {
		if !slices.ContainsFunc(some, func(o Modes) bool { return o.Uplinks == m.Uplinks }) {
			some = append(some, m)
		}
	}
	return some
}

// inForm returns the set in which every port that asks for neither a form nor a
// mode of XDP has a form.
func inForm(set object.Set, f state.Form) object.Set {
	set.Endpoints = slices.Clone(set.Endpoints)
	for i := range set.Endpoints {
		if e := &set.Endpoints[i]; e.Form == "" && e.XDP == "" {
			e.Form = f
		}
	}
	return set
}
