// SPDX-License-Identifier: Apache-2.0

package attached

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/cilium/ebpf"

	"github.com/mizar-net/mizar/bpf"
)

// mapsOf opens the wanted maps of a program and of those that it hands packets over
// to, by name; nil if the program is not Mizar's, or is gone.
func mapsOf(program ebpf.ProgramID) (map[string]*ebpf.Map, error) {
	c := collection{programs: map[ebpf.ProgramID]bool{}, maps: map[string]*ebpf.Map{}}
	err := c.program(program)
	if err == nil && c.maps[bpf.RowMapFlows] != nil {
		return c.maps, nil
	}
	for _, m := range c.maps {
		err = errors.Join(err, m.Close())
	}
	return nil, err
}

// collection is what was met on the way from a program.
type collection struct {
	programs map[ebpf.ProgramID]bool
	maps     map[string]*ebpf.Map
}

// program follows a program to its maps.
func (c *collection) program(id ebpf.ProgramID) error {
	if c.programs[id] {
		return nil
	}
	c.programs[id] = true
	p, err := ebpf.NewProgramFromID(id)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("open program %d (root is needed): %w", id, err)
	}
	defer p.Close()
	info, err := p.Info()
	if err != nil {
		return fmt.Errorf("ask what program %d is: %w", id, err)
	}
	maps, _ := info.MapIDs()
	for _, m := range maps {
		if err := c.meet(m); err != nil {
			return fmt.Errorf("program %s: %w", info.Name, err)
		}
	}
	return nil
}

// meet keeps a map that is wanted, and follows one of programs.
func (c *collection) meet(id ebpf.MapID) error {
	m, err := ebpf.NewMapFromID(id)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("open map %d: %w", id, err)
	}
	info, err := m.Info()
	if err != nil {
		return errors.Join(fmt.Errorf("ask what map %d is: %w", id, err), m.Close())
	}
	if m.Type() == ebpf.ProgramArray {
		return errors.Join(c.follow(m), m.Close())
	}
	if c.maps[info.Name] != nil || !slices.Contains(wanted, info.Name) {
		return m.Close()
	}
	c.maps[info.Name] = m
	return nil
}

// follow meets the programs in an array of them.
func (c *collection) follow(m *ebpf.Map) error {
	for slot := range m.MaxEntries() {
		var id uint32
		err := m.Lookup(slot, &id)
		if errors.Is(err, ebpf.ErrKeyNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("read slot %d of programs: %w", slot, err)
		}
		if err := c.program(ebpf.ProgramID(id)); err != nil {
			return err
		}
	}
	return nil
}
