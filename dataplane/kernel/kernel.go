// SPDX-License-Identifier: Apache-2.0

// Package kernel is how programs meet packets: attached to a device ([Attach]),
// or run over one frame (BPF_PROG_TEST_RUN, [Run]).
package kernel

import (
	"context"

	"github.com/cilium/ebpf"

	"github.com/mizar-net/mizar/dataplane/state"
)

// Kernel attaches and runs programs.
type Kernel interface {
	// Attach puts a program at a device's hook until it is closed.
	Attach(ctx context.Context, ifindex int, p *ebpf.Program, mode state.XDP) (Attachment, error)
	// AttachTCX puts a TCX program where packets arrive at a device, until it
	// is closed. It needs kernel 6.6.
	AttachTCX(ctx context.Context, ifindex int, p *ebpf.Program) (Attachment, error)
	// Run runs a program over one frame.
	Run(p *ebpf.Program, frame []byte, o RunOptions) (Result, error)
}

// Attachment is a program at a device. Closing it takes the program away.
type Attachment interface {
	// Form is the hook: XDP's or TCX's.
	Form() state.Form
	// Mode is where a program of XDP really sits: native or generic.
	Mode() state.XDP
	// Reason says why it is generic although native was preferred; nil
	// otherwise.
	Reason() error
	Close() error
}

// System is the running kernel.
type System struct{}

var _ Kernel = System{}
