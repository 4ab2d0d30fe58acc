// SPDX-License-Identifier: Apache-2.0

package steps

import (
	"fmt"
	"math/bits"

	"github.com/cilium/ebpf/asm"
)

func (m *machine) operand(ins *asm.Instruction) uint64 {
	if ins.OpCode.Source() == asm.RegSource {
		return m.registers[ins.Src]
	}
	return uint64(ins.Constant)
}

// compute does arithmetic of 32 or 64 bits.
func (m *machine) compute(ins *asm.Instruction) error {
	op, wide := ins.OpCode.ALUOp(), ins.OpCode.Class() == asm.ALU64Class
	a, b := m.registers[ins.Dst], m.operand(ins)
	if op == asm.Swap {
		m.registers[ins.Dst] = swapped(ins, a)
		return nil
	}
	if op == asm.Mov {
		m.constant[ins.Dst] = ins.OpCode.Source() == asm.RegSource && m.constant[ins.Src]
		if ins.OpCode.Source() == asm.RegSource && ins.Offset != 0 {
			b = extended(b, int(ins.Offset))
		}
	}
	if !wide {
		a, b = uint64(uint32(a)), uint64(uint32(b))
	}
	r, err := arithmetic(op, a, b, wide)
	if err != nil {
		return err
	}
	if !wide {
		r = uint64(uint32(r))
	}
	m.registers[ins.Dst] = r
	return nil
}

func arithmetic(op asm.ALUOp, a, b uint64, wide bool) (uint64, error) {
	mask := uint64(31)
	if wide {
		mask = 63
	}
	switch op {
	case asm.Mov:
		return b, nil
	case asm.Add:
		return a + b, nil
	case asm.Sub:
		return a - b, nil
	case asm.Mul:
		return a * b, nil
	case asm.Or:
		return a | b, nil
	case asm.And:
		return a & b, nil
	case asm.Xor:
		return a ^ b, nil
	case asm.LSh:
		return a << (b & mask), nil
	case asm.RSh:
		return a >> (b & mask), nil
	case asm.Neg:
		return -a, nil
	case asm.ArSh:
		if wide {
			return uint64(int64(a) >> (b & mask)), nil
		}
		return uint64(uint32(int32(a) >> (b & mask))), nil
	case asm.Div:
		if b == 0 {
			return 0, nil
		}
		return a / b, nil
	case asm.Mod:
		if b == 0 {
			return a, nil
		}
		return a % b, nil
	}
	return 0, fmt.Errorf("arithmetic %v is not known", op)
}

// swapped is a value in the other byte order, or cut to its size.
func swapped(ins *asm.Instruction, v uint64) uint64 {
	big := ins.OpCode.Endianness() == asm.BE || ins.OpCode.Class() == asm.ALU64Class
	switch ins.Constant {
	case 16:
		if big {
			return uint64(bits.ReverseBytes16(uint16(v)))
		}
		return uint64(uint16(v))
	case 32:
		if big {
			return uint64(bits.ReverseBytes32(uint32(v)))
		}
		return uint64(uint32(v))
	}
	if big {
		return bits.ReverseBytes64(v)
	}
	return v
}

// extended carries the sign of a value of so many bits.
func extended(v uint64, size int) uint64 {
	return uint64(int64(v<<(64-size)) >> (64 - size))
}

// branch jumps on a condition. One on a load-time constant is none in the kernel.
func (m *machine) branch(pc int, ins *asm.Instruction) (next int, done bool, err error) {
	a, b := m.registers[ins.Dst], m.operand(ins)
	if !m.constant[ins.Dst] {
		m.count.Instructions++
		m.count.Branches++
	}
	signedA, signedB := int64(a), int64(b)
	if ins.OpCode.Class() == asm.Jump32Class {
		a, b = uint64(uint32(a)), uint64(uint32(b))
		signedA, signedB = int64(int32(a)), int64(int32(b))
	}
	holds, err := compared(ins.OpCode.JumpOp(), a, b, signedA, signedB)
	if holds {
		return m.jump(pc, ins), false, err
	}
	return pc + 1, false, err
}

func compared(op asm.JumpOp, a, b uint64, signedA, signedB int64) (bool, error) {
	switch op {
	case asm.JEq:
		return a == b, nil
	case asm.JNE:
		return a != b, nil
	case asm.JGT:
		return a > b, nil
	case asm.JGE:
		return a >= b, nil
	case asm.JLT:
		return a < b, nil
	case asm.JLE:
		return a <= b, nil
	case asm.JSet:
		return a&b != 0, nil
	case asm.JSGT:
		return signedA > signedB, nil
	case asm.JSGE:
		return signedA >= signedB, nil
	case asm.JSLT:
		return signedA < signedB, nil
	case asm.JSLE:
		return signedA <= signedB, nil
	}
	return false, fmt.Errorf("condition %v is not known", op)
}
