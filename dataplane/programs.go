// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"

	"github.com/cilium/ebpf"

	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/dataplane/state"
)

// object is one of the objects of programs, and the program of it that packets
// arrive at.
type object struct {
	entry string
	read  func() (*ebpf.CollectionSpec, error)
}

// objects are the uplink's and the endpoints' programs in each form.
var objects = map[state.Form]struct{ uplink, endpoint object }{
	state.FormXDP: {object{"uplink", bpf.LoadUplink}, object{"endpoint", bpf.LoadEndpoint}},
	state.FormTCX: {object{"uplink", bpf.LoadUplinkTCX}, object{"endpoint_tcx", bpf.LoadEndpointTCX}},
}

// programs are those of one form.
type programs struct {
	// uplink and endpoint are those that packets arrive at; nil: not asked for yet.
	uplink, endpoint *ebpf.Program
	// next are those that packets are handed over to, by name.
	next map[string]*ebpf.Program
	// slots is the map that those are found in: of programs of one type, so that
	// each form has its own.
	slots *ebpf.Map
}

// in are the programs of a form, of which none needs to be loaded yet.
func (l *loader) in(f state.Form) (*programs, error) {
	if p := l.programs[f]; p != nil {
		return p, nil
	}
	if _, ok := objects[f]; !ok {
		return nil, fmt.Errorf("programs in form %q: there are %v", f, state.Forms())
	}
	p := &programs{next: map[string]*ebpf.Program{}}
	var err error
	if p.slots, err = l.makeMap(l.rows.Maps[bpf.RowMapPrograms]); err != nil {
		return nil, err
	}
	if l.pins != "" {
		if err := p.pin(l.pins, f); err != nil {
			return nil, errors.Join(err, p.close())
		}
	}
	l.programs[f] = p
	return p, nil
}

// uplink is the uplink's program in a form; it is loaded when first asked for.
func (l *loader) uplink(f state.Form) (*ebpf.Program, error) {
	f = f.Or(state.FormXDP)
	p, err := l.in(f)
	if err == nil && p.uplink == nil {
		p.uplink, err = l.fill(p, objects[f].uplink)
	}
	if err != nil {
		return nil, fmt.Errorf("uplink's program in form %s: %w", f, err)
	}
	return p.uplink, nil
}

// endpoint is the endpoints' program in a form; it is loaded when first asked for.
func (l *loader) endpoint(f state.Form) (*ebpf.Program, error) {
	f = f.Or(state.FormXDP)
	p, err := l.in(f)
	if err == nil && p.endpoint == nil {
		p.endpoint, err = l.fill(p, objects[f].endpoint)
	}
	if err != nil {
		return nil, fmt.Errorf("endpoint program in form %s: %w", f, err)
	}
	return p.endpoint, nil
}

// fill loads an object, puts the programs that packets are handed over to where
// others look for them, and returns the one that packets arrive at.
func (l *loader) fill(p *programs, o object) (*ebpf.Program, error) {
	all, err := l.object(o, p.slots)
	if err != nil {
		return nil, err
	}
	entry := all[o.entry]
	delete(all, o.entry)
	maps.Copy(p.next, all) // from here on close has them
	for name, next := range all {
		slot, ok := slotOf(name)
		if !ok {
			err = fmt.Errorf("program %s: map %s has no slot for it", name, bpf.RowMapPrograms)
		} else if failed := p.slots.Put(uint32(slot), uint32(next.FD())); failed != nil {
			err = fmt.Errorf("put program %s into map %s: %w", name, bpf.RowMapPrograms, failed)
		}
		if err != nil {
			return nil, errors.Join(err, entry.Close())
		}
	}
	return entry, nil
}

// slotOf is where a program is looked for that others hand packets over to.
func slotOf(name string) (bpf.RowProgram, bool) {
	for slot := range bpf.RowProgramPROGRAM_MAX {
		if slot.String() == name {
			return slot, true
		}
	}
	return 0, false
}

// pin keeps the map of programs in a folder.
func (p *programs) pin(dir string, f state.Form) error {
	name := bpf.RowMapPrograms
	if f != state.FormXDP {
		name += "_" + string(f)
	}
	if err := p.slots.Pin(filepath.Join(dir, name)); err != nil {
		return fmt.Errorf("pin map %s: %w", name, err)
	}
	return nil
}

func (p *programs) close() error {
	failed := errors.Join(p.uplink.Close(), p.endpoint.Close(), p.slots.Close())
	for _, next := range p.next {
		failed = errors.Join(failed, next.Close())
	}
	return failed
}

// Uplink is the program for the uplink, in its XDP form.
func (d *Datapath) Uplink() *ebpf.Program { return d.loaded.programs[state.FormXDP].uplink }

// UplinkIn is the program for the uplink in a form. Forms but XDP's are loaded
// when they are first asked for, with the same maps.
func (d *Datapath) UplinkIn(f state.Form) (*ebpf.Program, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.loaded.uplink(f)
}

// Endpoint is the program for every endpoint's port, in its XDP form.
func (d *Datapath) Endpoint() *ebpf.Program { return d.loaded.programs[state.FormXDP].endpoint }

// EndpointIn is the program for endpoints' ports in a form. Forms but XDP's are
// loaded when they are first asked for, with the same maps.
func (d *Datapath) EndpointIn(f state.Form) (*ebpf.Program, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.loaded.endpoint(f)
}

// Next are the programs that those of a form hand rare packets over to, by name.
func (d *Datapath) Next(f state.Form) (map[string]*ebpf.Program, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, err := d.loaded.uplink(f)
	if err == nil {
		_, err = d.loaded.endpoint(f)
	}
	if err != nil {
		return nil, err
	}
	return maps.Clone(d.loaded.programs[f.Or(state.FormXDP)].next), nil
}

// Pin keeps what must outlive the process in a folder of a BPF filesystem, where
// nothing of the kind may be yet: the maps of programs that packets are handed over
// to. The kernel empties one when no process and no pin has it, although programs
// at devices use it; all other maps those keep as they are. Forms that are loaded
// later follow. Whoever removes the files ends it.
func (d *Datapath) Pin(dir string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for f, p := range d.loaded.programs {
		if err := p.pin(dir, f); err != nil {
			return err
		}
	}
	d.loaded.pins = dir
	return nil
}
