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

// uplink is the uplink's programs in one form.
type uplink struct {
	program *ebpf.Program
	// next are the programs that it hands packets over to, by name.
	next map[string]*ebpf.Program
	// programs is the map that they are found in: of programs of one type, so
	// that each form has its own.
	programs *ebpf.Map
}

// uplink is the uplink's programs in a form; they are loaded when first asked for.
func (l *loader) uplink(f state.Form) (*uplink, error) {
	f = f.Or(state.FormXDP)
	if u := l.uplinks[f]; u != nil {
		return u, nil
	}
	of, ok := forms[f]
	if !ok {
		return nil, fmt.Errorf("uplink's program in form %q: there are %v", f, state.Forms())
	}
	u := &uplink{}
	err := u.load(l, of.uplink)
	if err == nil && l.pins != "" {
		err = u.pin(l.pins, f)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("uplink's program in form %s: %w", f, err), u.close())
	}
	l.uplinks[f] = u
	return u, nil
}

func (u *uplink) load(l *loader, read func() (*ebpf.CollectionSpec, error)) error {
	var err error
	if u.programs, err = l.makeMap(l.rows.Maps[bpf.RowMapPrograms]); err != nil {
		return err
	}
	with := maps.Clone(l.maps)
	with[bpf.RowMapPrograms] = u.programs
	all, err := l.programs("uplink", read, with)
	if err != nil {
		return err
	}
	u.program, u.next = all["uplink"], all
	delete(u.next, "uplink")
	return u.fill()
}

// fill puts the programs that others hand packets over to where those look for
// them.
func (u *uplink) fill() error {
	for slot := range bpf.RowProgramPROGRAM_MAX {
		p := u.next[slot.String()]
		if p == nil {
			return fmt.Errorf("slot %d of map %s: no object has a program %s", slot, bpf.RowMapPrograms, slot)
		}
		if err := u.programs.Put(uint32(slot), uint32(p.FD())); err != nil {
			return fmt.Errorf("put program %s into map %s: %w", slot, bpf.RowMapPrograms, err)
		}
	}
	return nil
}

// pin keeps the map of programs in a folder.
func (u *uplink) pin(dir string, f state.Form) error {
	name := bpf.RowMapPrograms
	if f != state.FormXDP {
		name += "_" + string(f)
	}
	if err := u.programs.Pin(filepath.Join(dir, name)); err != nil {
		return fmt.Errorf("pin map %s: %w", name, err)
	}
	return nil
}

func (u *uplink) close() error {
	failed := errors.Join(u.program.Close(), u.programs.Close())
	for _, p := range u.next {
		failed = errors.Join(failed, p.Close())
	}
	return failed
}

// Uplink is the program for the uplink, in its XDP form.
func (d *Datapath) Uplink() *ebpf.Program { return d.loaded.uplinks[state.FormXDP].program }

// UplinkIn is the program for the uplink in a form. Forms but XDP's are loaded
// when they are first asked for, with the same maps.
func (d *Datapath) UplinkIn(f state.Form) (*ebpf.Program, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	u, err := d.loaded.uplink(f)
	if err != nil {
		return nil, err
	}
	return u.program, nil
}

// Next are the programs that the uplink's hands rare packets over to in a form, by
// name.
func (d *Datapath) Next(f state.Form) (map[string]*ebpf.Program, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	u, err := d.loaded.uplink(f)
	if err != nil {
		return nil, err
	}
	return maps.Clone(u.next), nil
}

// Pin keeps what must outlive the process in a folder of a BPF filesystem, where
// nothing of the kind may be yet: the maps of programs that packets are handed over
// to. The kernel empties one when no process and no pin has it, although programs
// at devices use it; all other maps those keep as they are. Forms that are loaded
// later follow. Whoever removes the files ends it.
func (d *Datapath) Pin(dir string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for f, u := range d.loaded.uplinks {
		if err := u.pin(dir, f); err != nil {
			return err
		}
	}
	d.loaded.pins = dir
	return nil
}
