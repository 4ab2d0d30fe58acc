// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"fmt"

	"github.com/cilium/ebpf"
)

// context is struct xdp_md of linux/bpf.h.
type context struct {
	Data, DataEnd, DataMeta             uint32
	Ingress, ReceiveQueue, EgressDevice uint32
}

// outRoom is what a program may put in front of a frame.
const outRoom = 256

// Once runs a program over one frame, as if it came in by a device of the calling
// thread's namespace that has a program already; it returns what was left of it.
func Once(p *ebpf.Program, frame []byte, ifindex int) (action uint32, after []byte, err error) {
	run := ebpf.RunOptions{
		Data: frame, DataOut: make([]byte, len(frame)+outRoom),
		Context: context{DataEnd: uint32(len(frame)), Ingress: uint32(ifindex)},
	}
	if action, err = p.Run(&run); err != nil {
		return 0, nil, fmt.Errorf("run %v over a frame of %d bytes from interface %d: %w", p, len(frame), ifindex, err)
	}
	return action, run.DataOut, nil
}
