// SPDX-License-Identifier: Apache-2.0

// Package service measures what services cost beside packets: what their tables weigh
// in the kernel, and the time until a backend that comes or goes counts.
package service

import (
	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/dataplane/state"
)

// places are how many of them a row of the map choices has.
const places = len(bpf.RowChoices{}.Backend)

// Room is how many rows the maps of services need to hold some, and a change of any of
// them: what a service chooses from is written beside what it chose from before.
func Room(all []state.Service) map[string]uint32 {
	rows := held(all)
	most := map[string]uint32{}
	for i := range all {
		for name, n := range held(all[i : i+1]) {
			most[name] = max(most[name], n)
		}
	}
	for _, name := range []string{bpf.RowMapChoices, bpf.RowMapBackends} {
		rows[name] += most[name]
	}
	return rows
}
