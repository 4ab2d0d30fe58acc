// SPDX-License-Identifier: Apache-2.0

// Package collector ends flows, forgets ways that were learned too long ago and mends what
// others have written to maps: it is what an agent runs beside each datapath for as long
// as it has it.
//
//	Run ─► pass ─► Report ─► wait, less long the fuller the table is ─┐
//	        ▲                                                         │
//	        └─────────────────────────────────────────────────────────┘
//
// Passes begin at times that were set before, not so long after the last one has
// ended: what a pass takes moves no other.
package collector

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/mizar-net/mizar/dataplane"
	"github.com/mizar-net/mizar/dataplane/clock"
	"github.com/mizar-net/mizar/dataplane/flow"
)

// Every is the time between two passes of a table that is at most half full, unless
// a collector says otherwise: as long as the shortest time-out is.
const Every = 10 * time.Second

// TendEvery is the time between two looks at all maps. Learned paths count for an hour:
// none is kept for much longer, and large tables are not read all the time.
const TendEvery = 5 * time.Minute

// Datapath is what flows are collected from.
type Datapath interface {
	// Collect removes the flows whose time is up at now, of the clock that the
	// programs read.
	Collect(ctx context.Context, now time.Duration) (flow.Collected, error)
	// Tend removes the paths that were learned too long before now, and mends the maps,
	// where it knows what they must hold.
	Tend(now time.Duration) (dataplane.Tended, error)
}

// Collector collects the flows of one datapath.
type Collector struct {
	Datapath Datapath
	// Clock is the one that the programs read.
	Clock clock.Clock
	// Every is the time between two passes of a table that is at most half full;
	// 0: [Every].
	Every time.Duration
	// Report, unless it is nil, is told of each pass.
	Report func(Pass)
}

// Pass is one collection.
type Pass struct {
	flow.Collected
	// WasTended says that all maps were looked at.
	WasTended bool
	dataplane.Tended
	// Took is how long it was, Next how long after its beginning the next one
	// begins, unless that has been taken up by this one.
	Took, Next time.Duration
	// Err says why it did not end well; the next one tries again.
	Err error
}

// Run collects at once, and then again and again until ctx ends. A pass that fails
// is reported and keeps none of the others from being made.
func (c Collector) Run(ctx context.Context) {
	due := time.Now()
	tend := due
	for {
		began := time.Now()
		p := c.pass(ctx)
		if !began.Before(tend) {
			c.tend(&p)
			p.Took, tend = time.Since(began), began.Add(TendEvery)
		}
		if ctx.Err() != nil {
			return
		}
		if c.Report != nil {
			c.Report(p)
		}
		due = due.Add(p.Next)
		if late := time.Since(due); late > 0 {
			due = due.Add(late) // the pass took longer than there was time
		}
		if !sleep(ctx, time.Until(due)) {
			return
		}
	}
}

// pass is one collection.
func (c Collector) pass(ctx context.Context) Pass {
	var p Pass
	began := time.Now()
	now, err := c.Clock.Now()
	if err == nil {
		p.Collected, err = c.Datapath.Collect(ctx, now)
	}
	p.Err, p.Took, p.Next = err, time.Since(began), c.interval(p.Full())
	return p
}

// tend is the part of a pass that is about all maps.
func (c Collector) tend(p *Pass) {
	now, err := c.Clock.Now()
	if err == nil {
		p.Tended, err = c.Datapath.Tend(now)
	}
	p.WasTended = err == nil
	if err != nil {
		p.Err = errors.Join(p.Err, err)
	}
}

// interval is the time between two passes when such a part of the room is taken.
// Rows that could go must not be what new flows are refused for.
func (c Collector) interval(full float64) time.Duration {
	every := c.Every
	if every == 0 {
		every = Every
	}
	switch {
	case full > 0.9:
		return every / 10
	case full > 0.75:
		return every / 4
	case full > 0.5:
		return every / 2
	}
	return every
}

// sleep waits, and says whether ctx has let it.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// String tells a pass in a line: "removed 3 flows and 12 that were opening in 4ms; 10
// and 2 are left, the table is 8 % full", and the paths that were forgotten and the rows that
// were mended, if any.
func (p Pass) String() string {
	if p.Err != nil {
		return fmt.Sprintf("failed after %s: %v", p.Took.Round(time.Microsecond), p.Err)
	}
	line := fmt.Sprintf("removed %d flows and %d that were opening in %s; %d and %d are left, the table is %.0f %% full",
		p.Flows.Removed, p.Openings.Removed, p.Took.Round(time.Microsecond), p.Flows.Left, p.Openings.Left, 100*p.Full())
	if p.Paths > 0 {
		line += fmt.Sprintf("; forgot %d paths", p.Paths)
	}
	for _, name := range slices.Sorted(maps.Keys(p.Mended)) {
		line += fmt.Sprintf("; mended %d rows of map %s", p.Mended[name].Puts+p.Mended[name].Deletes, name)
	}
	return line
}
