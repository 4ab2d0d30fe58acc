// SPDX-License-Identifier: Apache-2.0

package encode

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/dataplane/state"
)

// places are how many of them one row of the map choices has.
const places = len(bpf.RowChoices{}.Backend)

// Block is where a service's places and backends stand, and what they are: rows of the
// map choices from First on, and rows of backends.
type Block struct {
	First, FirstBackend uint32
	Places              []uint16
	Backends            []bpf.RowBackend
}

// same says whether two blocks have the same in them.
func (b Block) same(other Block) bool {
	return slices.Equal(b.Places, other.Places) && slices.Equal(b.Backends, other.Backends)
}

// choices and backends are the rows that the block takes.
func (b Block) choices() span  { return span{b.First, uint32((len(b.Places) + places - 1) / places)} }
func (b Block) backends() span { return span{b.FirstBackend, uint32(len(b.Backends))} }

// Service is the key of a frontend; without a port and a protocol that of an address
// which has some.
func Service(vni uint32, at netip.AddrPort, protocol uint8) bpf.RowServiceKey {
	return bpf.RowServiceKey{Vni: vni, Addr: at.Addr().As16(), Port: network16(at.Port()), Protocol: protocol}
}

// backendOf stands in the place of the VNI in keys of backends of services with affinity.
const backendOf = 1 << 31

// BackendOf is the key that says that a backend is one of a service with affinity, by the
// number of that.
func BackendOf(number uint32, at netip.AddrPort) bpf.RowServiceKey {
	return Service(backendOf|number, at, 0)
}

// affine are the names of services with affinity.
func affine(services []state.Service) (names []string) {
	for _, s := range services {
		if s.Affinity > 0 {
			names = append(names, s.Name)
		}
	}
	return names
}

// services makes the rows of frontends, of their places and of backends. What a service
// that changes chooses from is another block: no packet meets half of either.
func (e *encoder) services(before Index) error {
	e.index.Blocks = make(map[string]Block, len(e.host.Services))
	if e.index.Served == nil {
		e.index.Served = map[uint32]bool{}
	}
	room := e.room(before)
	for _, s := range e.host.Services {
		if err := checkService(s); err != nil {
			return fmt.Errorf("service %s: %w", s.Name, err)
		}
		b := room.put(s.Name, Block{Places: s.Table, Backends: plainBackends(s.Backends)})
		e.index.Served[s.VNI] = true
		if err := e.frontends(s, b); err != nil {
			return fmt.Errorf("service %s: %w", s.Name, err)
		}
	}
	return e.outside(room)
}

func checkService(s state.Service) error {
	for _, b := range s.Backends {
		if b.Port() == 0 {
			return fmt.Errorf("backend %s has no port", b)
		}
	}
	return checkTable(s.Table, len(s.Backends))
}

// checkTable says what is wrong with the places of so many backends.
func checkTable(table []uint16, backends int) error {
	if (len(table) == 0) != (backends == 0) {
		return fmt.Errorf("%d places for %d backends: either has some, or neither", len(table), backends)
	}
	for i, place := range table {
		if int(place) >= backends {
			return fmt.Errorf("place %d is of backend %d, and there are %d", i, place, backends)
		}
	}
	return nil
}

// plainBackends are the rows of backends that are not said to be anywhere.
func plainBackends(all []netip.AddrPort) []bpf.RowBackend {
	rows := make([]bpf.RowBackend, len(all))
	for i, at := range all {
		rows[i] = bpf.RowBackend{Addr: at.Addr().As16(), Port: network16(at.Port())}
	}
	return rows
}

// room gives blocks their places.
type room struct {
	encoder           *encoder
	before            Index
	choices, backends spans
}

func (e *encoder) room(before Index) *room {
	return &room{e, before, spansOf(before, Block.choices), spansOf(before, Block.backends)}
}

// put is a block with its place, of which it makes the rows: where it was, or elsewhere if
// it is another one.
func (r *room) put(name string, b Block) Block {
	if was, ok := r.before.Blocks[name]; ok && was.same(b) {
		b = was
	} else {
		b.First, b.FirstBackend = r.choices.take(b.choices().rows), r.backends.take(b.backends().rows)
	}
	r.encoder.index.Blocks[name] = b
	r.encoder.block(b)
	return b
}

// block makes the rows of what a service chooses from.
func (e *encoder) block(b Block) {
	for i, row := range b.Backends {
		e.rows.Backends[b.FirstBackend+uint32(i)] = row
	}
	for i := range b.choices().rows {
		var row bpf.RowChoices
		copy(row.Backend[:], b.Places[int(i)*places:])
		if row != (bpf.RowChoices{}) { // which every row is until it is written
			e.rows.Choices[b.First+i] = row
		}
	}
}

func (e *encoder) frontends(s state.Service, b Block) error {
	row := bpf.RowService{First: b.First, Places: uint32(len(b.Places)), Backends: b.FirstBackend}
	if s.Affinity > 0 {
		row.Number, row.Affinity = e.index.Affine[s.Name], uint32(s.Affinity/time.Second)
		for _, b := range s.Backends {
			e.rows.Services[BackendOf(row.Number, b)] = bpf.RowService{}
		}
	}
	for _, f := range s.Frontends {
		key := Service(s.VNI, f, s.Protocol)
		if _, ok := e.rows.Services[key]; ok {
			return fmt.Errorf("frontend %s is another service's already", f)
		}
		if f.Port() == 0 || s.Protocol == 0 {
			return fmt.Errorf("frontend %s of protocol %d: it needs a port and a protocol", f, s.Protocol)
		}
		e.rows.Services[key] = row
		e.rows.Services[Service(s.VNI, netip.AddrPortFrom(f.Addr(), 0), 0)] = bpf.RowService{}
	}
	return nil
}

// span is rows of an array.
type span struct{ first, rows uint32 }

// spans are those that are in use, in order of where they begin.
type spans []span

// spansOf are those of an index: what the next one gives back rests until the one after.
func spansOf(before Index, of func(Block) span) spans {
	used := make(spans, 0, len(before.Blocks))
	for _, b := range before.Blocks {
		if s := of(b); s.rows > 0 {
			used = append(used, s)
		}
	}
	slices.SortFunc(used, func(a, b span) int { return cmp.Compare(a.first, b.first) })
	return used
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
