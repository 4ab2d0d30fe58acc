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
// returns how many rows. Flows that knew these ways meet the paths again. A row that
// is learned anew meanwhile may go too: then it is asked for once more.
func Sweep(paths table.Table[bpf.RowAddrKey, bpf.RowPath], hosts table.Table[uint32, bpf.RowHost], now time.Duration) (int, error) {
	stale := staleHosts{}
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
	return removed, stale.age(hosts)
}

// staleHosts are hosts of which something that was learned is not so any more.
type staleHosts map[uint32]bool

func (s staleHosts) add(row bpf.RowPath) {
	if bpf.RowPathState(row.State) == bpf.RowPathStatePATH_LEARNED {
		s[row.Host] = true
	}
}

// note adds the hosts of the paths that keep refuses.
func (s staleHosts) note(keep func(bpf.RowAddrKey, bpf.RowPath) bool) func(bpf.RowAddrKey, bpf.RowPath) bool {
	return func(key bpf.RowAddrKey, row bpf.RowPath) bool {
		if keep(key, row) {
			return true
		}
		s.add(row)
		return false
	}
}

// age gives the hosts another epoch: flows with them are looked at again.
func (s staleHosts) age(hosts table.Table[uint32, bpf.RowHost]) error {
	for number := range s {
		row, ok, err := hosts.Lookup(number)
		if err != nil {
			return fmt.Errorf("read row %d of map %s: %w", number, hosts.Name(), err)
		}
		if !ok {
			continue
		}
		row.Epoch++
		if err := hosts.Put(number, row); err != nil {
			return fmt.Errorf("write row %d of map %s: %w", number, hosts.Name(), err)
		}
	}
	return nil
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
