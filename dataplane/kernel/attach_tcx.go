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

// AttachTCX puts a TCX program where packets arrive at a device of the calling
// thread's network namespace.
func (System) AttachTCX(ctx context.Context, ifindex int, p *ebpf.Program) (Attachment, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("attach to interface %d: %w", ifindex, err)
	}
	l, err := link.AttachTCX(link.TCXOptions{Interface: ifindex, Program: p, Attach: ebpf.AttachTCXIngress})
	if err != nil {
		return nil, refusedTCX(ifindex, err)
	}
	return &tcx{link: l}, nil
}

// refusedTCX says what to do where the kernel has no such hook.
func refusedTCX(ifindex int, err error) error {
	if errors.Is(err, ebpf.ErrNotSupported) {
		return fmt.Errorf("attach to interface %d: TCX needs kernel 6.6 or later; on this one use the form xdp: %w", ifindex, err)
	}
	return fmt.Errorf("attach to interface %d, TCX hook: %w", ifindex, err)
}

type tcx struct{ link link.Link }

func (t *tcx) Form() state.Form { return state.FormTCX }

func (t *tcx) Mode() state.XDP { return "" }

func (t *tcx) Reason() error { return nil }

func (t *tcx) Close() error { return t.link.Close() }
