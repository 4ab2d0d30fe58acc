// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"context"
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"

	"github.com/mizar-net/mizar/dataplane/state"
)

// Attach puts an XDP program at a device of the calling thread's network
// namespace. A fallback to the generic hook is told by the attachment.
func (System) Attach(ctx context.Context, ifindex int, p *ebpf.Program, mode state.XDP) (Attachment, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("attach to interface %d: %w", ifindex, err)
	}
	var refused error
	for _, try := range mode.Tries() {
		a, err := attach(ifindex, p, try, refused)
		if err == nil {
			return a, nil
		}
		refused = errors.Join(refused, err)
	}
	return nil, refused
}

type xdp struct {
	link   link.Link
	mode   state.XDP
	reason error
}

func (x *xdp) Form() state.Form { return state.FormXDP }

func (x *xdp) Mode() state.XDP { return x.mode }

func (x *xdp) Reason() error { return x.reason }

func (x *xdp) Close() error { return x.link.Close() }

var hooks = map[state.XDP]link.XDPAttachFlags{
	state.Native: link.XDPDriverMode, state.Generic: link.XDPGenericMode, state.Offload: link.XDPOffloadMode,
}

func attach(ifindex int, p *ebpf.Program, mode state.XDP, reason error) (Attachment, error) {
	l, err := link.AttachXDP(link.XDPOptions{Program: p, Interface: ifindex, Flags: hooks[mode]})
	if err != nil {
		return nil, fmt.Errorf("attach to interface %d, %s hook: %w", ifindex, mode, err)
	}
	return &xdp{link: l, mode: mode, reason: reason}, nil
}
