// SPDX-License-Identifier: Apache-2.0

package live

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/mizar-net/mizar/bench/probe"
	"github.com/mizar-net/mizar/bench/report"
	"github.com/mizar-net/mizar/bench/sample"
	"github.com/mizar-net/mizar/bench/suite"
	"github.com/mizar-net/mizar/bench/traffic"
	"github.com/mizar-net/mizar/sim/capture"
)

// replayFamily is the underlay's; the capture's packets are of both.
const replayFamily = 4

// replayMTU is the endpoints': their frames are full ones.
const replayMTU = 1500

// Replay sends a capture from one host's endpoint to another's, beside the
// two-host floor with the very same frames. Every sender of the capture becomes
// the one endpoint, every destination the other.
func Replay(ctx context.Context, c capture.Capture, cpu int, p suite.Plan) (report.Figure, error) {
	w, err := traffic.Sent(c, traffic.Roles{From: role(0), To: func(int) capture.Endpoint { return role(1) }, Gateway: gateway})
	if err != nil {
		return report.Figure{}, err
	}
	sizes := report.NewSizes(w.Lengths())
	f := report.Figure{
		Name: suite.ReplayName(c), What: "recorded traffic from an endpoint to another host's, learned; against no lookups at all",
		Instrument: report.Live, Form: string(probe.XDP), Flows: len(w.Frames), Floor: "two-hosts", Rounds: p.Rounds,
		Share: &report.Share{Verdict: report.All, Packets: len(w.Frames), Bytes: sizes.Mean},
	}
	m := meter{cpu: cpu, plan: p, frames: w.Frames}
	for range p.Loads {
		l, err := m.load(ctx)
		if err != nil {
			return report.Figure{}, fmt.Errorf("%s: live: %w", c.File, err)
		}
		f.Loads = append(f.Loads, l)
	}
	f.Share.Expected = m.expected
	return f, nil
}

// role is an endpoint of the rig for who speaks in a capture.
func role(n int) capture.Endpoint {
	name := map[int]string{0: sender, 1: receiver}[n]
	return capture.Endpoint{Name: name, Addresses: []netip.Addr{endpoint(4, n), endpoint(6, n)}, MAC: endpointMAC(n)}
}

// replayUnderlay joins two hosts whose endpoints may send full frames.
var replayUnderlay = underlay{family: replayFamily, mtu: suite.ReplayMTU, overhead: suite.ReplayMTU - replayMTU}

// meter measures frames, load by load.
type meter struct {
	cpu    int
	plan   suite.Plan
	frames [][]byte
	// expected is which part of the frames has to arrive.
	expected float64
	done     int
}

// load measures once, with everything built and loaded afresh.
func (m *meter) load(ctx context.Context) (l report.Load, err error) {
	program, err := newReplayer(ctx, "programs", m.frames, (*replayer).network)
	if err != nil {
		return l, err
	}
	defer program.finish(&err)
	floor, err := newReplayer(ctx, "floor", m.frames, (*replayer).floor)
	if err != nil {
		return l, err
	}
	defer floor.finish(&err)
	m.expected = program.expected()
	quiet := &silent{replayer: floor}
	if err := m.measure(ctx, []turn{quiet, floor, program}); err != nil {
		return l, err
	}
	return report.Load{
		Program: sample.Of(program.samples), Floor: sample.Of(floor.samples), Wrapper: sample.Of(quiet.samples),
		Delivered: program.delivered,
	}, nil
}

// turn is somebody who takes turns.
type turn interface {
	// take measures as many frames as fit into the sample's length.
	take(cpu int, p suite.Plan) error
}

// measure lets them, after one turn each to warm up.
func (m *meter) measure(ctx context.Context, turns []turn) error {
	warm := m.plan
	warm.Sample = 0
	for _, t := range turns {
		if err := t.take(m.cpu, warm); err != nil {
			return err
		}
	}
	for range m.plan.Rounds {
		if err := ctx.Err(); err != nil {
			return err
		}
		for _, t := range turns {
			if err := t.take(m.cpu, m.plan); err != nil {
				return err
			}
		}
		m.done++
		if m.plan.Progress != nil {
			m.plan.Progress(m.done, m.plan.Loads*m.plan.Rounds)
		}
	}
	return nil
}
