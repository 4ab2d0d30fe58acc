// SPDX-License-Identifier: Apache-2.0

package steps

import (
	"fmt"

	"github.com/cilium/ebpf/asm"
)

// redirected is XDP_REDIRECT.
const redirected = 4

// call runs a helper or a function of the program's own.
func (m *machine) call(ins *asm.Instruction) error {
	m.count.Instructions++
	if ins.IsFunctionCall() {
		return m.own(ins)
	}
	if !ins.IsBuiltinCall() {
		return fmt.Errorf("a call of neither a helper nor a function")
	}
	r := &m.registers
	helper := asm.BuiltinFunc(ins.Constant)
	m.count.call(helper)
	switch helper {
	case asm.FnMapLookupElem:
		spec, err := m.mapOf(r[asm.R1])
		if err != nil {
			return err
		}
		m.count.Lookups[spec.Name]++
		m.count.of(spec)
		r[asm.R0], err = m.lookup(spec, r[asm.R2])
		m.constant[asm.R0] = false
		return err
	case asm.FnMapUpdateElem:
		spec, err := m.mapOf(r[asm.R1])
		if err != nil {
			return err
		}
		m.count.Updates[spec.Name]++
		m.count.of(spec)
		r[asm.R0] = 0
	case asm.FnRedirect, asm.FnRedirectPeer:
		r[asm.R0] = redirected
	case asm.FnXdpAdjustHead:
		m.put(context, 4, m.get(context, 4)+r[asm.R2])
		r[asm.R0] = 0
	case asm.FnXdpGetBuffLen:
		r[asm.R0] = m.get(context+4, 4) - m.get(context, 4)
	case asm.FnKtimeGetCoarseNs, asm.FnGetPrandomU32, asm.FnJiffies64:
		r[asm.R0] = 0
	default:
		return fmt.Errorf("helper %v is not known", helper)
	}
	m.constant[asm.R0] = false
	return nil
}

// own calls a function of the program: a frame of its own.
func (m *machine) own(ins *asm.Instruction) error {
	to, ok := m.symbols[ins.Reference()]
	if !ok {
		return fmt.Errorf("function %s is missing", ins.Reference())
	}
	m.count.called(ins.Reference())
	saved := m.registers
	m.registers[asm.R10] -= 512
	if err := m.function(to); err != nil {
		return err
	}
	result := m.registers[asm.R0]
	m.registers = saved
	m.registers[asm.R0], m.constant[asm.R0] = result, false
	return nil
}
