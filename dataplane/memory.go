// SPDX-License-Identifier: Apache-2.0

package dataplane

import "fmt"

// Memory returns how many bytes the kernel charges for each map, by its name.
// A map that is not allocated beforehand costs more with each row.
func (d *Datapath) Memory() (map[string]uint64, error) {
	all := map[string]uint64{}
	for name, m := range d.loaded.maps {
		info, err := m.Info()
		if err != nil {
			return nil, fmt.Errorf("ask for the size of map %s: %w", name, err)
		}
		all[name], _ = info.Memlock() // none is told of a trie without rows
	}
	return all, nil
}
