// SPDX-License-Identifier: Apache-2.0

package encode

import (
	"slices"

	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/dataplane/state"
)

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
	// Sets, Classes and Rules are numbered from 1. Sets are named with their
	// revision, and their numbers do not come back: flows remember them.
	Sets, Classes, Rules map[string]uint32
	// Series is how many numbers sets have had.
	Series uint32
	// Blocks are what services choose from, by name.
	Blocks Kept[string, Block]
	// Affine are services with affinity, numbered from 1.
	Affine map[string]uint32
	// Ranges are sets of source ranges, numbered from 1.
	Ranges map[string]uint32
	// Served are the VPCs, by VNI, that have services, or had some: flows to them go on.
	Served map[uint32]bool

	// services are those of the state, rows what they have, choices and backends which
	// rows of those maps are in use.
	services          []state.Service
	outside           []state.OutsideService
	rows              Kept[bpf.RowServiceKey, bpf.RowService]
	choices, backends spans
}

// renumberSets is [renumber] for sets. The lower part of a number is the row that
// the set has, which comes back, the upper one tells apart the sets that had it.
func renumberSets(before Index, names []string) (map[string]uint32, uint32) {
	rows := make(map[string]uint32, len(before.Sets))
	for name, number := range before.Sets {
		rows[name] = number % bpf.Sets()
	}
	after, series := map[string]uint32{}, before.Series
	rows = renumber(rows, names)
	for _, name := range names {
		if number, ok := before.Sets[name]; ok {
			after[name] = number
			continue
		}
		after[name] = series*bpf.Sets() + rows[name]
		series++
	}
	return after, series
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
