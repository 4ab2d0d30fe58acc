// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cilium/ebpf"

	"github.com/mizar-net/mizar/bench/probe"
	"github.com/mizar-net/mizar/bench/report"
	"github.com/mizar-net/mizar/bench/traffic"
	"github.com/mizar-net/mizar/dataplane"
	"github.com/mizar-net/mizar/dataplane/kernel"
	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/capture"
	"github.com/mizar-net/mizar/sim/frame"
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

// part is the packets that meet one verdict; the last part is all of them.
type part struct {
	verdict string
	frames  []probe.Recorded
	// verdicts are those of the frames.
	verdicts []string
}

func (p *part) add(verdict string, f probe.Recorded) {
	p.frames = append(p.frames, f)
	p.verdicts = append(p.verdicts, verdict)
}

// floor is what a part stands on: sending, if most of its packets get headers.
func (p part) floor() string {
	moved := 0
	for _, f := range p.frames {
		if f.Moves {
			moved++
		}
	}
	if 2*moved > len(p.frames) {
		return "send"
	}
	return "lookup"
}

// figure is what a load says about a part.
func (p part) figure(mix string, e *entry) report.Figure {
	name, bytes := replayPrefix+mix, 0
	if p.verdict != report.All {
		name += "/" + strings.ReplaceAll(p.verdict, ": ", "-")
	}
	for _, f := range p.frames {
		bytes += len(f.Frame)
	}
	f := e.figure()
	f.Name, f.What, f.Instrument, f.Form = name, "recorded traffic that an endpoint sends", report.TestRun, string(probe.XDP)
	f.Family, f.Flows, f.Floor = 0, len(p.frames), p.floor()
	f.Share = &report.Share{Verdict: p.verdict, Packets: len(p.frames), Bytes: float64(bytes) / float64(len(p.frames))}
	return f
}

// sortByVerdict runs every packet once and puts it to the others of its verdict.
func sortByVerdict(d *dataplane.Datapath, frames [][]byte) ([]part, error) {
	byVerdict := map[string]*part{}
	all := part{verdict: report.All}
	for i, f := range frames {
		verdict, after, err := verdictOf(d, f)
		if err != nil {
			return nil, fmt.Errorf("packet %d: %w", i+1, err)
		}
		if byVerdict[verdict] == nil {
			byVerdict[verdict] = &part{verdict: verdict}
		}
		one := probe.Recorded{Frame: f, Moves: len(after) != len(f)}
		byVerdict[verdict].add(verdict, one)
		all.add(verdict, one)
	}
	var parts []part
	for _, verdict := range slices.Sorted(maps.Keys(byVerdict)) {
		parts = append(parts, *byVerdict[verdict])
	}
	return append(parts, all), nil
}

// verdictOf is what becomes of a packet ("send", "drop: guard_address"), and what
// the program leaves of it.
func verdictOf(d *dataplane.Datapath, f []byte) (string, []byte, error) {
	j := judge{datapath: d}
	if err := j.begin(); err != nil {
		return "", nil, err
	}
	after, err := (kernel.System{}).Run(d.Endpoint(), f, kernel.RunOptions{})
	if err != nil {
		return "", nil, err
	}
	counted, err := j.named()
	if err != nil {
		return "", nil, err
	}
	for verdict, n := range counted {
		if n == 1 && len(counted) == 1 {
			return verdict, after.Frame, nil
		}
	}
	return "", nil, fmt.Errorf("it was run once and counted as %v", counted)
}

// named counts packets since begin, drops by their reasons.
func (j *judge) named() (map[string]uint64, error) {
	verdicts, err := j.datapath.Verdicts()
	if err != nil {
		return nil, err
	}
	drops, err := j.datapath.Drops()
	if err != nil {
		return nil, err
	}
	all := since(j.verdicts, verdicts)
	delete(all, dropped)
	for reason, n := range since(j.drops, drops) {
		all[dropped+": "+reason] = n
	}
	return all, nil
}

// dropped is the verdict that has reasons.
const dropped = "drop"

// addParts makes three contenders of each part: the program, its floor, and the
// instrument alone.
func (s *stand) addParts(d *dataplane.Datapath, parts []part) error {
	known := workload{packets: readable(parts[len(parts)-1])}
	floors := map[string]*ebpf.Program{}
	for _, name := range []string{"send", "lookup"} {
		floor, err := s.loadFloor("mixed_"+name, known)
		if err != nil {
			return err
		}
		floors[name] = floor
	}
	nothing := func() error { return nil }
	unseen := func(probe.Outcome) error { return nil }
	for _, p := range parts {
		instrument, err := probe.NewMix(p.frames)
		if err != nil {
			return err
		}
		s.closers = append(s.closers, instrument.Close)
		j := &judge{datapath: d}
		e := &entry{
			alone: &contender{name: "instrument", instrument: instrument, begin: nothing, check: unseen},
			floor: &contender{name: "floor", instrument: instrument, program: floors[p.floor()], begin: nothing, check: unseen},
			program: &contender{
				name: p.verdict, instrument: instrument, program: d.Endpoint(), begin: j.begin,
				check: func(o probe.Outcome) error { return p.check(j, o) },
			},
		}
		s.entries = append(s.entries, e)
		s.contenders = append(s.contenders, e.alone, e.floor, e.program)
	}
	return nil
}

// readable are the packets that have a destination.
func readable(p part) [][]byte {
	var all [][]byte
	for _, f := range p.frames {
		if d, err := frame.Decode(f.Frame); err == nil && d.Inner.Dst.IsValid() && (!d.Tunnel || d.OuterDst.IsValid()) {
			all = append(all, f.Frame)
		}
	}
	return all
}

// check wants every packet to have met the verdict that it met the first time,
// all as often as the others.
func (p part) check(j *judge, o probe.Outcome) error {
	got, err := j.named()
	if err != nil {
		return err
	}
	if o.Wasted > 0 {
		return nil // nobody knows which ones those were
	}
	want := map[string]uint64{}
	rounds, rest := o.Repetitions/uint64(len(p.frames)), int(o.Repetitions%uint64(len(p.frames)))
	for i, v := range p.verdicts {
		want[v] += rounds
		if i < rest {
			want[v]++
		}
	}
	maps.DeleteFunc(want, func(_ string, n uint64) bool { return n == 0 })
	if !maps.Equal(got, want) {
		return fmt.Errorf("%d packets: want %v, got %v", o.Repetitions, want, got)
	}
	return nil
}
