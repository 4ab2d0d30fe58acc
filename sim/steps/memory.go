// SPDX-License-Identifier: Apache-2.0

package steps

import (
	"fmt"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
)

// handles are what a map is known by in a register: no address in memory.
const handles = 1 << 32

// section is where the contents of .rodata and its like stand.
func (m *machine) section(spec *ebpf.MapSpec) (uint64, error) {
	if at, ok := m.held[spec.Name]; ok {
		return at, nil
	}
	if len(spec.Contents) != 1 {
		return 0, fmt.Errorf("section %s has %d rows, not 1", spec.Name, len(spec.Contents))
	}
	value, ok := spec.Contents[0].Value.([]byte)
	if !ok {
		return 0, fmt.Errorf("section %s: its value is no bytes", spec.Name)
	}
	at := m.hold(spec.Name, value)
	for _, v := range m.variables {
		if v.SectionName == spec.Name {
			copy(m.memory[at+uint64(v.Offset):], v.Value)
		}
	}
	return at, nil
}

// hold copies a row into memory, once.
func (m *machine) hold(name string, value []byte) uint64 {
	at := m.next
	copy(m.memory[at:], value)
	m.next += uint64(len(value)+15) &^ 15
	m.held[name] = at
	return at
}

// handle is a map's; the name comes back by mapOf.
func (m *machine) handle(name string) uint64 {
	key := "map " + name
	if _, ok := m.held[key]; !ok {
		m.held[key] = handles + uint64(len(m.held))
	}
	return m.held[key]
}

func (m *machine) mapOf(handle uint64) (*ebpf.MapSpec, error) {
	for name, h := range m.held {
		if short, ok := strings.CutPrefix(name, "map "); ok && h == handle {
			return m.maps[short], nil
		}
	}
	return nil, fmt.Errorf("%#x is no map", handle)
}

// lookup is the address of a row; 0: there is none.
func (m *machine) lookup(spec *ebpf.MapSpec, key uint64) (uint64, error) {
	bytes := m.memory[key : key+uint64(spec.KeySize)]
	name := fmt.Sprintf("row %s %x", spec.Name, bytes)
	if at, ok := m.held[name]; ok {
		return at, nil
	}
	if spec.Type == ebpf.PerCPUArray {
		return m.hold(name, make([]byte, spec.ValueSize)), nil
	}
	row, err := m.source.Row(spec.Name, bytes)
	if err != nil {
		return 0, fmt.Errorf("row of %s: %w", spec.Name, err)
	}
	if row == nil {
		m.held[name] = 0
		return 0, nil
	}
	return m.hold(name, row), nil
}

func (m *machine) address(at uint64, size int) error {
	if at < stack-8*512 || at+uint64(size) > memory {
		return fmt.Errorf("no memory at %#x", at)
	}
	return nil
}

func (m *machine) load(ins *asm.Instruction) error {
	size := ins.OpCode.Size().Sizeof()
	at := m.registers[ins.Src] + uint64(int64(ins.Offset))
	if err := m.address(at, size); err != nil {
		return err
	}
	m.count.Instructions++
	m.count.Loads++
	m.registers[ins.Dst] = m.get(at, size)
	rodata, ok := m.held[".rodata"]
	m.constant[ins.Dst] = ok && at >= rodata && at < rodata+uint64(m.maps[".rodata"].ValueSize) ||
		size == 8 && m.spilled[at]
	return nil
}

func (m *machine) store(ins *asm.Instruction) error {
	size := ins.OpCode.Size().Sizeof()
	at := m.registers[ins.Dst] + uint64(int64(ins.Offset))
	if ins.OpCode.Mode() != asm.MemMode {
		return fmt.Errorf("an atomic store")
	}
	if err := m.address(at, size); err != nil {
		return err
	}
	m.count.Instructions++
	m.count.Stores++
	v := uint64(ins.Constant)
	if ins.OpCode.Class() == asm.StXClass {
		v = m.registers[ins.Src]
	}
	m.put(at, size, v)
	if size == 8 {
		m.spilled[at] = v == 0
	}
	return nil
}
