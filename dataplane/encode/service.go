// SPDX-License-Identifier: Apache-2.0

package encode

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/dataplane/state"
)

// places are how many of them one row of the map choices has.
const places = len(bpf.RowChoices{}.Backend)

// Block is where the places of a service stand: rows of the map choices from First on,
// and what is in them, numbers of backends.
type Block struct {
	First  uint32
	Places []uint32
}

// rows is how many rows of choices the block takes.
func (b Block) rows() uint32 { return uint32((len(b.Places) + places - 1) / places) }

// Service is the key of a frontend; without a port and a protocol that of an address
// which has some.
func Service(vni uint32, at netip.AddrPort, protocol uint8) bpf.RowServiceKey {
	return bpf.RowServiceKey{Vni: vni, Addr: at.Addr().As16(), Port: network16(at.Port()), Protocol: protocol}
}

// services makes the rows of frontends, of their places and of backends. The places of
// a service that changes are another block: no packet meets half of either.
func (e *encoder) services(before Index) error {
	e.index.Blocks = make(map[string]Block, len(e.host.Services))
	if e.index.Served == nil {
		e.index.Served = map[uint32]bool{}
	}
	used := blocksOf(before)
	for _, s := range e.host.Services {
		numbers, err := e.backends(s)
		if err != nil {
			return fmt.Errorf("service %s: %w", s.Name, err)
		}
		b, ok := before.Blocks[s.Name]
		if !ok || !slices.Equal(b.Places, numbers) {
			b = used.take(numbers)
		}
		e.index.Blocks[s.Name], e.index.Served[s.VNI] = b, true
		e.choices(b)
		if err := e.frontends(s, b); err != nil {
			return fmt.Errorf("service %s: %w", s.Name, err)
		}
	}
	return nil
}

// backends makes the rows of a service's backends, and returns their numbers in the
// order of its places.
func (e *encoder) backends(s state.Service) ([]uint32, error) {
	if (len(s.Table) == 0) != (len(s.Backends) == 0) {
		return nil, fmt.Errorf("%d places for %d backends: either has some, or neither", len(s.Table), len(s.Backends))
	}
	of := make([]uint32, len(s.Backends))
	for i, b := range s.Backends {
		if b.Port() == 0 {
			return nil, fmt.Errorf("backend %s has no port", b)
		}
		of[i] = e.index.Backends[b.String()]
		e.rows.Backends[of[i]] = bpf.RowBackend{Addr: b.Addr().As16(), Port: network16(b.Port())}
	}
	numbers := make([]uint32, len(s.Table))
	for i, place := range s.Table {
		if int(place) >= len(of) {
			return nil, fmt.Errorf("place %d is of backend %d, and there are %d", i, place, len(of))
		}
		numbers[i] = of[place]
	}
	return numbers, nil
}

func (e *encoder) choices(b Block) {
	for i := range b.rows() {
		var row bpf.RowChoices
		copy(row.Backend[:], b.Places[int(i)*places:])
		e.rows.Choices[b.First+i] = row
	}
}

func (e *encoder) frontends(s state.Service, b Block) error {
	row := bpf.RowService{First: b.First, Places: uint32(len(b.Places))}
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

// backendNames are the backends of all services, each once.
func backendNames(services []state.Service) []string {
	all := map[netip.AddrPort]bool{}
	var names []string
	for _, s := range services {
		for _, b := range s.Backends {
			if !all[b] {
				all[b] = true
				names = append(names, b.String())
			}
		}
	}
	return names
}

// blocks are rows of choices that are in use, in order of where they begin.
type blocks []Block

// blocksOf are those of an index: those that are given back by the next one rest until
// the one after.
func blocksOf(before Index) blocks {
	var used blocks
	for _, b := range before.Blocks {
		if len(b.Places) > 0 {
			used = append(used, b)
		}
	}
	slices.SortFunc(used, func(a, b Block) int { return int(int64(a.First) - int64(b.First)) })
	return used
}

// take finds the first room for a block.
func (u *blocks) take(numbers []uint32) Block {
	b := Block{Places: numbers}
	if len(numbers) == 0 {
		return b
	}
	at := 0
	for ; at < len(*u); at++ {
		if b.First+b.rows() <= (*u)[at].First {
			break
		}
		b.First = (*u)[at].First + (*u)[at].rows()
	}
	*u = slices.Insert(*u, at, b)
	return b
}
