// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
)

const (
	// Head is how many bytes of each packet are written anew for every
	// repetition; packets are at least this long.
	Head = 128
	// MaxFlows is how many packets an instrument can take turns with.
	MaxFlows = 16384

	stride    = 8192
	maxStamps = 1024
)

// Instrument runs XDP programs under BPF_PROG_TEST_RUN with a packet restored
// for every repetition. Close it.
type Instrument struct {
	objects WrapperObjects
	body    []byte
}

// NewInstrument loads the wrapper.
func NewInstrument() (*Instrument, error) {
	i := &Instrument{}
	if err := LoadWrapperObjects(&i.objects, nil); err != nil {
		return nil, fmt.Errorf("load the benchmark's wrapper: %w", err)
	}
	return i, nil
}

// Close unloads the wrapper.
func (i *Instrument) Close() error { return i.objects.Close() }

// Load sets the packets that the program under test is given in turn. All have
// one length, at least [Head]; they are told apart within the first Head bytes.
// Their number is a power of two, at most [MaxFlows].
func (i *Instrument) Load(packets [][]byte) error {
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
		var row WrapperPacket
		copy(row.Head[:], p)
		if err := i.objects.Packets.Put(uint32(at), row); err != nil {
			return fmt.Errorf("store packet %d: %w", at, err)
		}
	}
	i.body = packets[0]
	return errors.Join(
		i.objects.Flows.Set(uint32(n)),
		i.objects.Length.Set(uint32(length)),
	)
}

// Outcome is what the last repetition of a run did.
type Outcome struct {
	// Gross is nanoseconds a repetition, the wrapper's own included.
	Gross float64
	// Action is what the program returned, Frame what it left.
	Action uint32
	Frame  []byte
}

// Run repeats a program; nil runs the wrapper alone. Repetitions are rounded up
// to whole strides.
func (i *Instrument) Run(p *ebpf.Program, repetitions int) (Outcome, error) {
	strides := min(max((repetitions+stride-1)/stride, 1), maxStamps-2)
	if err := i.aim(p); err != nil {
		return Outcome{}, err
	}
	if err := i.objects.Repetition.Set(uint64(0)); err != nil {
		return Outcome{}, fmt.Errorf("reset the repetition: %w", err)
	}
	run := ebpf.RunOptions{
		Data:    i.body,
		DataOut: make([]byte, len(i.body)+256),
		Repeat:  uint32(strides*stride + 1),
	}
	action, err := i.objects.WrapperPrograms.Wrapper.Run(&run)
	if err != nil {
		return Outcome{}, fmt.Errorf("run %v: %w", p, err)
	}
	var stamps [maxStamps]uint64
	if err := i.objects.Stamps.Get(&stamps); err != nil {
		return Outcome{}, fmt.Errorf("read the time stamps: %w", err)
	}
	gross := float64(stamps[strides]-stamps[0]) / float64(strides*stride)
	return Outcome{Gross: gross, Action: action, Frame: run.DataOut}, nil
}

func (i *Instrument) aim(p *ebpf.Program) error {
	if p == nil {
		err := i.objects.UnderTest.Delete(uint32(0))
		if err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
			return fmt.Errorf("empty the slot of the program under test: %w", err)
		}
		return nil
	}
	if err := i.objects.UnderTest.Put(uint32(0), p); err != nil {
		return fmt.Errorf("put %v under test: %w", p, err)
	}
	return nil
}
