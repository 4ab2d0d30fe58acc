// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cilium/ebpf"

	"github.com/mizar-net/mizar/bench/probe"
	"github.com/mizar-net/mizar/bench/report"
	"github.com/mizar-net/mizar/dataplane"
	"github.com/mizar-net/mizar/dataplane/kernel"
	"github.com/mizar-net/mizar/sim/frame"
)

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
		floor, err := s.loadFloor(probe.XDP, "mixed_"+name, known)
		if err != nil {
			return err
		}
		floors[name] = floor
	}
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
		e.floorAlone = e.alone
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
