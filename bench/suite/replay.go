// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"

	"github.com/mizar-net/mizar/bench/report"
	"github.com/mizar-net/mizar/bench/traffic"
	"github.com/mizar-net/mizar/dataplane"
	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/capture"
)

const (
	// ReplayMTU is the underlay's where recorded traffic is measured: room
	// for a full frame of 1514 bytes with all outer headers.
	ReplayMTU = 1650
	// replayPrefix begins the names of figures of recorded traffic.
	replayPrefix = "replay/"
)

// IsReplay says whether a figure of that name is of recorded traffic.
func IsReplay(name string) bool { return strings.HasPrefix(name, replayPrefix) }

// ReplayName is the name of the figures of a capture.
func ReplayName(c capture.Capture) string {
	base := filepath.Base(c.File)
	return replayPrefix + strings.TrimSuffix(base, filepath.Ext(base))
}

// Replay measures the endpoint program with the traffic of a capture, as if one
// endpoint had sent all of it: every sender becomes the endpoint, every
// destination one on another host, the way to which is learned. There is a figure
// for each verdict, and one for all packets.
func Replay(ctx context.Context, c capture.Capture, p Plan) (report.Mix, error) {
	r, err := newReplay(c)
	if err != nil {
		return report.Mix{}, err
	}
	r.plan = p
	for range p.Loads {
		if err := r.load(ctx); err != nil {
			return report.Mix{}, fmt.Errorf("%s: %w", c.File, err)
		}
	}
	return r.mix, nil
}

// NewMix is a capture of which nothing is measured yet.
func NewMix(c capture.Capture) (report.Mix, error) {
	r, err := newReplay(c)
	return r.mix, err
}

// replayFrom is the endpoint under test, replayTo who it sends to.
var replayFrom = capture.Endpoint{
	Name: "endpoint", Addresses: []netip.Addr{locals.at(4, 0), locals.at(6, 0)}, MAC: own(0),
}

func replayTo(n int) capture.Endpoint {
	return capture.Endpoint{
		Name: fmt.Sprintf("destination %d", n), Addresses: []netip.Addr{learned.at(4, n), learned.at(6, n)}, MAC: state.MAC{2, 4},
	}
}

type replay struct {
	plan     Plan
	workload traffic.Workload
	mix      report.Mix
	done     int
}

// newReplay makes packets of the endpoint under test of a capture.
func newReplay(c capture.Capture) (replay, error) {
	w, err := traffic.Sent(c, traffic.Roles{From: replayFrom, To: replayTo, Gateway: gateway})
	return replay{workload: w, mix: report.Mix{
		Name: strings.TrimPrefix(ReplayName(c), replayPrefix), File: c.File,
		Packets: len(w.Frames), Sizes: report.NewSizes(w.Lengths()),
		TooLong: w.TooLong, TooMany: w.TooMany, Forced: w.Forced,
	}}, err
}

// load measures everything once, loaded afresh.
func (r *replay) load(ctx context.Context) (err error) {
	d, err := dataplane.Load(dataplane.Options{TokenSecret: 1})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	if err := r.fill(d); err != nil {
		return err
	}
	parts, err := sortByVerdict(d, r.workload.Frames)
	if err != nil {
		return err
	}
	s := &stand{}
	defer func() { err = errors.Join(err, s.Close()) }()
	if err := s.addParts(d, parts); err != nil {
		return err
	}
	turns := runner{Plan: r.plan, done: r.done, total: r.plan.Loads * r.plan.Rounds}
	if err := turns.rounds(ctx, s); err != nil {
		return err
	}
	r.done = turns.done
	for i, e := range s.entries {
		r.mix.Add(parts[i].figure(r.mix.Name, e))
	}
	return nil
}

// fill tells a host of the endpoint and of all destinations.
func (r *replay) fill(d *dataplane.Datapath) error {
	h, l := setting{family: 4}.state()
	h.MTU = ReplayMTU
	if _, err := d.Apply(h, l); err != nil {
		return err
	}
	for n := range r.workload.Destinations {
		if err := errors.Join(d.Learn(vni, learned.at(4, n), peerName(n)), d.Learn(vni, learned.at(6, n), peerName(n))); err != nil {
			return err
		}
	}
	return nil
}
