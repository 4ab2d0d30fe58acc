// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"

	"github.com/mizar-net/mizar/dataplane/kernel"
)

const (
	// Head is how many bytes of each packet are written anew for every
	// repetition; packets are at least this long.
	Head = len(WrapperPacket{}.Head)
	// MaxFlows is how many packets an instrument can take turns with.
	MaxFlows = 16384

	// stride is how many repetitions there are between two time stamps.
	stride    = 8192
	maxStamps = 1024
	// drifted is how much longer every second packet is for the wrapper
	// alone.
	drifted = 32
)

// repeater is the instrument: the wrapper of one form.
type repeater struct {
	wrapper *ebpf.Collection
	body    []byte
	// context is what the kernel tells a program beside the packet; nil:
	// nothing.
	context any
	// action is a program's return value in the words of XDP.
	action func(uint32) (kernel.Action, error)
}

// loopback is the device that a run says its packets came in by, unless it is
// told otherwise.
const loopback = 1

func newXDP(packets [][]byte) (Instrument, error) {
	return newRepeater(LoadWrapper, packets, repeater{
		action: func(code uint32) (kernel.Action, error) { return kernel.Action(code), nil },
	})
}

func newTCX(packets [][]byte) (Instrument, error) {
	return newRepeater(LoadWrapperTCX, packets, repeater{
		context: skBuff{Ingress: loopback},
		action:  func(code uint32) (kernel.Action, error) { return kernel.ActionOfTCX(int32(code)) },
	})
}

// skBuff is struct __sk_buff of linux/bpf.h up to the device that the packet
// came in by.
type skBuff struct {
	_       [9]uint32
	Ingress uint32
}

func newRepeater(load func() (*ebpf.CollectionSpec, error), packets [][]byte, x repeater) (Instrument, error) {
	spec, err := load()
	if err != nil {
		return nil, fmt.Errorf("read the object of the benchmark's wrapper: %w", err)
	}
	if x.wrapper, err = ebpf.NewCollection(spec); err != nil {
		return nil, fmt.Errorf("load the benchmark's wrapper: %w", err)
	}
	x.body = packets[0]
	if err := x.fill(packets); err != nil {
		return nil, errors.Join(err, x.Close())
	}
	return &x, nil
}

func (x *repeater) fill(packets [][]byte) error {
	keys := make([]uint32, len(packets))
	rows := make([]WrapperPacket, len(packets))
	for i, p := range packets {
		keys[i] = uint32(i)
		copy(rows[i].Head[:], p)
	}
	if _, err := x.wrapper.Maps["packets"].BatchUpdate(keys, rows, nil); err != nil {
		return fmt.Errorf("store %d packets: %w", len(packets), err)
	}
	return errors.Join(
		x.wrapper.Variables["flows"].Set(uint32(len(packets))),
		x.wrapper.Variables["length"].Set(uint32(len(x.body))),
	)
}

// Close implements Instrument.
func (x *repeater) Close() error {
	x.wrapper.Close()
	return nil
}

// Run implements Instrument. Repetitions are rounded up, so that every packet
// has the same number of turns.
func (x *repeater) Run(p *ebpf.Program, repetitions int) (Outcome, error) {
	if err := x.wrapper.Maps["under_test"].Put(uint32(0), p); err != nil {
		return Outcome{}, fmt.Errorf("put %v under test: %w", p, err)
	}
	o, err := x.run(0, repetitions)
	if err != nil {
		return Outcome{}, fmt.Errorf("run %v: %w", p, err)
	}
	return o, nil
}

// Alone implements Instrument.
func (x *repeater) Alone(r Resizing, repetitions int) (Outcome, error) {
	err := x.wrapper.Maps["under_test"].Delete(uint32(0))
	if err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
		return Outcome{}, fmt.Errorf("empty the slot of the program under test: %w", err)
	}
	drift := 0
	if r == Resized {
		drift = drifted
	}
	o, err := x.run(uint32(drift), repetitions)
	if err != nil {
		return Outcome{}, fmt.Errorf("run the wrapper alone: %w", err)
	}
	return o, nil
}

func (x *repeater) run(drift uint32, repetitions int) (Outcome, error) {
	turns := 2 // strides, until every packet had its turn
	strides := min((max(repetitions, 1)+turns*stride-1)/(turns*stride)*turns, maxStamps-turns)
	if err := x.wrapper.Variables["drift"].Set(drift); err != nil {
		return Outcome{}, fmt.Errorf("set the drift: %w", err)
	}
	if err := x.wrapper.Variables["repetition"].Set(uint64(0)); err != nil {
		return Outcome{}, fmt.Errorf("reset the repetition: %w", err)
	}
	want := uint64(strides*stride + 1)
	run := ebpf.RunOptions{
		Data:    x.body,
		DataOut: make([]byte, len(x.body)+256),
		Repeat:  uint32(want),
		Context: x.context,
	}
	code, err := x.wrapper.Programs["wrapper"].Run(&run)
	if err != nil {
		return Outcome{}, err
	}
	action, err := x.action(code)
	if err != nil {
		return Outcome{}, err
	}
	var did uint64
	var stamps [maxStamps]uint64
	if err := errors.Join(x.wrapper.Variables["repetition"].Get(&did), x.wrapper.Variables["stamps"].Get(&stamps)); err != nil {
		return Outcome{}, fmt.Errorf("read the time stamps: %w", err)
	}
	if did != want {
		return Outcome{}, ErrInterrupted
	}
	return Outcome{
		Gross:       float64(stamps[strides]-stamps[0]) / float64(strides*stride),
		Repetitions: did,
		Action:      action,
		Frame:       run.DataOut,
	}, nil
}
