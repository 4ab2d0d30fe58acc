// SPDX-License-Identifier: Apache-2.0

package encode

import (
	"fmt"
	"net/netip"

	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/dataplane/state"
)

// rangeSets are the sets of source ranges that services for the outside have, by what is in
// them: services share them.
func rangeSets(all []state.OutsideService) map[string][]netip.Prefix {
	sets := map[string][]netip.Prefix{}
	for i := range all {
		if name, own := rangesOf(&all[i]); name != "" {
			sets[name] = own
		}
	}
	return sets
}

// rangesOf are the source ranges of a service that are of its own family, of which there
// may be none, and what they are named by; "": it has none of either.
func rangesOf(s *state.OutsideService) (name string, own []netip.Prefix) {
	if len(s.Ranges) == 0 || len(s.Frontends) == 0 {
		return "", nil
	}
	four := s.Frontends[0].Addr().Is4()
	for _, p := range s.Ranges {
		if p.Addr().Is4() == four {
			own = append(own, p)
		}
	}
	return fmt.Sprint(own), own
}

// RangeSet is the key in policy_prefixes that the set of a number has: none that a policy
// set has, which are never multiples of how many rows there are for those.
func RangeSet(number uint32) uint32 { return number * bpf.Sets() }

// ranges makes the rows of source ranges: whoever has one is in the set.
func (e *encoder) ranges() {
	in := bpf.RowJudgement{Word: uint32(bpf.RowPolicyVerdictPOLICY_ACCEPT)}
	for name, own := range rangeSets(e.host.Outside) {
		for _, p := range own {
			e.rows.PolicyPrefixes[PolicyPrefix(RangeSet(e.index.Ranges[name]), p)] = in
		}
	}
}
