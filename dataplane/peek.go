// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"fmt"
	"maps"

	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/dataplane/encode"
	"github.com/mizar-net/mizar/dataplane/names"
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

// Names returns what the numbers in the rows stand for.
func (d *Datapath) Names() names.Names {
	d.mu.Lock()
	defer d.mu.Unlock()
	return names.Of(d.holder.state, d.holder.index)
}

// LeaveNames leaves the names in a folder for those who read the maps of a network,
// "" of a real one; see [names.Write]. Whoever holds a datapath does it after every
// Apply, and removes them by the ID at the end.
func (d *Datapath) LeaveNames(dir, network string) error {
	id, err := d.ID()
	if err != nil {
		return err
	}
	n := d.Names()
	n.Network = network
	return names.Write(dir, id, n)
}

// ID is what the kernel knows the map of flows by, and others the datapath.
func (d *Datapath) ID() (uint32, error) {
	info, err := d.loaded.maps[bpf.RowMapFlows].Info()
	if err != nil {
		return 0, fmt.Errorf("ask for the ID of map %s: %w", bpf.RowMapFlows, err)
	}
	id, ok := info.ID()
	if !ok {
		return 0, fmt.Errorf("map %s has no ID: this kernel is too old", bpf.RowMapFlows)
	}
	return uint32(id), nil
}
