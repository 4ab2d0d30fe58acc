// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"fmt"
	"time"

	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/dataplane/table"
)

// PathAge is how long what was learned of an address is used. No generation of an
// address comes back within that time.
const PathAge = time.Hour

// Sweep removes from paths what was learned more than [PathAge] before now, and
// returns how many rows. A row that is learned anew meanwhile may go too: then it
// is asked for once more.
func Sweep(paths table.Table[bpf.RowAddrKey, bpf.RowPath], now time.Duration) (int, error) {
	removed, err := sweep(paths, func(row bpf.RowPath) bool {
		learned := bpf.RowPathState(row.State) == bpf.RowPathStatePATH_LEARNED
		return learned && now-time.Duration(row.Since) > PathAge
	})
	if err != nil {
		return removed, fmt.Errorf("sweep old paths: %w", err)
	}
	return removed, nil
}

func sweep(paths table.Table[bpf.RowAddrKey, bpf.RowPath], gone func(bpf.RowPath) bool) (int, error) {
	rows, err := paths.All()
	if err != nil {
		return 0, fmt.Errorf("read map %s: %w", paths.Name(), err)
	}
	var keys []bpf.RowAddrKey
	for key, row := range rows {
		if gone(row) {
			keys = append(keys, key)
		}
	}
	removed, err := paths.DeleteAll(keys)
	if err != nil {
		return removed, fmt.Errorf("delete row %v of map %s: %w", keys[removed], paths.Name(), err)
	}
	return removed, nil
}
