// SPDX-License-Identifier: Apache-2.0

package veth

import (
	"errors"
	"fmt"
	"net"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// The verdicts of a TCX program, enum tcx_action_base of linux/bpf.h.
const (
	tcxPass = 0
	tcxDrop = 2
)

// hush keeps the stacks of a machine room from speaking out of turn.
//
//	deaf, at what arrives: drops all while switched on; packet sockets hear it
//	mild, at what leaves: drops what begins with hop-by-hop options (MLD)
type hush struct {
	deaf, mild *ebpf.Program
	// action is what deaf returns.
	action *ebpf.Map
	links  map[string][]link.Link
}

func newHush() (*hush, error) {
	action, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 4, MaxEntries: 1})
	if err != nil {
		return nil, fmt.Errorf("make the map of program deaf: %w", err)
	}
	deaf, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "deaf", Type: ebpf.SchedCLS, License: "GPL",
		Instructions: asm.Instructions{
			asm.LoadMapValue(asm.R1, action.FD(), 0),
			asm.LoadMem(asm.R0, asm.R1, 0, asm.Word),
			asm.Return(),
		},
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("load program deaf: %w", err), action.Close())
	}
	mild, err := ebpf.NewProgram(&ebpf.ProgramSpec{Name: "mild", Type: ebpf.SchedCLS, License: "GPL", Instructions: mildInstructions()})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("load program mild: %w", err), deaf.Close(), action.Close())
	}
	return &hush{deaf: deaf, mild: mild, action: action, links: map[string][]link.Link{}}, nil
}

// mildInstructions drop IPv6 packets whose next header is hop-by-hop options.
func mildInstructions() asm.Instructions {
	const (
		skbData, skbDataEnd = 76, 80 // of struct __sk_buff
		etherType           = 12
		nextHeader          = 14 + 6
	)
	return asm.Instructions{
		asm.LoadMem(asm.R2, asm.R1, skbData, asm.Word),
		asm.LoadMem(asm.R3, asm.R1, skbDataEnd, asm.Word),
		asm.Mov.Imm(asm.R0, tcxPass),
		asm.Mov.Reg(asm.R4, asm.R2),
		asm.Add.Imm(asm.R4, nextHeader+1),
		asm.JGT.Reg(asm.R4, asm.R3, "out"),
		asm.LoadMem(asm.R5, asm.R2, etherType, asm.Half),
		asm.JNE.Imm(asm.R5, int32(bigEndian(unix.ETH_P_IPV6)), "out"),
		asm.LoadMem(asm.R5, asm.R2, nextHeader, asm.Byte),
		asm.JNE.Imm(asm.R5, 0, "out"),
		asm.Mov.Imm(asm.R0, tcxDrop),
		asm.Return().WithSymbol("out"),
	}
}

// hook puts both programs at a device of the thread's namespace, known as key
// from then on. A key that is hooked stays as it is.
func (h *hush) hook(key, device string) error {
	if _, ok := h.links[key]; ok {
		return nil
	}
	dev, err := net.InterfaceByName(device)
	if err != nil {
		return fmt.Errorf("find %s: %w", device, err)
	}
	in, err := link.AttachTCX(link.TCXOptions{Interface: dev.Index, Program: h.deaf, Attach: ebpf.AttachTCXIngress})
	if err != nil {
		return fmt.Errorf("attach program deaf to %s (needs a kernel from 6.6): %w", device, err)
	}
	out, err := link.AttachTCX(link.TCXOptions{Interface: dev.Index, Program: h.mild, Attach: ebpf.AttachTCXEgress})
	if err != nil {
		return errors.Join(fmt.Errorf("attach program mild to %s: %w", device, err), in.Close())
	}
	h.links[key] = []link.Link{in, out}
	return nil
}

// unhook forgets a device.
func (h *hush) unhook(key string) error {
	var errs []error
	for _, l := range h.links[key] {
		errs = append(errs, l.Close())
	}
	delete(h.links, key)
	return errors.Join(errs...)
}

// deafen keeps everything from the stacks, listen lets them hear again.
func (h *hush) deafen() error { return h.action.Put(uint32(0), uint32(tcxDrop)) }
func (h *hush) listen() error { return h.action.Put(uint32(0), uint32(tcxPass)) }

func (h *hush) close() error {
	var errs []error
	for key := range h.links {
		errs = append(errs, h.unhook(key))
	}
	return errors.Join(append(errs, h.deaf.Close(), h.mild.Close(), h.action.Close())...)
}
