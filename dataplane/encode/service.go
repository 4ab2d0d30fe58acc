// SPDX-License-Identifier: Apache-2.0

package encode

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
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

// services makes the rows of frontends, of their places and of backends, from those that
// the last index has: only services that differ are looked at. What a service that changes
// chooses from is another block: no packet meets half of either.
func (e *encoder) services(before Index) error {
	gone, come := Differing(before.services, e.host.Services)
	e.index.services, e.index.choices, e.index.backends = e.host.Services, before.choices, before.backends
	e.index.outside = e.host.Outside
	if before.rows != nil && len(gone)+len(come)+len(before.outside)+len(e.host.Outside) == 0 {
		e.rows.Services, e.rows.Blocks = before.rows, before.Blocks
	} else {
		e.rows.Services, e.rows.Blocks = cloned(before.rows), cloned(before.Blocks)
		e.index.choices, e.index.backends = slices.Clone(before.choices), slices.Clone(before.backends)
	}
	e.index.rows, e.index.Blocks = e.rows.Services, e.rows.Blocks
	if e.index.Served == nil {
		e.index.Served = map[uint32]bool{}
	}
	d := difference{before: before.Blocks, rows: map[bpf.RowServiceKey]bool{}, gone: Blocks{}, come: Blocks{}}
	e.retire(gone, before, &d)
	e.retireOutside(before, &d)
	for _, s := range come {
		if err := e.serve(s, &d); err != nil {
			return fmt.Errorf("service %s: %w", s.Name, err)
		}
	}
	if err := e.outside(&d); err != nil {
		return err
	}
	e.unaddress(&d)
	for _, b := range d.gone {
		e.index.choices.free(b.choices())
		e.index.backends.free(b.backends())
	}
	e.rows.Change = d.change(before, e.rows)
	return nil
}

// cloned is a copy that is a map, if of none.
func cloned[M ~map[K]V, K comparable, V any](m M) M {
	if m == nil {
		return M{}
	}
	return maps.Clone(m)
}

// retire takes out the rows of services that are gone or changed, but those of their
// addresses, and their blocks.
func (e *encoder) retire(gone []state.Service, before Index, d *difference) {
	for _, s := range gone {
		d.gone[s.Name] = before.Blocks[s.Name]
		delete(e.rows.Blocks, s.Name)
		for _, f := range s.Frontends {
			d.rows[Service(s.VNI, f, s.Protocol)] = true
			delete(e.rows.Services, Service(s.VNI, f, s.Protocol))
			d.addresses = append(d.addresses, address(s, f))
		}
		if s.Affinity > 0 {
			for _, b := range s.Backends {
				key := BackendOf(before.Affine[s.Name], b)
				d.rows[key] = true
				delete(e.rows.Services, key)
			}
		}
	}
}

// retireOutside takes out the rows of all services for the outside: where their backends
// are is numbers of hosts, which may be others now.
func (e *encoder) retireOutside(before Index, d *difference) {
	for _, s := range before.outside {
		d.gone[s.Name] = before.Blocks[s.Name]
		delete(e.rows.Blocks, s.Name)
		for _, f := range s.Frontends {
			d.rows[Service(0, f, s.Protocol)] = true
			delete(e.rows.Services, Service(0, f, s.Protocol))
		}
	}
}

// serve puts in the rows of one that has come or changed.
func (e *encoder) serve(s state.Service, d *difference) error {
	b, err := e.place(s.Name, Block{Places: s.Table, Backends: s.Backends}, d)
	if err != nil {
		return err
	}
	e.index.Served[s.VNI] = true
	return e.frontends(s, b, d)
}

// place is a block with its place: where it was, as long as it has the same in it, or
// elsewhere.
func (e *encoder) place(name string, b Block, d *difference) (Block, error) {
	if _, twice := e.rows.Blocks[name]; twice {
		return b, errors.New("there are two of that name")
	}
	if was, ok := d.before[name]; ok && was.same(b) {
		b = was // which has been checked
		delete(d.gone, name)
	} else if err := checkBlock(b); err != nil {
		return b, err
	} else {
		b.First, b.FirstBackend = e.index.choices.take(b.choices().rows), e.index.backends.take(b.backends().rows)
		d.come[name] = b
	}
	e.rows.Blocks[name] = b
	return b, nil
}

func (e *encoder) frontends(s state.Service, b Block, d *difference) error {
	row := bpf.RowService{First: b.First, Places: uint32(len(b.Places)), Backends: b.FirstBackend}
	set := func(key bpf.RowServiceKey, row bpf.RowService) {
		d.rows[key] = true
		e.rows.Services[key] = row
	}
	if s.Affinity > 0 {
		row.Number, row.Affinity = e.index.Affine[s.Name], uint32(s.Affinity/time.Second)
		for _, b := range s.Backends {
			set(BackendOf(row.Number, b), bpf.RowService{})
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
		set(key, row)
		set(address(s, f), bpf.RowService{})
	}
	return nil
}

// address is the key that says that an address has services.
func address(s state.Service, f netip.AddrPort) bpf.RowServiceKey {
	return Service(s.VNI, netip.AddrPortFrom(f.Addr(), 0), 0)
}

// unaddress takes out the rows of addresses that have no service any more.
func (e *encoder) unaddress(d *difference) {
	left := map[bpf.RowServiceKey]bool{}
	for _, key := range d.addresses {
		if !d.rows[key] { // nobody has it anew
			left[key] = true
		}
	}
	if len(left) == 0 {
		return
	}
	for _, s := range e.host.Services {
		for _, f := range s.Frontends {
			delete(left, address(s, f))
		}
	}
	for key := range left {
		d.rows[key] = true
		delete(e.rows.Services, key)
	}
}
