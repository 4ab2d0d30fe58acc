// SPDX-License-Identifier: Apache-2.0

package encode

import (
	"errors"
	"fmt"
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
	d := difference{before: before.Blocks, rows: map[bpf.RowServiceKey]bool{}, gone: Blocks{}, come: Blocks{}}
	d.was, d.is = Differing(before.services, e.host.Services)
	gatesGone, gatesCome := e.differingGates(before)
	e.index.services, e.index.outside = e.host.Services, e.host.Outside
	e.index.choices, e.index.backends = slices.Clone(before.choices), slices.Clone(before.backends)
	e.frontends, e.blocks = before.rows.edit(), before.Blocks.edit()
	if e.index.Served == nil {
		e.index.Served = map[uint32]bool{}
	}
	e.retire(d.was, before, &d)
	e.retireGates(gatesGone, &d)
	for _, s := range d.is {
		if err := e.serve(s, &d); err != nil {
			return fmt.Errorf("service %s: %w", s.Name, err)
		}
	}
	if err := e.outside(gatesCome, &d); err != nil {
		return err
	}
	e.unaddress(&d)
	for _, b := range d.gone {
		e.index.choices.free(b.choices())
		e.index.backends.free(b.backends())
	}
	e.rows.Services, e.rows.Blocks = e.frontends.Kept, e.blocks.Kept
	e.index.rows, e.index.Blocks = e.rows.Services, e.rows.Blocks
	e.rows.Change = d.change(before, e.rows)
	return nil
}

// retire takes out the rows of services that are gone or changed, but those of their
// addresses, and their blocks.
func (e *encoder) retire(gone []state.Service, before Index, d *difference) {
	for _, s := range gone {
		e.giveUp(s.Name, d)
		for _, f := range s.Frontends {
			d.rows[Service(s.VNI, f, s.Protocol)] = true
			e.frontends.drop(Service(s.VNI, f, s.Protocol))
			d.addresses = append(d.addresses, address(s, f))
		}
		if s.Affinity > 0 {
			for _, b := range s.Backends {
				key := BackendOf(before.Affine[s.Name], b)
				d.rows[key] = true
				e.frontends.drop(key)
			}
		}
	}
}

// retireGates does so for services of the outside.
func (e *encoder) retireGates(gone []state.OutsideService, d *difference) {
	for _, s := range gone {
		e.giveUp(s.Name, d)
		for _, f := range s.Frontends {
			d.rows[Service(0, f, s.Protocol)] = true
			e.frontends.drop(Service(0, f, s.Protocol))
		}
	}
}

// giveUp takes out the block of a name.
func (e *encoder) giveUp(name string, d *difference) {
	d.gone[name], _ = d.before.Get(name)
	e.blocks.drop(name)
}

// serve puts in the rows of one that has come or changed.
func (e *encoder) serve(s state.Service, d *difference) error {
	b, err := e.place(s.Name, Block{Places: s.Table, Backends: s.Backends}, d)
	if err != nil {
		return err
	}
	e.index.Served[s.VNI] = true
	return e.frontendsOf(s, b, d)
}

// place is a block with its place: where it was, as long as it has the same in it, or
// elsewhere.
func (e *encoder) place(name string, b Block, d *difference) (Block, error) {
	if _, twice := e.blocks.Get(name); twice {
		return b, errors.New("there are two of that name")
	}
	if was, ok := d.before.Get(name); ok && was.same(b) {
		b = was // which has been checked
		delete(d.gone, name)
	} else if err := checkBlock(b); err != nil {
		return b, err
	} else {
		b.First, b.FirstBackend = e.index.choices.take(b.choices().rows), e.index.backends.take(b.backends().rows)
		d.come[name] = b
	}
	e.blocks.put(name, b)
	return b, nil
}

func (e *encoder) frontendsOf(s state.Service, b Block, d *difference) error {
	row := bpf.RowService{First: b.First, Places: uint32(len(b.Places)), Backends: b.FirstBackend}
	set := func(key bpf.RowServiceKey, row bpf.RowService) {
		d.rows[key] = true
		e.frontends.put(key, row)
	}
	if s.Affinity > 0 {
		row.Number, row.Affinity = e.index.Affine[s.Name], uint32(s.Affinity/time.Second)
		for _, b := range s.Backends {
			set(BackendOf(row.Number, b), bpf.RowService{})
		}
	}
	for _, f := range s.Frontends {
		key := Service(s.VNI, f, s.Protocol)
		if _, ok := e.frontends.Get(key); ok {
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
		e.frontends.drop(key)
	}
}
