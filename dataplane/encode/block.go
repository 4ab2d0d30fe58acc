// SPDX-License-Identifier: Apache-2.0

package encode

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/dataplane/table"
)

// places are how many of them one row of the map choices has.
const places = len(bpf.RowChoices{}.Backend)

// Block is where a service's places and backends stand, and what they are: rows of the
// map choices from First on, and rows of backends. It is replaced, never changed.
type Block struct {
	First, FirstBackend uint32
	Places              []uint16
	Backends            []netip.AddrPort
	// Homes say where each of the backends is, to the outside; nil: nobody asks.
	Homes []Home
}

// Home is where a backend is.
type Home struct {
	// Host is its number in hosts, Generation that of its address's user.
	Host       uint16
	Generation uint8
}

// Blocks are those of services, by name. They do not overlap.
type Blocks map[string]Block

// Choices are the rows of that map, in order. Rows of zeros, which every row is until it
// is written, are not among them.
func (b Blocks) Choices() []table.Row[uint32, bpf.RowChoices] {
	var rows []table.Row[uint32, bpf.RowChoices]
	for _, one := range b.sorted(Block.choices) {
		rows = slices.Grow(rows, int(one.choices().rows))
		for i := range one.choices().rows {
			var row bpf.RowChoices
			copy(row.Backend[:], one.Places[int(i)*places:])
			if row != (bpf.RowChoices{}) {
				rows = append(rows, table.Row[uint32, bpf.RowChoices]{Key: one.First + i, Value: row})
			}
		}
	}
	return rows
}

// Backends are the rows of that map, in order.
func (b Blocks) Backends() []table.Row[uint32, bpf.RowBackend] {
	var rows []table.Row[uint32, bpf.RowBackend]
	for _, one := range b.sorted(Block.backends) {
		rows = slices.Grow(rows, len(one.Backends))
		for i, at := range one.Backends {
			row := bpf.RowBackend{Addr: at.Addr().As16(), Port: network16(at.Port())}
			if one.Homes != nil {
				row.Host, row.Generation = one.Homes[i].Host, one.Homes[i].Generation
			}
			rows = append(rows, table.Row[uint32, bpf.RowBackend]{Key: one.FirstBackend + uint32(i), Value: row})
		}
	}
	return rows
}

// sorted are the blocks in order of their rows of one kind.
func (b Blocks) sorted(of func(Block) span) []Block {
	return slices.SortedFunc(maps.Values(b), func(a, b Block) int { return cmp.Compare(of(a).first, of(b).first) })
}

// same says whether two blocks have the same in them.
func (b Block) same(other Block) bool {
	return alike(b.Places, other.Places) && alike(b.Backends, other.Backends) && alike(b.Homes, other.Homes)
}

// alike says whether two slices are equal; most are one and the same.
func alike[T comparable](a, b []T) bool {
	if len(a) != len(b) {
		return false
	}
	return len(a) == 0 || &a[0] == &b[0] || slices.Equal(a, b)
}

// choices and backends are the rows that the block takes.
func (b Block) choices() span  { return span{b.First, uint32((len(b.Places) + places - 1) / places)} }
func (b Block) backends() span { return span{b.FirstBackend, uint32(len(b.Backends))} }

// checkBlock says what of a block contradicts itself.
func checkBlock(b Block) error {
	if (len(b.Places) == 0) != (len(b.Backends) == 0) {
		return fmt.Errorf("%d places for %d backends: either has some, or neither", len(b.Places), len(b.Backends))
	}
	for _, at := range b.Backends {
		if at.Port() == 0 {
			return fmt.Errorf("backend %s has no port", at)
		}
	}
	for i, place := range b.Places {
		if int(place) >= len(b.Backends) {
			return fmt.Errorf("place %d is of backend %d, and there are %d", i, place, len(b.Backends))
		}
	}
	return nil
}

// span is rows of an array.
type span struct{ first, rows uint32 }

// spans are those that are in use, in order of where they begin. What a state gives back
// is in use until it is held: packets may still read it.
type spans []span

// free gives back rows that were taken.
func (u *spans) free(s span) {
	if s.rows == 0 {
		return
	}
	if at, ok := slices.BinarySearchFunc(*u, s, func(a, b span) int { return cmp.Compare(a.first, b.first) }); ok {
		*u = slices.Delete(*u, at, at+1)
	}
}

// take finds the first room for so many rows.
func (u *spans) take(rows uint32) uint32 {
	if rows == 0 {
		return 0
	}
	first, at := uint32(0), 0
	for ; at < len(*u) && first+rows > (*u)[at].first; at++ {
		first = (*u)[at].first + (*u)[at].rows
	}
	*u = slices.Insert(*u, at, span{first, rows})
	return first
}
