// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
)

// LiveFrame is the length of every live frame.
const LiveFrame = len(liveRow{}.Bytes)

// liveRow is a frame as the generator keeps it.
type liveRow struct{ Bytes [64]byte }

const (
	// liveFrames is BPF_F_TEST_XDP_LIVE_FRAMES of linux/bpf.h.
	liveFrames = 1 << 1
	// batch is how many frames are sent before the devices get their turn.
	batch = 64
)

// Generator sends live frames out of a device and counts them where they end.
// Close it.
type Generator struct {
	loaded *ebpf.Collection
	first  []byte
}

// NewGenerator loads a generator that sends frames, in turn, out of a device of
// the namespace that it is run in. All are [LiveFrame] long; their number is a
// power of two, at most [MaxFlows].
func NewGenerator(ifindex int, frames [][]byte) (*Generator, error) {
	n := len(frames)
	if n == 0 || n > MaxFlows || n&(n-1) != 0 {
		return nil, fmt.Errorf("%d frames: want a power of two, at most %d", n, MaxFlows)
	}
	loaded, err := loadLive(LiveOptions{Out: ifindex}, "generate", "sink", "sink_stack")
	if err != nil {
		return nil, err
	}
	g := &Generator{loaded: loaded, first: frames[0]}
	if err := g.fill(frames); err != nil {
		g.Close()
		return nil, err
	}
	return g, nil
}

func (g *Generator) fill(frames [][]byte) error {
	keys := make([]uint32, len(frames))
	rows := make([]liveRow, len(frames))
	for i, f := range frames {
		if len(f) != LiveFrame {
			return fmt.Errorf("frame %d has %d bytes, want %d", i, len(f), LiveFrame)
		}
		keys[i] = uint32(i)
		copy(rows[i].Bytes[:], f)
	}
	if _, err := g.loaded.Maps["frames"].BatchUpdate(keys, rows, nil); err != nil {
		return fmt.Errorf("store %d frames: %w", len(frames), err)
	}
	return g.loaded.Variables["flows"].Set(uint32(len(frames)))
}

// Sink is the XDP program for the device where frames end.
func (g *Generator) Sink() *ebpf.Program { return g.loaded.Programs["sink"] }

// StackSink is the program for the stack behind that device, at its TCX hook.
func (g *Generator) StackSink() *ebpf.Program { return g.loaded.Programs["sink_stack"] }

// Close unloads generator and sink.
func (g *Generator) Close() { g.loaded.Close() }

// Flight is what became of the frames of a run.
type Flight struct {
	// Gross is nanoseconds a frame that was sent, everything included.
	Gross float64
	// Sent, Arrived and Spoiled are numbers of frames; spoiled ones arrived
	// with a wrong length.
	Sent, Arrived, Spoiled uint64
	// Bytes are those of the recorded frames that arrived.
	Bytes uint64
}

// Run sends at least as many frames as repetitions say. The thread must be in
// the generator's namespace.
func (g *Generator) Run(repetitions int) (Flight, error) {
	strides := min(max((repetitions+stride-1)/stride, 1), maxStamps-1)
	v := g.loaded.Variables
	err := errors.Join(v["generated"].Set(uint64(0)), v["arrived"].Set(uint64(0)), v["spoiled"].Set(uint64(0)))
	if err != nil {
		return Flight{}, fmt.Errorf("reset the counters: %w", err)
	}
	_, err = g.loaded.Programs["generate"].Run(&ebpf.RunOptions{
		Data: g.first, Repeat: uint32(strides*stride + 1), Flags: liveFrames, BatchSize: batch,
	})
	if err != nil {
		return Flight{}, fmt.Errorf("send live frames: %w", err)
	}
	var stamps [maxStamps]uint64
	if err := v["stamps"].Get(&stamps); err != nil {
		return Flight{}, fmt.Errorf("read the time stamps: %w", err)
	}
	f := Flight{Gross: float64(stamps[strides]-stamps[0]) / float64(strides*stride)}
	return f, g.Count(&f)
}

// Count updates the numbers of frames: the last ones may still be on their way
// when Run is done.
func (g *Generator) Count(f *Flight) error {
	v := g.loaded.Variables
	err := errors.Join(v["generated"].Get(&f.Sent), v["arrived"].Get(&f.Arrived), v["spoiled"].Get(&f.Spoiled))
	if err != nil {
		return fmt.Errorf("read the counters: %w", err)
	}
	return nil
}

// LiveOptions are the constants of the programs of live frames.
type LiveOptions struct {
	// Out is the device that frames go out of, Outer how many bytes of outer
	// headers there are.
	Out, Outer int
}

// LoadForwarder loads one of the floors of live frames: "encapsulate_out" or
// "decapsulate_out".
func LoadForwarder(name string, o LiveOptions) (*ebpf.Program, error) {
	loaded, err := loadLive(o, name)
	if err != nil {
		return nil, err
	}
	defer loaded.Close()
	return loaded.DetachProgram(name), nil
}

// loadLive loads some of the programs.
func loadLive(o LiveOptions, names ...string) (*ebpf.Collection, error) {
	spec, err := LoadLive()
	if err != nil {
		return nil, fmt.Errorf("read the object of live frames: %w", err)
	}
	err = errors.Join(spec.Variables["out"].Set(uint32(o.Out)), spec.Variables["outer"].Set(uint32(o.Outer)))
	if err != nil {
		return nil, fmt.Errorf("set the constants of live frames: %w", err)
	}
	kept := map[string]*ebpf.ProgramSpec{}
	for _, name := range names {
		if kept[name] = spec.Programs[name]; kept[name] == nil {
			return nil, fmt.Errorf("live frames: there is no program %s", name)
		}
	}
	spec.Programs = kept
	loaded, err := ebpf.NewCollection(spec)
	if err != nil {
		return nil, fmt.Errorf("load the programs of live frames: %w", err)
	}
	return loaded, nil
}
