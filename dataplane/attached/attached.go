// SPDX-License-Identifier: Apache-2.0

// Package attached finds the datapaths of this machine, whoever loaded them: by the
// programs at its devices, in the caller's network namespace and in those that have
// a name under /run/netns. Maps without a program at any device are nobody's
// datapath, and those of programs in a namespace without a name are not found.
//
//	namespaces ─► devices ─► programs ─► maps ─► flows of one host
//	                            └─ handed over to (program arrays) ─┘
package attached

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cilium/ebpf"

	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/dataplane"
	"github.com/mizar-net/mizar/dataplane/flow"
	"github.com/mizar-net/mizar/dataplane/table"
)

// Datapath is what one host has of flows and learned paths in the kernel. Close it: that closes what
// was opened here, and changes nothing.
type Datapath struct {
	// ID is that of its map of flows in the kernel.
	ID uint32
	// Namespace is the network namespace by its name under /run/netns; "": that of
	// the caller, which has no name.
	Namespace string
	// Devices are those with its programs, sorted.
	Devices []string
	// Tables are the maps that have to do with flows.
	Tables flow.Tables

	maps map[string]*ebpf.Map
}

// Close lets go of the maps.
func (d *Datapath) Close() error {
	var failed []error
	for _, m := range d.maps {
		failed = append(failed, m.Close())
	}
	return errors.Join(failed...)
}

// Collect removes the flows whose time is up at now; see [flow.Collect].
func (d *Datapath) Collect(ctx context.Context, now time.Duration) (flow.Collected, error) {
	c, err := flow.Collect(ctx, d.Tables, now)
	if err != nil {
		return c, fmt.Errorf("collect flows: %w", err)
	}
	return c, nil
}

// Tend removes the paths that were learned too long before now; see [dataplane.Sweep]. What
// the maps must hold, whoever loaded them knows, and mends.
func (d *Datapath) Tend(now time.Duration) (dataplane.Tended, error) {
	paths := table.NewMap[bpf.RowAddrKey, bpf.RowPath](bpf.RowMapPaths, d.maps[bpf.RowMapPaths])
	hosts := table.NewMap[uint32, bpf.RowHost](bpf.RowMapHosts, d.maps[bpf.RowMapHosts])
	removed, err := dataplane.Sweep(paths, hosts, now)
	return dataplane.Tended{Paths: removed}, err
}

// Find returns all datapaths, by their namespaces. It needs root. A namespace or a
// program that goes meanwhile is not there.
func Find() ([]*Datapath, error) {
	seats, err := seats()
	if err != nil {
		return nil, fmt.Errorf("find programs at devices: %w", err)
	}
	var all []*Datapath
	for _, s := range seats {
		if all, err = s.addTo(all); err != nil {
			return nil, errors.Join(fmt.Errorf("device %s%s: %w", s.device, of(s.namespace), err), CloseAll(all))
		}
	}
	slices.SortFunc(all, func(a, b *Datapath) int {
		if by := strings.Compare(a.Namespace, b.Namespace); by != 0 {
			return by
		}
		return int(a.ID) - int(b.ID)
	})
	return all, nil
}

// CloseAll closes all that were found.
func CloseAll(all []*Datapath) error {
	var failed []error
	for _, d := range all {
		failed = append(failed, d.Close())
	}
	return errors.Join(failed...)
}

func of(namespace string) string {
	if namespace == "" {
		return ""
	}
	return " of namespace " + namespace
}

// addTo puts the datapath of a seat's program to the others, unless it is there.
func (s seat) addTo(all []*Datapath) ([]*Datapath, error) {
	maps, err := mapsOf(s.program)
	if err != nil || maps == nil {
		return all, err
	}
	d, err := newDatapath(maps)
	if err != nil {
		return all, errors.Join(err, (&Datapath{maps: maps}).Close())
	}
	for _, have := range all {
		if have.ID != d.ID {
			continue
		}
		have.Devices = append(have.Devices, s.device)
		slices.Sort(have.Devices)
		return all, d.Close()
	}
	d.Namespace, d.Devices = s.namespace, []string{s.device}
	return append(all, d), nil
}

// wanted are the maps of a datapath that are opened.
var wanted = []string{bpf.RowMapFlows, bpf.RowMapOpenings, bpf.RowMapShares, bpf.RowMapPaths, bpf.RowMapHosts}

// newDatapath makes one of its maps. Those of another version of Mizar are refused,
// and not taken for something that they are not.
func newDatapath(maps map[string]*ebpf.Map) (*Datapath, error) {
	spec, err := bpf.LoadRow()
	if err != nil {
		return nil, fmt.Errorf("read the object of the maps: %w", err)
	}
	for _, name := range wanted {
		m := maps[name]
		if m == nil {
			return nil, fmt.Errorf("its program has map %s, and has no map %s: it is of another version of Mizar than this command", bpf.RowMapFlows, name)
		}
		if want := spec.Maps[name]; m.Type() != want.Type || m.KeySize() != want.KeySize || m.ValueSize() != want.ValueSize {
			return nil, fmt.Errorf("its map %s has rows of %d+%d bytes where this command knows %d+%d: it is of another version of Mizar",
				name, m.KeySize(), m.ValueSize(), want.KeySize, want.ValueSize)
		}
	}
	info, err := maps[bpf.RowMapFlows].Info()
	if err != nil {
		return nil, fmt.Errorf("ask for the ID of map %s: %w", bpf.RowMapFlows, err)
	}
	id, ok := info.ID()
	if !ok {
		return nil, fmt.Errorf("map %s has no ID: this kernel is too old", bpf.RowMapFlows)
	}
	return &Datapath{
		ID: uint32(id), maps: maps,
		Tables: flow.Tables{
			Flows:    table.NewMap[bpf.RowFlowKey, bpf.RowFlow](bpf.RowMapFlows, maps[bpf.RowMapFlows]),
			Openings: table.NewMap[bpf.RowFlowKey, bpf.RowFlow](bpf.RowMapOpenings, maps[bpf.RowMapOpenings]),
			Shares:   table.NewMap[uint32, bpf.RowShare](bpf.RowMapShares, maps[bpf.RowMapShares]),
		},
	}, nil
}
