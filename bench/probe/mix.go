// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"

	"github.com/mizar-net/mizar/dataplane/kernel"
)

const (
	// LeastFrame is an Ethernet header, MostFrame a full frame: the lengths
	// of recorded frames lie between.
	LeastFrame = 14
	MostFrame  = 1514
)

// Recorded is a frame of recorded traffic.
type Recorded struct {
	Frame []byte
	// Moves says that the program under test puts headers in front of it.
	Moves bool
}

// mix has frames of many lengths, each of which gets as many turns as the
// others.
type mix struct {
	objects MixObjects
	// buffer is as long as the longest frame.
	buffer []byte
}

// loadMix loads the programs with their frames; out is the device that
// generate_mix sends out of.
func loadMix(out int, frames []Recorded) (*mix, error) {
	if len(frames) == 0 || len(frames) > MaxFlows {
		return nil, fmt.Errorf("%d frames: want at least one, at most %d", len(frames), MaxFlows)
	}
	spec, err := LoadMix()
	if err != nil {
		return nil, fmt.Errorf("read the object of recorded traffic: %w", err)
	}
	if err := spec.Variables["out"].Set(uint32(out)); err != nil {
		return nil, fmt.Errorf("set the device of recorded traffic: %w", err)
	}
	spec.Maps["recorded"].MaxEntries = uint32(len(frames))
	m := &mix{}
	if err := spec.LoadAndAssign(&m.objects, nil); err != nil {
		return nil, fmt.Errorf("load the programs of recorded traffic: %w", err)
	}
	if err := m.fill(frames); err != nil {
		return nil, errors.Join(err, m.objects.Close())
	}
	return m, nil
}

func (m *mix) fill(frames []Recorded) error {
	for i, f := range frames {
		n := len(f.Frame)
		if n < LeastFrame || n > MostFrame {
			return fmt.Errorf("frame %d has %d bytes, want %d to %d", i, n, LeastFrame, MostFrame)
		}
		row := MixRecorded{Length: uint32(n)}
		if f.Moves {
			row.Moved = 1
		}
		copy(row.Bytes[:], f.Frame)
		if err := m.objects.Recorded.Put(uint32(i), row); err != nil {
			return fmt.Errorf("store frame %d: %w", i, err)
		}
		m.buffer = make([]byte, max(len(m.buffer), n))
	}
	return m.objects.Number.Set(uint32(len(frames)))
}

// company says whether there is more than the instrument.
type company uint32

const (
	accompanied company = iota
	alone
)

// reset begins with the first frame.
func (m *mix) reset(c company) error {
	o := &m.objects
	zero := uint32(0)
	err := errors.Join(
		o.Generated.Set(uint64(0)), o.Arrived.Set(uint64(0)), o.ArrivedBytes.Set(uint64(0)),
		o.Next.Set(zero), o.Moved.Set(zero), o.Shifted.Set(zero),
		o.Alone.Set(uint32(c)), o.Before.Set(uint32(len(m.buffer))),
	)
	if err != nil {
		return fmt.Errorf("begin with the first frame: %w", err)
	}
	return nil
}

// page is the most that a frame can grow to: the kernel starts a run that a signal
// interrupted over, with the lengths of the first attempt still in mind.
const page = 4096

// strides are enough for some repetitions, as far as there are stamps.
func strides(repetitions int) int {
	return min(max((repetitions+stride-1)/stride, 1), maxStamps-1)
}

// gross is nanoseconds a frame between the first and the last stamp.
func (m *mix) gross(strides int) (float64, error) {
	var stamps [maxStamps]uint64
	if err := m.objects.Stamps.Get(&stamps); err != nil {
		return 0, fmt.Errorf("read the time stamps: %w", err)
	}
	return float64(stamps[strides]-stamps[0]) / float64(strides*stride), nil
}

// mixInstrument repeats a program over recorded frames.
type mixInstrument struct{ *mix }

// NewMix makes an instrument for XDP programs that gives them frames in turn,
// each with the length that it has. They are told apart within the first [Head]
// bytes; what comes behind is zero.
func NewMix(frames []Recorded) (Instrument, error) {
	m, err := loadMix(0, frames)
	if err != nil {
		return nil, err
	}
	return mixInstrument{m}, nil
}

// Close implements Instrument.
func (m mixInstrument) Close() error { return m.objects.Close() }

// Run implements Instrument.
func (m mixInstrument) Run(p *ebpf.Program, repetitions int) (Outcome, error) {
	if err := m.objects.UnderTest.Put(uint32(0), p); err != nil {
		return Outcome{}, fmt.Errorf("put %v under test: %w", p, err)
	}
	o, err := m.run(accompanied, repetitions)
	if err != nil {
		return Outcome{}, fmt.Errorf("run %v over recorded frames: %w", p, err)
	}
	return o, nil
}

// Alone implements Instrument. Frames say themselves whether they are resized.
func (m mixInstrument) Alone(_ Resizing, repetitions int) (Outcome, error) {
	err := m.objects.UnderTest.Delete(uint32(0))
	if err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
		return Outcome{}, fmt.Errorf("empty the slot of the program under test: %w", err)
	}
	o, err := m.run(alone, repetitions)
	if err != nil {
		return Outcome{}, fmt.Errorf("run the instrument of recorded frames alone: %w", err)
	}
	return o, nil
}

// run gives every frame its turns.
func (m mixInstrument) run(c company, repetitions int) (Outcome, error) {
	n := strides(repetitions)
	want := uint64(n*stride + 1)
	if err := m.reset(c); err != nil {
		return Outcome{}, err
	}
	run := ebpf.RunOptions{Data: m.buffer, DataOut: make([]byte, page), Repeat: uint32(want)}
	action, err := m.objects.Restore.Run(&run)
	if err != nil {
		return Outcome{}, err
	}
	var did uint64
	if err := m.objects.Generated.Get(&did); err != nil {
		return Outcome{}, fmt.Errorf("read the repetitions: %w", err)
	}
	if did != want {
		return Outcome{}, ErrInterrupted
	}
	gross, err := m.gross(n)
	return Outcome{Gross: gross, Repetitions: did, Action: kernel.Action(action), Frame: run.DataOut}, err
}

// MixGenerator sends recorded frames out of a device, and counts them where they
// end. Close it.
type MixGenerator struct{ *mix }

// NewMixGenerator loads a generator that sends frames, in turn, out of a device
// of the namespace that it is run in.
func NewMixGenerator(ifindex int, frames []Recorded) (*MixGenerator, error) {
	m, err := loadMix(ifindex, frames)
	if err != nil {
		return nil, err
	}
	return &MixGenerator{m}, nil
}

// Sink is the XDP program for the device where frames end.
func (g *MixGenerator) Sink() *ebpf.Program { return g.objects.SinkMix }

// Close unloads generator and sink.
func (g *MixGenerator) Close() error { return g.objects.Close() }

// Run sends at least as many frames as repetitions say. The thread must be in
// the generator's namespace.
func (g *MixGenerator) Run(repetitions int) (Flight, error) { return g.fly(accompanied, repetitions) }

// Alone makes the frames and sends none of them.
func (g *MixGenerator) Alone(repetitions int) (Flight, error) { return g.fly(alone, repetitions) }

func (g *MixGenerator) fly(c company, repetitions int) (Flight, error) {
	n := strides(repetitions)
	if err := g.reset(c); err != nil {
		return Flight{}, err
	}
	_, err := g.objects.GenerateMix.Run(&ebpf.RunOptions{
		Data: g.buffer, Repeat: uint32(n*stride + 1), Flags: liveFrames, BatchSize: batch,
	})
	if err != nil {
		return Flight{}, fmt.Errorf("send recorded frames: %w", err)
	}
	var f Flight
	if f.Gross, err = g.gross(n); err != nil {
		return Flight{}, err
	}
	return f, g.Count(&f)
}

// Count updates the numbers of frames: the last ones may still be on their way
// when Run is done.
func (g *MixGenerator) Count(f *Flight) error {
	o := &g.objects
	if err := errors.Join(o.Generated.Get(&f.Sent), o.Arrived.Get(&f.Arrived), o.ArrivedBytes.Get(&f.Bytes)); err != nil {
		return fmt.Errorf("read the counters of recorded frames: %w", err)
	}
	return nil
}
