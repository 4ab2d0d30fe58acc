// SPDX-License-Identifier: Apache-2.0

package run

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/mizar-net/mizar/sim/frame"
	"github.com/mizar-net/mizar/sim/scenario"
	"github.com/mizar-net/mizar/sim/wire"
)

// sent is what became of one frame on one wire.
type sent struct {
	answers, deliveries, underlay int
	// passes are frames that the host's stack got as they were; altered those
	// that it got otherwise.
	passes, altered int
	drops           wire.Drops
	// paths are the outer source ports and destinations of what left.
	paths []string
	// wrong are broken checksums among what came out.
	wrong error
}

// send puts frames on a port one after the other, so that what comes out
// belongs to one of them.
func (r *runner) send(ctx context.Context, s *scenario.Send) ([]Check, error) {
	var checks []Check
	answers, paths := map[string]int{}, map[string][]string{}
	for _, spec := range s.Frames {
		if r.foreign(spec) {
			continue
		}
		frames, err := r.world.frames(spec, s.At)
		if err != nil {
			return nil, err
		}
		for _, f := range frames {
			seen := make([]sent, len(r.wires))
			for i, w := range r.wires {
				if seen[i], err = sendOne(ctx, w, s.At, f); err != nil {
					return nil, fmt.Errorf("send %s on the %s wire: %w", f.name, w.Name(), err)
				}
				answers[w.Name()] += seen[i].answers
				paths[w.Name()] = append(paths[w.Name()], seen[i].paths...)
			}
			checks = append(checks, r.judge(s, f, seen)...)
		}
	}
	for _, w := range r.wires {
		if s.Answers != nil {
			checks = append(checks, countAnswers(w.Name(), answers[w.Name()], *s.Answers))
		}
		if s.Expect.Paths > 0 {
			checks = append(checks, countPaths(w.Name(), paths[w.Name()], s.Expect.Paths))
		}
	}
	return checks, nil
}

// foreign says whether a frame comes over an underlay of the family that this
// run does not have.
func (r *runner) foreign(f scenario.FrameSpec) bool {
	return f.OuterSrc.IsValid() && r.underlay != "" && familyName(familyOf(f.OuterSrc)) != r.underlay
}

func countAnswers(who string, got, want int) Check {
	c := Check{Name: "answers at the port", Wire: who, Cell: Cell{Proto: "counters", Wire: who}, Seen: fmt.Sprintf("%d answers", got)}
	if got != want {
		c.Failures = []Failure{{Field: "answers", Who: who, Got: fmt.Sprint(got), Against: "the scenario", Want: fmt.Sprint(want)}}
	}
	return c
}

// countPaths holds the ways that frames took on the underlay against how many
// there must be.
func countPaths(who string, seen []string, want int) Check {
	slices.Sort(seen)
	frames := len(seen)
	seen = slices.Compact(seen)
	c := Check{
		Name: "paths of the frames", Wire: who, Cell: Cell{Proto: "paths", Wire: who},
		Seen: fmt.Sprintf("%d frames under %s", frames, strings.Join(seen, ", ")),
	}
	if len(seen) != want {
		c.Failures = []Failure{{Field: "paths", Who: who, Got: c.Seen, Against: "the scenario", Want: fmt.Sprint(want)}}
	}
	return c
}

// sendOne puts one frame on a port of a wire and sorts what comes out.
func sendOne(ctx context.Context, w wire.Wire, at wire.Port, f built) (sent, error) {
	before, err := count(ctx, w)
	if err != nil {
		return sent{}, err
	}
	emissions, err := w.Inject(ctx, at, [][]byte{f.bytes})
	if err != nil {
		return sent{}, err
	}
	after, err := count(ctx, w)
	if err != nil {
		return sent{}, err
	}
	var s sent
	s.drops, _ = after.since(before)
	want := key(f.bytes)
	for _, e := range emissions {
		switch {
		case e.At.Stack != "":
			if e.At.Stack == at.Uplink && bytes.Equal(e.Frame, f.bytes) {
				s.passes++
			} else {
				s.altered++
			}
			continue
		case e.At.Uplink != "":
			s.underlay++
			if p, err := frame.Decode(e.Frame); err == nil && p.Tunnel {
				s.paths = append(s.paths, fmt.Sprintf("port %d to %s", p.OuterSport, p.OuterDst))
			}
		case e.At == at && answersTo(f.cell.Proto, e.Frame):
			s.answers++
		case e.At.Endpoint != "" && key(e.Frame) == want:
			s.deliveries++
		default:
			continue // what stacks on a real wire say of themselves
		}
		if err := frame.VerifyChecksums(e.Frame); err != nil && s.wrong == nil {
			s.wrong = err
		}
	}
	return s, nil
}

// key tells an inner packet from others wherever it is seen.
func key(b []byte) frame.Key {
	p, err := frame.Decode(b)
	if err != nil {
		return frame.Key{}
	}
	return p.Key().In(0)
}

// answersTo says whether a frame is an answer to ARP or neighbour discovery.
func answersTo(proto string, b []byte) bool {
	p, err := frame.Decode(b)
	if err != nil {
		return false
	}
	const advertisement = 136
	return proto == "arp" && p.Inner.ARP != nil && p.Inner.ARP.Op == 2 ||
		proto == "nd" && p.Inner.ND != nil && p.Inner.ICMPType == advertisement
}

// judge holds each wire against the scenario, and two wires against each other.
func (r *runner) judge(s *scenario.Send, f built, seen []sent) []Check {
	f.cell.Verdict, f.cell.Reason = string(s.Expect.Verdict), s.Expect.Reason
	var checks []Check
	for i, w := range r.wires {
		c := Check{Name: f.name, Wire: w.Name(), Cell: f.cell.on(w.Name()), Seen: seen[i].fate()}
		if want, ok := seen[i].as(s.Expect); !ok {
			c.Failures = append(c.Failures, Failure{
				Field: "frame", Who: w.Name(), Got: c.Seen, Against: "the scenario", Want: want,
			})
		}
		if err := seen[i].wrong; err != nil {
			c.Failures = append(c.Failures, Failure{
				Field: "checksums", Who: w.Name(), Got: err.Error(), Against: "the scenario", Want: "right ones",
			})
		}
		checks = append(checks, c)
	}
	if len(seen) == 2 {
		c := Check{Name: f.name, Wire: BothWires, Cell: f.cell.on(BothWires), Seen: "equal"}
		if a, b := seen[1].fate(), seen[0].fate(); a != b {
			c.Failures = []Failure{{
				Field: "frame", Who: r.wires[1].Name(), Got: a, Against: r.wires[0].Name(), Want: b,
			}}
		}
		checks = append(checks, c)
	}
	return checks
}

// fate is what became of the frame in words.
func (s sent) fate() string {
	switch {
	case s.answers > 0:
		return "answered"
	case s.deliveries > 0:
		return "delivered"
	case s.altered > 0:
		return "passed to the host's stack, but not as it was"
	case s.passes > 0:
		return "passed to the host's stack"
	case len(s.drops) > 0:
		return "dropped by " + s.droppers()
	}
	return "lost without a reason"
}

// droppers names hosts and reasons: "h1 (guard_mac)".
func (s sent) droppers() string {
	var texts []string
	for _, host := range slices.Sorted(maps.Keys(s.drops)) {
		for _, reason := range slices.Sorted(maps.Keys(s.drops[host])) {
			text := fmt.Sprintf("%s (%s)", host, reason)
			if n := s.drops[host][reason]; n > 1 {
				text = fmt.Sprintf("%d × %s", n, text)
			}
			texts = append(texts, text)
		}
	}
	return join(texts)
}

// as compares what became of the frame with what should have. A drop also
// means that nothing came out anywhere.
func (s sent) as(e scenario.Expect) (want string, ok bool) {
	switch e.Verdict {
	case scenario.Answer:
		return "one answer at the port, nothing on the underlay", s.answers == 1 && s.underlay == 0
	case scenario.Deliver:
		return "delivered once", s.deliveries == 1
	case scenario.Pass:
		return "passed to the host's stack once, byte for byte, and nothing else anywhere",
			s.passes == 1 && s.altered+s.answers+s.deliveries+s.underlay+len(s.drops) == 0
	}
	want = "dropped"
	if e.Reason != "" {
		want += " (" + e.Reason + ")"
	}
	if s.answers > 0 || s.deliveries > 0 || s.passes > 0 || s.altered > 0 {
		return want, false
	}
	for _, reasons := range s.drops {
		for reason := range reasons {
			if e.Reason == "" || reason == e.Reason {
				return want, true
			}
		}
	}
	return want, false
}
