// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"encoding/binary"
	"fmt"

	"github.com/cilium/ebpf"
)

const (
	// MinFrame is an Ethernet header: no driver hands over less.
	MinFrame = 14
	// MaxFrame is a jumbo frame (9000 bytes of payload) with a VLAN tag.
	// TEST_RUN would take far more than any driver hands over.
	MaxFrame = 9000 + 14 + 4
	// portSize is the port's number before the frame.
	portSize = 4
	// outRoom is how much longer a frame may have become.
	outRoom = 256
)

// RunOptions say what a program is told beside the frame.
type RunOptions struct {
	// Port is the number of the port that the frame came in by; it stands
	// in the packet's metadata as a u32 in host order, of a TCX program in
	// its mark.
	Port uint32
	// MTU of that port; 0 means that only MaxFrame limits the frame.
	MTU int
}

// Action is what a program returned, in the words of XDP.
type Action uint32

// The actions, as in linux/bpf.h.
const (
	Aborted Action = iota
	Drop
	Pass
	Transmit
	Redirect
)

// String is the action as people see it.
func (a Action) String() string {
	names := [...]string{"aborted", "drop", "pass", "transmit", "redirect"}
	if int(a) < len(names) {
		return names[a]
	}
	return fmt.Sprintf("action(%d)", uint32(a))
}

// Result is what became of a frame.
type Result struct {
	Action Action
	// Frame is the frame as the program left it.
	Frame []byte
}

// xdpMD is struct xdp_md of linux/bpf.h.
type xdpMD struct {
	Data, DataEnd, DataMeta                     uint32
	IngressIfindex, RxQueueIndex, EgressIfindex uint32
}

// Run runs a program, of XDP or TCX, once over a frame, out of reach of any
// device. Frames that no driver would hand over are refused, and so are frames of
// more than [MaxTCXFrame] for a TCX program.
func (System) Run(p *ebpf.Program, frame []byte, o RunOptions) (Result, error) {
	if err := checkSize(len(frame), o.MTU); err != nil {
		return Result{}, err
	}
	if p.Type() == ebpf.SchedCLS {
		return runTCX(p, frame, o)
	}
	return runXDP(p, frame, o)
}

// runXDP puts the port's number before the frame.
//
//	data_meta      data                     data_end
//	│ port number  │ frame …                │
func runXDP(p *ebpf.Program, frame []byte, o RunOptions) (Result, error) {
	in := binary.NativeEndian.AppendUint32(make([]byte, 0, portSize+len(frame)), o.Port)
	in = append(in, frame...)
	var after xdpMD
	run := ebpf.RunOptions{
		Data:       in,
		DataOut:    make([]byte, len(in)+outRoom),
		Context:    xdpMD{Data: portSize, DataEnd: uint32(len(in))},
		ContextOut: &after,
	}
	action, err := p.Run(&run)
	if err != nil {
		return Result{}, fmt.Errorf("run %s over a frame of %d bytes: %w", p, len(frame), err)
	}
	if int(after.Data) > len(run.DataOut) {
		return Result{}, fmt.Errorf("run %s: the frame begins at %d, behind its end at %d", p, after.Data, len(run.DataOut))
	}
	return Result{Action: Action(action), Frame: run.DataOut[after.Data:]}, nil
}

func checkSize(length, mtu int) error {
	most := MaxFrame
	if mtu > 0 {
		most = min(most, mtu+14+4)
	}
	if length < MinFrame || length > most {
		return fmt.Errorf("a frame of %d bytes: a driver hands over %d to %d", length, MinFrame, most)
	}
	return nil
}
