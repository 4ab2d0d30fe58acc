// SPDX-License-Identifier: Apache-2.0

package feature

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/mizar-net/mizar/dataplane/kernel"
	"github.com/mizar-net/mizar/dataplane/state"
)

// Names of features that others ask for.
const (
	TCX    = "TCX hook"
	Native = "native XDP on a veth"
	Jumbo  = "native XDP on a veth, MTU 9000"
)

// hooks tries where programs can sit, at devices of a namespace of its own.
func hooks(ctx context.Context) (all []Feature, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // the thread ends with the namespace
		if err = unix.Unshare(unix.CLONE_NEWNET); err != nil {
			err = fmt.Errorf("make a network namespace (needs root): %w", err)
			return
		}
		all, err = inside(ctx)
	}()
	<-done
	return all, err
}

const device = "one"

func inside(ctx context.Context) ([]Feature, error) {
	veth := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: device, MTU: jumbo}, PeerName: "two", PeerMTU: jumbo}
	if err := netlink.LinkAdd(veth); err != nil {
		return nil, fmt.Errorf("add a veth: %w", err)
	}
	frags := Feature{Name: "XDP on frames in pieces (frags)", For: "MTUs above a page", Since: "5.18", Need: Must}
	p, err := pass(ebpf.XDP)
	if err != nil {
		return []Feature{frags.with(err)}, nil
	}
	defer p.Close()
	all := []Feature{
		frags,
		Feature{Name: "running a program over a frame", For: "the simulator", Since: "5.15", Need: May}.with(run(p)),
		Feature{Name: "links of XDP", For: "programs that outlive nobody", Since: "5.9", Need: May}.with(attach(ctx, device, p, state.Auto)),
		Feature{Name: Jumbo, For: "endpoints", Since: "5.18", Need: Must}.with(attach(ctx, device, p, state.Native)),
	}
	if err := netlink.LinkSetMTU(veth, 1500); err != nil {
		return nil, fmt.Errorf("set the MTU of a veth: %w", err)
	}
	all = append(all, Feature{Name: Native, For: "endpoints", Since: "4.19", Need: Must}.with(attach(ctx, device, p, state.Native)))
	tcx := Feature{Name: TCX, For: "form: tcx (GSO and checksums left to the device)", Since: "6.6", Need: May}
	return append(all, tcx.with(attachTCX(ctx))), nil
}

// jumbo is the MTU of a large frame, in bytes.
const jumbo = 9000

// pass is a program that passes everything; one of XDP sees frames in pieces.
func pass(kind ebpf.ProgramType) (*ebpf.Program, error) {
	spec := &ebpf.ProgramSpec{Name: "pass", Type: kind, License: "GPL"}
	result := int32(0) // TCX_PASS
	if kind == ebpf.XDP {
		spec.Flags, result = unix.BPF_F_XDP_HAS_FRAGS, int32(kernel.Pass)
	} else {
		spec.AttachType = ebpf.AttachTCXIngress
	}
	spec.Instructions = asm.Instructions{asm.Mov.Imm(asm.R0, result), asm.Return()}
	return ebpf.NewProgram(spec)
}

// attach puts a program at a device of the thread's namespace and takes it away.
func attach(ctx context.Context, name string, p *ebpf.Program, mode state.XDP) error {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return fmt.Errorf("find device %s: %w", name, err)
	}
	a, err := kernel.System{}.Attach(ctx, link.Attrs().Index, p, mode)
	if err != nil {
		return err
	}
	return a.Close()
}

func attachTCX(ctx context.Context) error {
	p, err := pass(ebpf.SchedCLS)
	if err != nil {
		return err
	}
	defer p.Close()
	link, err := netlink.LinkByName(device)
	if err != nil {
		return err
	}
	a, err := kernel.System{}.AttachTCX(ctx, link.Attrs().Index, p)
	if err != nil {
		return err
	}
	return a.Close()
}

// OnDevice tries what a device of the thread's namespace can do, which must be
// nobody's uplink: its MTU is changed for a moment.
func OnDevice(ctx context.Context, name, driver string) ([]Feature, error) {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return nil, fmt.Errorf("find device %s: %w", name, err)
	}
	p, err := pass(ebpf.XDP)
	if err != nil {
		return nil, fmt.Errorf("load a program: %w", err)
	}
	defer p.Close()
	plain := Feature{Name: "native XDP on " + driver, For: "uplinks (else generic, which is reported)", Need: May}
	large := Feature{Name: plain.Name + ", MTU 9000", For: plain.For, Need: May}
	plain = plain.with(attach(ctx, name, p, state.Native))
	err = netlink.LinkSetMTU(link, jumbo)
	if err == nil {
		err = attach(ctx, name, p, state.Native)
	}
	large = large.with(err)
	if err := netlink.LinkSetMTU(link, link.Attrs().MTU); err != nil {
		return nil, errors.Join(fmt.Errorf("give %s its MTU back: %w", name, err))
	}
	return []Feature{plain, large}, nil
}
