// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"context"
	"strings"

	"github.com/mizar-net/mizar/dataplane/table"
)

// Written counts the rows that states have written and deleted, by host and map.
// Rows that programs write are not in it.
type Written map[string]map[string]int

// Writer is a wire that counts what states write. Both wires are one.
type Writer interface {
	// Written returns what was written since the wire was opened.
	Written(ctx context.Context) (Written, error)
}

// Note adds what a host reports.
func (w Written) Note(host string, report table.Report) {
	if w[host] == nil {
		w[host] = map[string]int{}
	}
	for name, count := range report {
		w[host][name] += count.Puts + count.Deletes
	}
}

// PolicyRows stands for all maps that policies have rows in.
const PolicyRows = "policy"

// Rows is what a host has written of a map, or of all [PolicyRows].
func (w Written) Rows(host, name string) int {
	if name != PolicyRows {
		return w[host][name]
	}
	n := 0
	for each, rows := range w[host] {
		if strings.HasPrefix(each, PolicyRows+"_") {
			n += rows
		}
	}
	return n
}

// Clone is a copy.
func (w Written) Clone() Written {
	all := Written{}
	for host, maps := range w {
		all[host] = map[string]int{}
		for name, n := range maps {
			all[host][name] = n
		}
	}
	return all
}

// Since is what was written after an earlier reading.
func (w Written) Since(before Written) Written {
	all := w.Clone()
	for host, maps := range all {
		for name := range maps {
			maps[name] -= before[host][name]
		}
	}
	return all
}
