// SPDX-License-Identifier: Apache-2.0

package encode

import (
	"slices"
	"strings"

	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/dataplane/table"
)

// Change is what of services differs between two states, in order of keys: rows that were
// there, and those in their place. Blocks are there before the rows that lead to them.
type Change struct {
	Gone, Come             []table.Row[bpf.RowServiceKey, bpf.RowService]
	GoneBlocks, ComeBlocks Blocks
	// Was and Is are the services of VPCs that differ, as they were and as they are.
	Was, Is []state.Service
}

// difference is a change that is being found.
type difference struct {
	// before are the blocks that were there.
	before Kept[string, Block]
	// rows are the keys of those that may be others.
	rows       map[bpf.RowServiceKey]bool
	addresses  []bpf.RowServiceKey
	gone, come Blocks
	was, is    []state.Service
}

func (d difference) change(before Index, now Rows) *Change {
	c := &Change{GoneBlocks: d.gone, ComeBlocks: d.come, Was: d.was, Is: d.is}
	for key := range d.rows {
		if row, ok := before.rows.Get(key); ok {
			c.Gone = append(c.Gone, table.Row[bpf.RowServiceKey, bpf.RowService]{Key: key, Value: row})
		}
		if row, ok := now.Services.Get(key); ok {
			c.Come = append(c.Come, table.Row[bpf.RowServiceKey, bpf.RowService]{Key: key, Value: row})
		}
	}
	byKey := func(a, b table.Row[bpf.RowServiceKey, bpf.RowService]) int { return CompareService(a.Key, b.Key) }
	slices.SortFunc(c.Gone, byKey)
	slices.SortFunc(c.Come, byKey)
	return c
}

// Differing are the services that are among some before and not alike among some now, and
// the other way around.
func Differing(before, now []state.Service) (gone, come []state.Service) {
	return differing(before, now, func(s *state.Service) string { return s.Name }, sameService)
}

// differing is [Differing] for whatever has a name.
func differing[T any](before, now []T, name func(*T) string, same func(a, b *T) bool) (gone, come []T) {
	before, now = named(before, name), named(now, name)
	for len(before) > 0 && len(now) > 0 {
		switch order := strings.Compare(name(&before[0]), name(&now[0])); {
		case order < 0:
			gone, before = append(gone, before[0]), before[1:]
		case order > 0:
			come, now = append(come, now[0]), now[1:]
		default:
			if !same(&before[0], &now[0]) {
				gone, come = append(gone, before[0]), append(come, now[0])
			}
			before, now = before[1:], now[1:]
		}
	}
	return append(gone, before...), append(come, now...)
}

// named are all in order of names, which they are as a rule.
func named[T any](all []T, name func(*T) string) []T {
	for i := range max(0, len(all)-1) {
		if name(&all[i]) > name(&all[i+1]) {
			return slices.SortedStableFunc(slices.Values(all), func(a, b T) int { return strings.Compare(name(&a), name(&b)) })
		}
	}
	return all
}

func sameService(a, b *state.Service) bool {
	return a.VNI == b.VNI && a.Protocol == b.Protocol && a.Affinity == b.Affinity &&
		alike(a.Frontends, b.Frontends) && alike(a.Backends, b.Backends) && alike(a.Table, b.Table)
}
