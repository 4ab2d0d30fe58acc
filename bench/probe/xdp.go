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
	Head = len(WrapperPacket{}.Head)
	// MaxFlows is how many packets an instrument can take turns with.
	MaxFlows = 16384

	// stride is how many repetitions there are between two time stamps.
	stride    = 8192
	maxStamps = 1024
	// drifted is how much longer every second packet is for the wrapper
	// alone.
	drifted = 32
	// attempts is how often a run is repeated that a signal interrupted.
	attempts = 10
)

// xdp is the instrument for XDP programs.
type xdp struct {
	objects WrapperObjects
	body    []byte
}

func newXDP(packets [][]byte) (Instrument, error) {
	x := &xdp{body: packets[0]}
	if err := LoadWrapperObjects(&x.objects, nil); err != nil {
		return nil, fmt.Errorf("load the benchmark's wrapper: %w", err)
	}
	if err := x.fill(packets); err != nil {
		return nil, errors.Join(err, x.Close())
	}
	return x, nil
}

func (x *xdp) fill(packets [][]byte) error {
	keys := make([]uint32, len(packets))
	rows := make([]WrapperPacket, len(packets))
	for i, p := range packets {
		keys[i] = uint32(i)
		copy(rows[i].Head[:], p)
	}
	if _, err := x.objects.Packets.BatchUpdate(keys, rows, nil); err != nil {
		return fmt.Errorf("store %d packets: %w", len(packets), err)
	}
	return errors.Join(
		x.objects.Flows.Set(uint32(len(packets))),
		x.objects.Length.Set(uint32(len(x.body))),
	)
}

// Close implements Instrument.
func (x *xdp) Close() error { return x.objects.Close() }

// Run implements Instrument. Repetitions are rounded up, so that every packet
// has the same number of turns.
func (x *xdp) Run(p *ebpf.Program, repetitions int) (Outcome, error) {
	if err := x.objects.UnderTest.Put(uint32(0), p); err != nil {
		return Outcome{}, fmt.Errorf("put %v under test: %w", p, err)
	}
	o, err := x.run(0, repetitions)
	if err != nil {
		return Outcome{}, fmt.Errorf("run %v: %w", p, err)
	}
	return o, nil
}

// Alone implements Instrument.
func (x *xdp) Alone(r Resizing, repetitions int) (Outcome, error) {
	err := x.objects.UnderTest.Delete(uint32(0))
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

func (x *xdp) run(drift uint32, repetitions int) (Outcome, error) {
	turns := 2 // strides, until every packet had its turn
	strides := min((max(repetitions, 1)+turns*stride-1)/(turns*stride)*turns, maxStamps-turns)
	if err := x.objects.Drift.Set(drift); err != nil {
		return Outcome{}, fmt.Errorf("set the drift: %w", err)
	}
	var wasted uint64
	for range attempts {
		o, whole, err := x.attempt(strides)
		o.Repetitions += wasted
		wasted = o.Repetitions
		if err != nil || whole {
			return o, err
		}
	}
	return Outcome{}, fmt.Errorf("interrupted %d times by signals", attempts)
}

// attempt is one run; it is not whole when a signal made the kernel start over.
func (x *xdp) attempt(strides int) (Outcome, bool, error) {
	if err := x.objects.Repetition.Set(uint64(0)); err != nil {
		return Outcome{}, false, fmt.Errorf("reset the repetition: %w", err)
	}
	want := uint64(strides*stride + 1)
	run := ebpf.RunOptions{
		Data:    x.body,
		DataOut: make([]byte, len(x.body)+256),
		Repeat:  uint32(want),
	}
	action, err := x.objects.WrapperPrograms.Wrapper.Run(&run)
	if err != nil {
		return Outcome{}, false, err
	}
	var did uint64
	var stamps [maxStamps]uint64
	if err := errors.Join(x.objects.Repetition.Get(&did), x.objects.Stamps.Get(&stamps)); err != nil {
		return Outcome{}, false, fmt.Errorf("read the time stamps: %w", err)
	}
	return Outcome{
		Gross:       float64(stamps[strides]-stamps[0]) / float64(strides*stride),
		Repetitions: did,
		Action:      action,
		Frame:       run.DataOut,
	}, did == want, nil
}
