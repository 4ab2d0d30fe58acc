// SPDX-License-Identifier: Apache-2.0

package encode

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/dataplane/state"
)

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
	e.index.Blocks = e.rows.Blocks
	if e.index.Served == nil {
		e.index.Served = map[uint32]bool{}
	}
	room := e.room(before)
	for _, s := range e.host.Services {
		b, err := room.put(s.Name, Block{Places: s.Table, Backends: s.Backends})
		if err != nil {
			return fmt.Errorf("service %s: %w", s.Name, err)
		}
		e.index.Served[s.VNI] = true
		if err := e.frontends(s, b); err != nil {
			return fmt.Errorf("service %s: %w", s.Name, err)
		}
	}
	return e.outside(room)
}

// room gives blocks their places.
type room struct {
	before, now       Blocks
	choices, backends spans
}

func (e *encoder) room(before Index) *room {
	return &room{before.Blocks, e.rows.Blocks, spansOf(before, Block.choices), spansOf(before, Block.backends)}
}

// put is a block with its place: where it was, or elsewhere if it is another one.
func (r *room) put(name string, b Block) (Block, error) {
	if was, ok := r.before[name]; ok && was.same(b) {
		b = was // which has been checked
	} else if err := checkBlock(b); err != nil {
		return b, err
	} else {
		b.First, b.FirstBackend = r.choices.take(b.choices().rows), r.backends.take(b.backends().rows)
	}
	r.now[name] = b
	return b, nil
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
