// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"errors"
	"fmt"
	"time"

	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/dataplane/table"
)

// PathAge is how long what was learned of an address is used. No generation of an
// address comes back within that time.
const PathAge = time.Hour

// Sweep removes from paths what was learned more than [PathAge] before now, and
// returns how many rows. Flows that knew these ways meet the paths again. A row that
// is learned anew meanwhile may go too: then it is asked for once more.
func Sweep(paths table.Table[bpf.RowAddrKey, bpf.RowPath], hosts table.Table[uint32, bpf.RowHost], now time.Duration) (int, error) {
	stale := staleHosts{}
	removed, err := sweepOld(paths, stale, now)
	return removed, errors.Join(err, stale.age(hosts))
}

// sweepOld adds to stale the hosts of the paths that it removes.
func sweepOld(paths table.Table[bpf.RowAddrKey, bpf.RowPath], stale staleHosts, now time.Duration) (int, error) {
	removed, err := sweep(paths, func(_ bpf.RowAddrKey, row bpf.RowPath) bool {
		learned := bpf.RowPathState(row.State) == bpf.RowPathStatePATH_LEARNED
		old := learned && now-time.Duration(row.Since) > PathAge
		if old {
			stale.add(row)
		}
		return old
	})
	if err != nil {
		return removed, fmt.Errorf("sweep old paths: %w", err)
	}
	return removed, nil
}

func sweep(paths table.Table[bpf.RowAddrKey, bpf.RowPath], gone func(bpf.RowAddrKey, bpf.RowPath) bool) (int, error) {
	rows, err := paths.All()
	if err != nil {
		return 0, fmt.Errorf("read map %s: %w", paths.Name(), err)
	}
	var keys []bpf.RowAddrKey
	for key, row := range rows {
		if gone(key, row) {
			keys = append(keys, key)
		}
	}
	removed, err := paths.DeleteAll(keys)
	if err != nil {
		return removed, fmt.Errorf("delete row %v of map %s: %w", keys[removed], paths.Name(), err)
	}
	return removed, nil
}
