// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"fmt"
	"maps"

	"github.com/mizar-net/mizar/dataplane/encode"
)

// Row returns the bytes of one row of a map by the map's name, as a program
// finds it with the key: nil when there is none.
func (d *Datapath) Row(name string, key []byte) ([]byte, error) {
	m := d.loaded.maps[name]
	if m == nil {
		return nil, fmt.Errorf("read a row of map %q: there is no such map", name)
	}
	row, err := m.LookupBytes(key)
	if err != nil {
		return nil, fmt.Errorf("read the row %x of map %s: %w", key, name, err)
	}
	return row, nil
}

// Rows returns all rows of a map by the map's name, as bytes by the bytes of their
// keys.
func (d *Datapath) Rows(name string) (map[string][]byte, error) {
	m := d.loaded.maps[name]
	if m == nil {
		return nil, fmt.Errorf("read the rows of map %q: there is no such map", name)
	}
	rows := map[string][]byte{}
	var key, row []byte
	for i := m.Iterate(); ; {
		if !i.Next(&key, &row) {
			if err := i.Err(); err != nil {
				return nil, fmt.Errorf("read the rows of map %s: %w", name, err)
			}
			return rows, nil
		}
		rows[string(key)] = append([]byte(nil), row...)
	}
}

// Index returns the numbers that stand in the rows for names.
func (d *Datapath) Index() encode.Index {
	d.mu.Lock()
	defer d.mu.Unlock()
	i := d.holder.index
	return encode.Index{
		Hosts: maps.Clone(i.Hosts), Subnets: maps.Clone(i.Subnets), Endpoints: maps.Clone(i.Endpoints),
		Sets: maps.Clone(i.Sets), Classes: maps.Clone(i.Classes), Rules: maps.Clone(i.Rules), Series: i.Series,
	}
}
