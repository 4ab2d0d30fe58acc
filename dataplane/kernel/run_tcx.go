// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"fmt"

	"github.com/cilium/ebpf"
)

// MaxTCXFrame is the longest frame that a TCX program is run over: the kernel
// gives such a run one page, of which it takes a part itself.
const MaxTCXFrame = 3600

// skBuff is the beginning of struct __sk_buff of linux/bpf.h: what may be told
// to a program.
type skBuff struct{ Len, PktType, Mark uint32 }

// The actions of linux/bpf.h, enum tcx_action_base.
const (
	tcxNext     = -1
	tcxPass     = 0
	tcxDrop     = 2
	tcxRedirect = 7
)

// runTCX tells the port's number in the mark.
func runTCX(p *ebpf.Program, frame []byte, o RunOptions) (Result, error) {
	if len(frame) > MaxTCXFrame {
		return Result{}, fmt.Errorf("run %s over a frame of %d bytes: the kernel runs a TCX program over at most %d outside of a device; use the veth wire, or the XDP form",
			p, len(frame), MaxTCXFrame)
	}
	run := ebpf.RunOptions{
		Data:    frame,
		DataOut: make([]byte, len(frame)+outRoom),
		Context: skBuff{Mark: o.Port},
	}
	code, err := p.Run(&run)
	if err != nil {
		return Result{}, fmt.Errorf("run %s over a frame of %d bytes: %w", p, len(frame), err)
	}
	action, err := ActionOfTCX(int32(code))
	if err != nil {
		return Result{}, fmt.Errorf("run %s over a frame of %d bytes: %w", p, len(frame), err)
	}
	return Result{Action: action, Frame: run.DataOut}, nil
}

// ActionOfTCX is what a TCX program returned in the words of XDP. TCX has but one
// action for all that leaves by a device, so there is no Transmit.
func ActionOfTCX(code int32) (Action, error) {
	switch code {
	case tcxNext, tcxPass:
		return Pass, nil
	case tcxDrop:
		return Drop, nil
	case tcxRedirect:
		return Redirect, nil
	}
	return 0, fmt.Errorf("it returned %d, which is no action of TCX", code)
}
