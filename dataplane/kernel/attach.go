// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"context"
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
)

// Mode is the hook of a device that an XDP program sits at.
type Mode int

const (
	// PreferDriver asks for the driver's hook, and takes the generic one
	// where the driver has none.
	PreferDriver Mode = iota
	// Driver is the driver's own hook, before a packet has an sk_buff.
	Driver
	// Generic is the stack's hook, slower, on any device.
	Generic
)

// String is the mode as people see it.
func (m Mode) String() string {
	switch m {
	case Driver:
		return "driver"
	case Generic:
		return "generic"
	default:
		return "driver or generic"
	}
}

// Attach puts an XDP program at a device of the calling thread's network
// namespace. A fallback to the generic hook is told by the attachment.
func (System) Attach(ctx context.Context, ifindex int, p *ebpf.Program, mode Mode) (Attachment, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("attach to interface %d: %w", ifindex, err)
	}
	if mode != PreferDriver {
		return attach(ifindex, p, mode, nil)
	}
	driver, err := attach(ifindex, p, Driver, nil)
	if err == nil {
		return driver, nil
	}
	generic, fallback := attach(ifindex, p, Generic, err)
	if fallback != nil {
		return nil, errors.Join(err, fallback)
	}
	return generic, nil
}

type xdp struct {
	link   link.Link
	mode   Mode
	reason error
}

func (x *xdp) Mode() Mode { return x.mode }

func (x *xdp) Reason() error { return x.reason }

func (x *xdp) Close() error { return x.link.Close() }

func attach(ifindex int, p *ebpf.Program, mode Mode, reason error) (Attachment, error) {
	flags := link.XDPDriverMode
	if mode == Generic {
		flags = link.XDPGenericMode
	}
	l, err := link.AttachXDP(link.XDPOptions{Program: p, Interface: ifindex, Flags: flags})
	if err != nil {
		return nil, fmt.Errorf("attach to interface %d, %s hook: %w", ifindex, mode, err)
	}
	return &xdp{link: l, mode: mode, reason: reason}, nil
}
