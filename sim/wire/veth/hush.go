// SPDX-License-Identifier: Apache-2.0

package veth

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// The verdicts of a classifier, TC_ACT_OK and TC_ACT_SHOT of linux/pkt_cls.h.
const (
	pass = 0
	shot = 2
)

// hush keeps the stacks of a machine room from speaking out of turn.
//
//	deaf, at what arrives: drops all while switched on; packet sockets hear it
//	mild, at what leaves: drops what begins with hop-by-hop options (MLD)
type hush struct {
	deaf, mild *ebpf.Program
	// action is what deaf returns.
	action *ebpf.Map
	hooked map[string]bool
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
	return &hush{deaf: deaf, mild: mild, action: action, hooked: map[string]bool{}}, nil
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
		asm.Mov.Imm(asm.R0, pass),
		asm.Mov.Reg(asm.R4, asm.R2),
		asm.Add.Imm(asm.R4, nextHeader+1),
		asm.JGT.Reg(asm.R4, asm.R3, "out"),
		asm.LoadMem(asm.R5, asm.R2, etherType, asm.Half),
		asm.JNE.Imm(asm.R5, int32(bigEndian(unix.ETH_P_IPV6)), "out"),
		asm.LoadMem(asm.R5, asm.R2, nextHeader, asm.Byte),
		asm.JNE.Imm(asm.R5, 0, "out"),
		asm.Mov.Imm(asm.R0, shot),
		asm.Return().WithSymbol("out"),
	}
}

// hook puts both programs at a device of the thread's namespace, known as key
// from then on, where they stay as long as it does. A key that is hooked stays
// as it is. This is the classifier's hook and not TCX, whose every attachment
// waits for all CPUs: a machine room has hundreds of devices.
func (h *hush) hook(key, device string) error {
	if h.hooked[key] {
		return nil
	}
	dev, err := netlink.LinkByName(device)
	if err != nil {
		return fmt.Errorf("find %s: %w", device, err)
	}
	clsact := &netlink.GenericQdisc{QdiscType: "clsact", QdiscAttrs: netlink.QdiscAttrs{
		LinkIndex: dev.Attrs().Index, Parent: netlink.HANDLE_CLSACT, Handle: netlink.MakeHandle(0xffff, 0),
	}}
	if err := netlink.QdiscAdd(clsact); err != nil {
		return fmt.Errorf("add qdisc clsact to %s: %w", device, err)
	}
	for parent, p := range map[uint32]*ebpf.Program{netlink.HANDLE_MIN_INGRESS: h.deaf, netlink.HANDLE_MIN_EGRESS: h.mild} {
		filter := &netlink.BpfFilter{
			FilterAttrs:  netlink.FilterAttrs{LinkIndex: dev.Attrs().Index, Parent: parent, Handle: 1, Protocol: unix.ETH_P_ALL, Priority: 1},
			Fd:           p.FD(),
			Name:         "hush",
			DirectAction: true,
		}
		if err := netlink.FilterAdd(filter); err != nil {
			return fmt.Errorf("add a filter to %s: %w", device, err)
		}
	}
	h.hooked[key] = true
	return nil
}

// forget says that a device is gone.
func (h *hush) forget(key string) { delete(h.hooked, key) }

// deafen keeps everything from the stacks, listen lets them hear again.
func (h *hush) deafen() error { return h.action.Put(uint32(0), uint32(shot)) }
func (h *hush) listen() error { return h.action.Put(uint32(0), uint32(pass)) }

// close lets go of the programs. Devices that still have them go on.
func (h *hush) close() error {
	return errors.Join(h.deaf.Close(), h.mild.Close(), h.action.Close())
}
