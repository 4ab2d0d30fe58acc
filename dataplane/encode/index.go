// SPDX-License-Identifier: Apache-2.0

package encode

import "slices"

// Index gives numbers to hosts, subnets and endpoints. A name keeps its number
// from one Encode to the next, because rows that programs have learned refer to
// hosts by number; a number that is given back rests for one Encode before
// another name gets it, so that what refers to it can be removed in between.
// The zero value has no names.
type Index struct {
	// Hosts has every peer, from 1; 0 is the host itself.
	Hosts map[string]uint32
	// Subnets and Endpoints are numbered from 1.
	Subnets, Endpoints map[string]uint32
}

// renumber returns the numbers of names: the ones they had, or the lowest that
// were not in use before.
func renumber(before map[string]uint32, names []string) map[string]uint32 {
	after := make(map[string]uint32, len(names))
	taken := make(map[uint32]bool, len(before)+len(names))
	for _, number := range before {
		taken[number] = true
	}
	slices.Sort(names)
	next := uint32(1)
	for _, name := range names {
		number, ok := before[name]
		if !ok {
			for taken[next] {
				next++
			}
			number = next
			taken[number] = true
		}
		after[name] = number
	}
	return after
}
