// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"fmt"
	"maps"

	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/dataplane/state"
)

// Memory returns how many bytes the kernel charges for each map, by its name.
// A map that is not allocated beforehand costs more with each row.
func (d *Datapath) Memory() (map[string]uint64, error) {
	all := map[string]uint64{}
	weighed := maps.Clone(d.loaded.maps)
	weighed[bpf.RowMapPrograms] = d.loaded.programs[state.FormXDP].slots
	for name, m := range weighed {
		info, err := m.Info()
		if err != nil {
			return nil, fmt.Errorf("ask for the size of map %s: %w", name, err)
		}
		all[name], _ = info.Memlock() // none is told of a trie without rows
	}
	return all, nil
}
