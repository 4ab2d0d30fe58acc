// SPDX-License-Identifier: Apache-2.0

// Package record makes a scenario out of a run: every probe with what became of
// it, every frame that was put on a port as a capture, and what came out as a
// golden one. The new scenario runs on both wires and passes.
//
//	scenario ──run──► tape ──write──► scenario, captures ──run──► golden captures
package record

import (
	"bytes"
	"context"
	"slices"
	"time"

	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/wire"
	"github.com/mizar-net/mizar/sim/wire/testrun"
)

// entry is one thing that a run asked of its wire. Exactly one field is set
// beside step.
type entry struct {
	// step is the number of the scenario's step, from 0.
	step    int
	probe   *probed
	frames  *injected
	forget  bool
	advance time.Duration
}

// probed is a conversation and what became of it.
type probed struct {
	wire.Probe
	wire.Outcome
}

// injected are frames that were put on a port.
type injected struct {
	at     wire.Port
	frames [][]byte
}

// tape is a testrun wire that notes what it is asked.
type tape struct {
	*testrun.Wire
	step    int
	entries []entry
}

func (t *tape) note(e entry) {
	e.step = t.step
	t.entries = append(t.entries, e)
}

// Probe notes the conversation and its outcome.
func (t *tape) Probe(ctx context.Context, p wire.Probe) (wire.Outcome, error) {
	o, err := t.Wire.Probe(ctx, p)
	if err == nil {
		t.note(entry{probe: &probed{p, o}})
	}
	return o, err
}

// Inject notes the frames.
func (t *tape) Inject(ctx context.Context, at wire.Port, frames [][]byte) ([]wire.Emission, error) {
	t.inject(at, frames)
	return t.Wire.Inject(ctx, at, frames)
}

// Trace notes the frames.
func (t *tape) Trace(ctx context.Context, at wire.Port, frames [][]byte) ([]wire.Way, error) {
	t.inject(at, frames)
	return t.Wire.Trace(ctx, at, frames)
}

// inject notes frames, together with those before them if nothing else came in
// between. Equal frames are kept apart, so that each can be told from the others
// when one is lost.
func (t *tape) inject(at wire.Port, frames [][]byte) {
	for _, f := range frames {
		if last := t.last(at); last != nil && !slices.ContainsFunc(last.frames, func(b []byte) bool { return bytes.Equal(b, f) }) {
			last.frames = append(last.frames, f)
			continue
		}
		t.note(entry{frames: &injected{at, [][]byte{f}}})
	}
}

// last is what was put on the port just before in the same step; nil for nothing.
func (t *tape) last(at wire.Port) *injected {
	if len(t.entries) == 0 {
		return nil
	}
	e := t.entries[len(t.entries)-1]
	if e.step != t.step || e.frames == nil || e.frames.at != at {
		return nil
	}
	return e.frames
}

// Forget notes that what was learned is gone.
func (t *tape) Forget(ctx context.Context, places ...state.Place) error {
	t.note(entry{forget: true})
	return t.Wire.Forget(ctx, places...)
}

// Advance notes the step of the clock.
func (t *tape) Advance(ctx context.Context, d time.Duration) error {
	t.note(entry{advance: d})
	return t.Wire.Advance(ctx, d)
}
