// SPDX-License-Identifier: Apache-2.0

// Package steps counts what a packet makes a program do: instructions, loads and
// stores, branches and helper calls, by file and line of the C.
//
// It walks the object's own instructions, one packet at a time, in Go. Rows come
// from maps that production's own tables filled in. Unlike time, the counts are
// the same on every machine and in every run, so a golden file holds them.
//
// Contract: the subset of the instruction set that clang makes of our C, and the
// helpers that our fast paths call; anything else is an error, never a guess. What
// the verifier removes is not counted: jumps on load-time constants, and on pointers
// of the stack that are NULL (the record of a simulation is one).
package steps

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
)

// Rows reads a row of a map; nil where there is none.
type Rows interface {
	Row(table string, key []byte) ([]byte, error)
}

// Where things stand in the machine's memory.
const (
	memory   = 1 << 20
	stack    = 0x10000 // frames of 512 bytes, growing down
	context  = 0x20000
	frame    = 0x30000 // of the packet
	headroom = 512
	rows     = 0x50000 // and up
	device   = 1       // that every packet comes in by
	limit    = 1 << 16 // instructions of one packet
)

// Action is what a program of XDP returned.
type Action uint64

// machine runs one packet.
type machine struct {
	programs  map[string]*ebpf.ProgramSpec
	slots     func(uint32) string
	maps      map[string]*ebpf.MapSpec
	variables map[string]*ebpf.VariableSpec
	source    Rows
	code      []asm.Instruction
	offsets   map[asm.RawInstructionOffset]int
	at        []asm.RawInstructionOffset
	symbols   map[string]int
	memory    []byte
	next      uint64 // free memory
	held      map[string]uint64
	registers [11]uint64
	constant  [11]bool        // known to the verifier
	spilled   map[uint64]bool // pointers on the stack that are NULL for good
	count     *Count
}

// Run counts what a program does with a packet, and those that it hands the packet over
// to, and returns what they decide. Constants are of the object's, by name; next names
// the program in a slot.
func Run(object *ebpf.CollectionSpec, program string, packet []byte, source Rows, next func(slot uint32) string) (Count, Action, error) {
	m := &machine{
		programs: object.Programs, slots: next, maps: object.Maps, variables: object.Variables, source: source,
		memory: make([]byte, memory), next: rows, held: map[string]uint64{}, count: newCount(),
	}
	m.place(packet)
	err := m.enter(program)
	if err == nil {
		err = m.function(0)
	}
	if err != nil {
		return Count{}, 0, fmt.Errorf("count the steps of %s: %w", program, err)
	}
	return *m.count, Action(m.registers[asm.R0]), nil
}

// enter makes the machine stand before a program.
func (m *machine) enter(program string) error {
	spec := m.programs[program]
	if spec == nil {
		return fmt.Errorf("the object has no program %s", program)
	}
	m.code, m.at = nil, nil
	m.offsets, m.symbols, m.spilled = map[asm.RawInstructionOffset]int{}, map[string]int{}, map[uint64]bool{}
	m.constant = [11]bool{}
	iterator := spec.Instructions.Iterate()
	for iterator.Next() {
		m.offsets[iterator.Offset] = len(m.code)
		m.at = append(m.at, iterator.Offset)
		if s := iterator.Ins.Symbol(); s != "" {
			m.symbols[s] = len(m.code)
		}
		m.code = append(m.code, *iterator.Ins)
	}
	m.registers[asm.R1], m.registers[asm.R10] = context, stack
	return nil
}

// place puts the packet and the context into memory.
func (m *machine) place(packet []byte) {
	copy(m.memory[frame+headroom:], packet)
	m.put(context, 4, frame+headroom)
	m.put(context+4, 4, uint64(frame+headroom+len(packet)))
	m.put(context+8, 4, frame+headroom)
	m.put(context+12, 4, device)
}

func (m *machine) put(at uint64, size int, v uint64) {
	var word [8]byte
	binary.LittleEndian.PutUint64(word[:], v)
	copy(m.memory[at:], word[:size])
}

func (m *machine) get(at uint64, size int) uint64 {
	var word [8]byte
	copy(word[:], m.memory[at:at+uint64(size)])
	return binary.LittleEndian.Uint64(word[:])
}

var errTooLong = errors.New("the program does not end")

// function runs from an instruction to the exit of its frame.
func (m *machine) function(pc int) error {
	for {
		if pc < 0 || pc >= len(m.code) {
			return fmt.Errorf("a jump to nowhere, %d", pc)
		}
		ins := &m.code[pc]
		next, done, err := m.step(pc, ins)
		if err != nil {
			return fmt.Errorf("instruction %d, %v: %w", pc, ins, err)
		}
		if done {
			return nil
		}
		if m.count.Instructions > limit {
			return errTooLong
		}
		pc = next
	}
}

func (m *machine) step(pc int, ins *asm.Instruction) (next int, done bool, err error) {
	m.count.see(ins)
	op := ins.OpCode
	switch class := op.Class(); {
	case class == asm.LdClass:
		return pc + 1, false, m.immediate(ins)
	case class == asm.LdXClass:
		return pc + 1, false, m.load(ins)
	case class == asm.StClass || class == asm.StXClass:
		return pc + 1, false, m.store(ins)
	case class.IsALU():
		m.count.Instructions++
		return pc + 1, false, m.compute(ins)
	case op.JumpOp() == asm.Exit:
		m.count.Instructions++
		return 0, true, nil
	case ins.IsBuiltinCall() && asm.BuiltinFunc(ins.Constant) == asm.FnTailCall:
		m.count.Instructions++
		m.count.call(asm.FnTailCall)
		return 0, false, m.enter(m.slots(uint32(m.registers[asm.R3])))
	case op.JumpOp() == asm.Call:
		return pc + 1, false, m.call(ins)
	case op.JumpOp() == asm.Ja:
		m.count.Instructions++
		return m.jump(pc, ins), false, nil
	default:
		return m.branch(pc, ins)
	}
}

func (m *machine) jump(pc int, ins *asm.Instruction) int {
	to := m.at[pc] + asm.RawInstructionOffset(ins.Size()/asm.InstructionSize) + asm.RawInstructionOffset(ins.Offset)
	if at, ok := m.offsets[to]; ok {
		return at
	}
	return -1
}

// immediate is a load of 64 bits: a constant, a map, or a place in a section.
func (m *machine) immediate(ins *asm.Instruction) error {
	m.count.Instructions++
	name := ins.Reference()
	m.constant[ins.Dst] = false
	if name == "" {
		m.registers[ins.Dst] = uint64(ins.Constant)
		return nil
	}
	spec := m.maps[name]
	if spec == nil {
		return fmt.Errorf("the object has no map %s", name)
	}
	if ins.Src == asm.PseudoMapValue {
		at, err := m.section(spec)
		m.registers[ins.Dst] = at + uint64(ins.Constant>>32)
		return err
	}
	m.registers[ins.Dst] = m.handle(name)
	return nil
}
