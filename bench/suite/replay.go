// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/mizar-net/mizar/bench/probe"
	"github.com/mizar-net/mizar/bench/report"
	"github.com/mizar-net/mizar/bench/sample"
	"github.com/mizar-net/mizar/dataplane"
	"github.com/mizar-net/mizar/dataplane/kernel"
	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/capture"
	"github.com/mizar-net/mizar/sim/frame"
)

// longest is a full Ethernet frame; longer ones of a capture are what offloads
// left together, and no wire carries them.
const longest = 1514

// Replay measures the endpoint program with the traffic of a capture, as if one
// endpoint had sent all of it: every sender's address becomes the endpoint's,
// every other one that of an endpoint on another host, the way to which is
// learned.
//
// Packets are padded to one length behind their end. Nothing looks there, and
// sizes are those of the capture.
func Replay(ctx context.Context, c capture.Capture, p Plan) (report.Mix, error) {
	r := replay{plan: p}
	if err := r.read(c); err != nil {
		return report.Mix{}, err
	}
	for range p.Loads {
		if err := r.load(ctx); err != nil {
			return report.Mix{}, err
		}
	}
	return r.mix, nil
}

type replay struct {
	plan Plan
	// known are the addresses that stand for others.
	known map[netip.Addr]int
	// frames and sizes are the packets, and how long they were.
	frames [][]byte
	sizes  []int
	mix    report.Mix
	done   int
}

// read makes the capture into packets of the endpoint under test.
func (r *replay) read(c capture.Capture) error {
	senders, err := r.meet(c)
	if err != nil {
		return err
	}
	for _, s := range senders {
		to := map[netip.Addr]capture.Endpoint{s: {
			Name: "endpoint", Addresses: []netip.Addr{locals.at(4, 0), locals.at(6, 0)}, MAC: own(0),
		}}
		for a, n := range r.known {
			if a != s {
				to[a] = capture.Endpoint{
					Name: a.String(), Addresses: []netip.Addr{learned.at(4, n), learned.at(6, n)}, MAC: state.MAC{2, 4},
				}
			}
		}
		for _, p := range c.Packets {
			one := capture.Capture{File: c.File, Packets: []capture.Packet{p}}
			said, err := one.From(s)
			if err == nil {
				said, err = said.Rewrite(to, gateway)
			}
			if err != nil {
				r.mix.Unreadable++
				continue
			}
			r.keep(said)
		}
	}
	if len(r.frames) == 0 {
		return fmt.Errorf("%s: no packet in it has a unicast sender and at most %d bytes", c.File, longest)
	}
	r.mix.Sizes = report.NewSizes(r.sizes)
	return nil
}

// meet finds the senders, and gives every address of the capture a number.
func (r *replay) meet(c capture.Capture) ([]netip.Addr, error) {
	r.known = map[netip.Addr]int{}
	senders := map[netip.Addr]bool{}
	for _, p := range c.Packets {
		d, _ := frame.Decode(p.Frame) // what could be read is what there is
		y := d.Inner
		if d.Tunnel {
			y.Src, y.Dst = d.OuterSrc, d.OuterDst
		}
		if y.ARP != nil {
			y.Src, y.Dst = y.ARP.SenderIP, y.ARP.TargetIP
		}
		if unicast(y.Src) {
			senders[y.Src] = true
		}
		for _, a := range []netip.Addr{y.Src, y.Dst} {
			if _, ok := r.known[a]; !ok && unicast(a) {
				r.known[a] = len(r.known)
			}
		}
	}
	if len(r.known) > probe.MaxFlows {
		return nil, fmt.Errorf("%s: %d addresses are in it, want at most %d", c.File, len(r.known), probe.MaxFlows)
	}
	return slices.SortedFunc(maps.Keys(senders), netip.Addr.Compare), nil
}

func unicast(a netip.Addr) bool {
	return a.IsGlobalUnicast() && a != netip.AddrFrom4([4]byte{255, 255, 255, 255})
}

// keep takes packets on.
func (r *replay) keep(c capture.Capture) {
	for _, p := range c.Packets {
		switch {
		case len(p.Frame) > longest:
			r.mix.TooLong++
		case len(r.frames) == probe.MaxFlows:
			r.mix.TooMany++
		default:
			r.sizes = append(r.sizes, len(p.Frame))
			r.frames = append(r.frames, append(slices.Clone(p.Frame), make([]byte, longest-len(p.Frame))...))
		}
	}
}

// load measures everything once, loaded afresh.
func (r *replay) load(ctx context.Context) (err error) {
	d, err := setting{family: 4}.load()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	for _, n := range r.known {
		if err := errors.Join(d.Learn(vni, learned.at(4, n), peerName(n)), d.Learn(vni, learned.at(6, n), peerName(n))); err != nil {
			return err
		}
	}
	parts, err := r.sort(d)
	if err != nil {
		return err
	}
	s := &stand{}
	defer func() { err = errors.Join(err, s.Close()) }()
	if err := s.addParts(d, parts); err != nil {
		return err
	}
	if err := r.measure(ctx, s); err != nil {
		return err
	}
	for i, e := range s.entries {
		alone := sample.Of(e.alone.samples)
		r.mix.Add(report.Part{
			Verdict: parts[i].verdict, Packets: parts[i].packets,
			Loads: []sample.Spread{sample.Of(e.program.samples).Minus(alone)},
		})
	}
	return nil
}

// part is the packets that meet one verdict; the last part is all of them.
type part struct {
	verdict string
	packets int
	frames  [][]byte
}

// sort runs every packet once and puts it to the others of its verdict.
func (r *replay) sort(d *dataplane.Datapath) ([]part, error) {
	byVerdict := map[string]*part{}
	all := part{verdict: report.All, packets: len(r.frames), frames: r.frames}
	for _, f := range r.frames {
		verdict, err := verdictOf(d, f)
		if err != nil {
			return nil, err
		}
		p := byVerdict[verdict]
		if p == nil {
			p = &part{verdict: verdict}
			byVerdict[verdict] = p
		}
		p.packets++
		p.frames = append(p.frames, f)
	}
	var parts []part
	for _, verdict := range slices.Sorted(maps.Keys(byVerdict)) {
		parts = append(parts, *byVerdict[verdict])
	}
	return append(parts, all), nil
}

// verdictOf is what becomes of a packet: "send", "drop: guard_address".
func verdictOf(d *dataplane.Datapath, f []byte) (string, error) {
	j := judge{datapath: d}
	if err := j.begin(); err != nil {
		return "", err
	}
	if _, err := (kernel.System{}).Run(d.Endpoint(), f, kernel.RunOptions{}); err != nil {
		return "", err
	}
	verdicts, err := d.Verdicts()
	if err != nil {
		return "", err
	}
	drops, err := d.Drops()
	if err != nil {
		return "", err
	}
	for v := range since(j.verdicts, verdicts) {
		for reason := range since(j.drops, drops) {
			v += ": " + reason
		}
		return v, nil
	}
	return "", errors.New("a packet was run and not counted")
}

// addParts makes two contenders of each part: the program, and the wrapper alone.
func (s *stand) addParts(d *dataplane.Datapath, parts []part) error {
	for _, p := range parts {
		instrument, err := probe.New(probe.XDP, cycle(p.frames))
		if err != nil {
			return err
		}
		s.closers = append(s.closers, instrument.Close)
		nothing := func() error { return nil }
		unseen := func(probe.Outcome) error { return nil }
		e := &entry{
			alone:   &contender{name: "wrapper", instrument: instrument, begin: nothing, check: unseen},
			program: &contender{name: p.verdict, instrument: instrument, program: d.Endpoint(), begin: nothing, check: unseen},
		}
		// Most packets of a capture are sent, and so resized.
		if p.verdict == "send" || p.verdict == "ask" || p.verdict == report.All {
			e.alone.resizing = probe.Resized
		}
		s.entries = append(s.entries, e)
		s.contenders = append(s.contenders, e.alone, e.program)
	}
	return nil
}

// cycle repeats packets until their number is a power of two.
func cycle(frames [][]byte) [][]byte {
	n := 1
	for n < len(frames) {
		n *= 2
	}
	all := make([][]byte, n)
	for i := range all {
		all[i] = frames[i%len(frames)]
	}
	return all
}

// measure lets the parts take turns.
func (r *replay) measure(ctx context.Context, s *stand) error {
	turns := runner{Plan: r.plan, done: r.done, total: r.plan.Loads * r.plan.Rounds}
	err := turns.rounds(ctx, s)
	r.done = turns.done
	return err
}
