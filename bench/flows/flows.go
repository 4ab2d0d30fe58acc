// SPDX-License-Identifier: Apache-2.0

// Package flows measures how fast flows come and go: how many a core enters into the
// tables in a second, packet by packet, and how many rows a collection looks at and
// removes.
package flows

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/mizar-net/mizar/bench/load"
	"github.com/mizar-net/mizar/bench/probe"
	"github.com/mizar-net/mizar/bench/suite"
	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/dataplane"
	"github.com/mizar-net/mizar/dataplane/flow"
)

// Entering are the cases of which every packet enters a flow: into openings by its
// first packet, with and without policy, and into flows by its first reply.
var Entering = []string{"endpoint/opened", "endpoint/accepted", "uplink/accepted", "uplink/answered"}

// Measure does everything as often as the plan says. Rows of "enter" are flows that
// packets entered, everything else that a packet costs included; rows of "collect"
// are those that a pass of the collector met.
func Measure(ctx context.Context, p suite.Plan) ([]load.Figure, error) {
	measured, err := suite.Run(ctx, suite.Cases(), suite.Filter{Names: Entering, Families: []int{4}, Flows: []int{probe.MaxFlows}}, p)
	if err != nil {
		return nil, err
	}
	var all []load.Figure
	for _, m := range measured {
		f := load.Figure{Name: "enter/" + m.Name, Rows: probe.MaxFlows, Of: probe.MaxFlows}
		for _, l := range m.Loads {
			f.Seconds = append(f.Seconds, l.Program.Median*probe.MaxFlows/1e9)
		}
		all = append(all, f)
	}
	for range p.Loads {
		kept, removed, err := collect(ctx)
		if err != nil {
			return nil, err
		}
		if all[len(all)-1].Name != removed.Name {
			all = append(all, kept, removed)
			continue
		}
		for i, f := range []load.Figure{kept, removed} {
			into := &all[len(all)-2+i]
			into.Seconds = append(into.Seconds, f.Seconds...)
		}
	}
	return all, nil
}

// seen is when all flows had their last packet.
const seen = time.Hour

// collect fills the tables of a fresh host, and collects twice: when no flow has had
// its time, and when all have.
func collect(ctx context.Context) (kept, removed load.Figure, err error) {
	d, err := dataplane.Load(dataplane.Options{TokenSecret: 1})
	if err != nil {
		return kept, removed, err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	rows := many()
	if n, err := d.ImportFlows(rows); err != nil || n != len(rows) {
		return kept, removed, errors.Join(fmt.Errorf("%d of %d flows could be entered", n, len(rows)), err)
	}
	if kept, err = pass(ctx, "collect/kept", d, seen, flow.Count{Left: len(rows)}); err != nil {
		return kept, removed, err
	}
	removed, err = pass(ctx, "collect/removed", d, 2*seen, flow.Count{Removed: len(rows)})
	return kept, removed, err
}

func pass(ctx context.Context, name string, d *dataplane.Datapath, now time.Duration, want flow.Count) (load.Figure, error) {
	began := time.Now()
	c, err := d.Collect(ctx, now)
	took := time.Since(began)
	if err == nil && c.Flows != want {
		err = fmt.Errorf("%s: want %+v, got %+v", name, want, c.Flows)
	}
	n := want.Left + want.Removed
	return load.Figure{Name: name, Rows: n, Of: n, Seconds: []float64{took.Seconds()}}, err
}

// many are as many flows as the map has room for by default, but for a few.
func many() []flow.Row {
	const n = 130_000
	all := make([]flow.Row, n)
	for i := range all {
		key, _ := flow.Key(7, 17,
			flow.End{Addr: netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), Port: 4000},
			flow.End{Addr: netip.AddrFrom4([4]byte{11, 0, 0, 1}), Port: 80})
		all[i] = flow.Row{Key: key, Settled: true, Row: bpf.RowFlow{Seen: uint32(seen / time.Second), State: uint8(bpf.RowFlowStateFLOW_ESTABLISHED)}}
	}
	return all
}
