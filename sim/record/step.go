// SPDX-License-Identifier: Apache-2.0

package record

import (
	"fmt"
	"path"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/mizar-net/mizar/sim/scenario"
	"github.com/mizar-net/mizar/sim/wire"
)

// The parts of a scenario file that a recording writes.
type (
	stepFile struct {
		Name    string      `yaml:"name"`
		Forget  bool        `yaml:"forget,omitempty"`
		Advance string      `yaml:"advance,omitempty"`
		Change  *yaml.Node  `yaml:"change,omitempty"`
		Assert  *yaml.Node  `yaml:"assert,omitempty"`
		Probe   *probeFile  `yaml:"probe,omitempty,flow"`
		Replay  *replayFile `yaml:"replay,omitempty,flow"`
		Expect  *expectFile `yaml:"expect,omitempty,flow"`
	}
	probeFile struct {
		Proto  string `yaml:"proto"`
		From   string `yaml:"from"`
		To     string `yaml:"to"`
		Port   uint16 `yaml:"port,omitempty"`
		Source uint16 `yaml:"source,omitempty"`
		Count  int    `yaml:"count,omitempty"`
		Size   int    `yaml:"size,omitempty"`
		TOS    uint8  `yaml:"tos,omitempty"`
		TTL    uint8  `yaml:"ttl,omitempty"`
		Whole  bool   `yaml:"whole,omitempty"`
		Fresh  bool   `yaml:"fresh,omitempty"`
	}
	expectFile struct {
		Verdict   string `yaml:"verdict"`
		Reason    string `yaml:"reason,omitempty"`
		Hops      []int  `yaml:"hops,omitempty"`
		ReplyHops []int  `yaml:"replyHops,omitempty"`
	}
	replayFile struct {
		At     string `yaml:"at,omitempty"`
		Uplink string `yaml:"uplink,omitempty"`
		File   string `yaml:"file"`
		Golden string `yaml:"golden"`
		Whole  bool   `yaml:"whole"`
		Fresh  bool   `yaml:"fresh,omitempty"`
	}
)

// steps are those of the recording of one run, and the captures that they name.
func (r recording) steps() ([]stepFile, map[string]injected, error) {
	var all []stepFile
	captures := map[string]injected{}
	rest := r.tape.entries
	for i, s := range r.scenario.Steps {
		if kept, ok := verbatim(s, r.source(i)); ok {
			all = append(all, kept)
		}
		fresh := false
		for len(rest) > 0 && rest[0].step == i {
			e := rest[0]
			rest = rest[1:]
			if e.forget || e.advance > 0 { // steps of their own are there already
				fresh = e.forget
				continue
			}
			written, err := r.step(s, e, len(all)+1)
			if err != nil {
				return nil, nil, fmt.Errorf("step %d (%s:%d): %w", i+1, s.At.File, s.At.Line, err)
			}
			if e.frames != nil {
				captures[written.Replay.File] = *e.frames
				written.Replay.Fresh = fresh
			} else {
				written.Probe.Fresh = fresh
			}
			fresh = false
			all = append(all, written)
		}
	}
	return all, captures, nil
}

// verbatim is a step that is taken over as it was written.
func verbatim(s scenario.Step, source *yaml.Node) (stepFile, bool) {
	out := stepFile{Name: s.Name}
	switch {
	case s.Change != nil:
		out.Change = field(source, "change")
	case s.Assert != nil:
		out.Assert = field(source, "assert")
	case s.Forget:
		out.Forget = true
	case s.Advance > 0:
		out.Advance = s.Advance.String()
	default:
		return out, false
	}
	return out, true
}

// step is an entry of the tape as a step of a scenario.
func (r recording) step(s scenario.Step, e entry, number int) (stepFile, error) {
	out := stepFile{Name: s.Name}
	if e.probe != nil {
		out.Name += fmt.Sprintf(" (%s %s → %s)", e.probe.Proto, scenario.Short(e.probe.From), e.probe.To)
		out.Probe = probeOf(e.probe.Probe)
		expect, err := expectOf(e.probe.Outcome)
		if err != nil {
			return out, fmt.Errorf("%s from %s to %s: %w", e.probe.Proto, e.probe.From, e.probe.To, err)
		}
		out.Expect = &expect
		return out, nil
	}
	base := path.Join(r.name(), fmt.Sprintf("%03d", number))
	out.Replay = &replayFile{
		At: scenario.Short(e.frames.at.Endpoint), Uplink: e.frames.at.Uplink,
		File: base + "-in.pcapng", Golden: base + "-out.pcapng", Whole: true,
	}
	return out, nil
}

func probeOf(p wire.Probe) *probeFile {
	return &probeFile{
		Proto: string(p.Proto), From: scenario.Short(p.From), To: p.To.String(), Port: p.Port, Source: p.SourcePort,
		Count: p.Count, Size: p.Size, TOS: p.TOS, TTL: p.TTL, Whole: p.DontFragment,
	}
}

// expectOf is what became of a conversation as an expectation.
func expectOf(o wire.Outcome) (expectFile, error) {
	lost := func(p wire.Packet) bool { return !p.Delivered }
	refused := func(p wire.Packet) bool { return p.Refused != nil }
	answered := func(p wire.Packet) bool { return p.Answered }
	switch {
	case slices.ContainsFunc(o.Requests, answered):
		return expectFile{Verdict: string(scenario.Answer)}, nil
	case len(o.Requests) > 0 && len(o.Replies) == len(o.Requests) &&
		!slices.ContainsFunc(o.Requests, lost) && !slices.ContainsFunc(o.Replies, lost):
		return expectFile{Verdict: string(scenario.Deliver), Hops: hops(o.Requests), ReplyHops: hops(o.Replies)}, nil
	case len(o.Requests) > 0 && len(o.Replies) == 0 && !slices.ContainsFunc(o.Requests, func(p wire.Packet) bool { return p.Delivered }):
		e := expectFile{Verdict: string(scenario.Drop), Reason: o.Requests[0].Reason}
		if slices.ContainsFunc(o.Requests, func(p wire.Packet) bool { return p.Reason != e.Reason }) {
			e.Reason = ""
		}
		if !slices.ContainsFunc(o.Requests, func(p wire.Packet) bool { return !refused(p) }) {
			e.Verdict = string(scenario.Refuse)
		}
		return e, nil
	}
	return expectFile{}, fmt.Errorf("%d requests and %d replies had different fates, which no one step can expect", len(o.Requests), len(o.Replies))
}

// hops of packets; the last number holds for all that follow.
func hops(packets []wire.Packet) []int {
	var all []int
	for _, p := range packets {
		all = append(all, p.Hops)
	}
	for len(all) > 1 && all[len(all)-1] == all[len(all)-2] {
		all = all[:len(all)-1]
	}
	return all
}
