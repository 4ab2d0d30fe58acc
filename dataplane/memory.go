// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Memory returns how many bytes the kernel charges for each map, by its name.
// A map that is not allocated beforehand costs more with each row.
func (d *Datapath) Memory() (map[string]uint64, error) {
	all := map[string]uint64{}
	for name, m := range d.loaded.maps {
		info, err := m.Info()
		if err != nil {
			return nil, fmt.Errorf("ask for the size of map %s: %w", name, err)
		}
		bytes, ok := info.Memlock()
		if !ok {
			return nil, fmt.Errorf("ask for the size of map %s: the kernel does not tell: %w", name, unix.ENOTSUP)
		}
		all[name] = bytes
	}
	return all, nil
}
