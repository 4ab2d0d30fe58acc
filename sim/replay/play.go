// SPDX-License-Identifier: Apache-2.0

package replay

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/mizar-net/mizar/sim/golden"
	"github.com/mizar-net/mizar/sim/wire"
)

// Recording is what frames put on a port have caused.
type Recording struct {
	At     wire.Port
	Inputs [][]byte
	// Frames came out, or died, in the order of their inputs and of their
	// ways.
	Frames []golden.Frame
	// Ways are those of the inputs; none where the wire does not know them.
	Ways []wire.Way
}

// Play puts frames on a port of a wire, each when the one before is done.
func Play(ctx context.Context, w wire.Wire, at wire.Port, frames [][]byte) (Recording, error) {
	r := Recording{At: at, Inputs: frames}
	if tracer, ok := w.(wire.Tracer); ok {
		ways, err := tracer.Trace(ctx, at, frames)
		if err != nil {
			return r, fmt.Errorf("replay on the %s wire: %w", w.Name(), err)
		}
		r.Ways = ways
		for i, way := range ways {
			r.Frames = append(r.Frames, traced(i+1, way)...)
		}
		return r, nil
	}
	for i := range frames {
		some, err := observed(ctx, w, at, frames[i])
		if err != nil {
			return r, fmt.Errorf("replay packet %d on the %s wire: %w", i+1, w.Name(), err)
		}
		for _, f := range some {
			f.Input = i + 1
			r.Frames = append(r.Frames, f)
		}
	}
	return r, nil
}

// traced are the frames of a way whose steps are known.
func traced(input int, way wire.Way) []golden.Frame {
	var frames []golden.Frame
	emissions := slices.DeleteFunc(slices.Clone(way.Emissions), func(e wire.Emission) bool { return e.At.Stack != "" })
	for _, s := range way.Steps {
		f := golden.Frame{Input: input, Verdict: s.Verdict, Action: s.Action, Reason: s.Reason, Note: where(s)}
		if s.Reason != "" {
			// What is refused is counted as a drop, and comes out again.
			f.Port, f.Bytes, f.Verdict = golden.Dropped(s.Host), s.In, "drop"
			frames = append(frames, f)
			f.Verdict, f.Reason = s.Verdict, ""
		}
		switch {
		case len(emissions) > 0 && bytes.Equal(emissions[0].Frame, s.Out):
			f.Port, f.Bytes = golden.Port(emissions[0].At), s.Out
			emissions = emissions[1:]
		default:
			continue // to the host's stack
		}
		frames = append(frames, f)
	}
	return frames
}

// where is "endpoint program at default/red-1 on h1, to h3".
func where(s wire.Step) string {
	text := s.Program + " program"
	if s.Port != "" {
		text += " at " + s.Port
	}
	text += " on " + s.Host
	if s.To != "" {
		text += ", to " + s.To
	}
	return text
}

// observed are the frames that one frame causes on a wire that only shows what
// comes out and counts drops.
func observed(ctx context.Context, w wire.Wire, at wire.Port, input []byte) ([]golden.Frame, error) {
	before, err := w.Drops(ctx)
	if err != nil {
		return nil, err
	}
	emissions, err := w.Inject(ctx, at, [][]byte{input})
	if err != nil {
		return nil, err
	}
	after, err := w.Drops(ctx)
	if err != nil {
		return nil, err
	}
	frames := golden.Frames(emissions)
	for _, host := range slices.Sorted(maps.Keys(after)) {
		for _, reason := range slices.Sorted(maps.Keys(after[host])) {
			for range after[host][reason] - before[host][reason] {
				frames = append(frames, golden.Frame{
					Port: golden.Dropped(host), Bytes: arrived(host, input, emissions), Verdict: "drop", Reason: reason,
				})
			}
		}
	}
	return frames, nil
}

// arrived is the frame that a host had when it dropped one: the last that the
// underlay carried to it, or what was put in.
func arrived(host string, input []byte, emissions []wire.Emission) []byte {
	for _, e := range slices.Backward(emissions) {
		if e.To == host {
			return e.Frame
		}
	}
	return input
}
