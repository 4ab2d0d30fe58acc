// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"

	"github.com/mizar-net/mizar/dataplane/kernel"
)

// Form is the hook that a program is built for.
type Form string

// The forms.
const (
	XDP Form = "xdp"
	TCX Form = "tcx"
)

// ErrInterrupted is the error of a run that the kernel started over, because of a
// signal: some packets came more often than others, and what the program keeps is
// not what it began with. Begin anew.
var ErrInterrupted = errors.New("a signal interrupted the run")

// Instrument repeats programs of one form over one set of packets under
// BPF_PROG_TEST_RUN, with the packet restored for every repetition. Runs fail with
// [ErrInterrupted] now and then. Close it.
type Instrument interface {
	// Run repeats a program.
	Run(p *ebpf.Program, repetitions int) (Outcome, error)
	// Alone repeats the instrument without a program: what there is to
	// subtract from Run.
	Alone(r Resizing, repetitions int) (Outcome, error)
	Close() error
}

// Resizing says what an instrument has to restore.
type Resizing int

const (
	// Kept packets have the length they had.
	Kept Resizing = iota
	// Resized packets do not.
	Resized
)

// Outcome is what became of a run.
type Outcome struct {
	// Gross is nanoseconds a repetition, the instrument's own included.
	Gross float64
	// Repetitions is how many there were.
	Repetitions uint64
	// Action is what the program returned the last time, in the words of
	// XDP, Frame what it left.
	Action kernel.Action
	Frame  []byte
}

// New makes an instrument for programs of a form. Packets are given in turn. All
// have one length, at least [Head]; they are told apart within the first Head
// bytes. Their number is a power of two, at most [MaxFlows].
func New(form Form, packets [][]byte) (Instrument, error) {
	if err := check(packets); err != nil {
		return nil, err
	}
	switch form {
	case XDP:
		return newXDP(packets)
	case TCX:
		return newTCX(packets)
	default:
		return nil, fmt.Errorf("programs of form %q: there is no instrument for them", form)
	}
}

func check(packets [][]byte) error {
	n := len(packets)
	if n == 0 || n > MaxFlows || n&(n-1) != 0 {
		return fmt.Errorf("%d packets: want a power of two, at most %d", n, MaxFlows)
	}
	length := len(packets[0])
	if length < Head {
		return fmt.Errorf("packets of %d bytes: want at least %d", length, Head)
	}
	for at, p := range packets {
		if len(p) != length {
			return fmt.Errorf("packet %d has %d bytes, the first %d: want one length", at, len(p), length)
		}
	}
	return nil
}
