// SPDX-License-Identifier: Apache-2.0

package run

import (
	"context"
	"fmt"
	"strings"

	"github.com/mizar-net/mizar/sim/frame"
	"github.com/mizar-net/mizar/sim/scenario"
	"github.com/mizar-net/mizar/sim/trace"
	"github.com/mizar-net/mizar/sim/wire"
)

// trace has conversations like a probe. The way that the programs recorded must
// be the one that the frames of the other wire show, and must meet the rows that
// the scenario names.
func (r *runner) trace(ctx context.Context, t *scenario.Trace) ([]Check, error) {
	r.readRules()
	if len(t.Meets) > 0 {
		r.readRows()
	}
	var checks []Check
	for _, proto := range t.Probe.Protos {
		talks, err := r.conversations(&t.Probe, proto)
		if err != nil {
			return nil, err
		}
		for _, talk := range talks {
			more, err := r.traceOne(ctx, t, talk)
			if err != nil {
				return nil, err
			}
			checks = append(checks, more...)
		}
	}
	return checks, nil
}

// traceOne traces one conversation on every wire.
func (r *runner) traceOne(ctx context.Context, t *scenario.Trace, talk conversation) ([]Check, error) {
	if talk.fresh {
		if err := r.forget(ctx, talk.ends...); err != nil {
			return nil, err
		}
	}
	expected, err := r.oracle.Probe(talk.flows[0])
	if err != nil {
		return nil, fmt.Errorf("ask the oracle: %s: %w", talk.name, err)
	}
	oracle := answer{who: oracleSays}
	oracle.add(expected)
	talk.cell.Verdict, talk.cell.Reason = string(scenario.Deliver), ""
	if first := expected.Requests[0]; !first.Delivered {
		talk.cell.Verdict, talk.cell.Reason = string(scenario.Drop), first.Reason
	}
	answers := make([]answer, len(r.wires))
	var checks []Check
	for i, w := range r.wires {
		outcome, err := w.Probe(ctx, talk.flows[0])
		if err != nil {
			return nil, fmt.Errorf("trace on the %s wire: %s: %w", w.Name(), talk.name, err)
		}
		answers[i].who, answers[i].timed = w.Name(), isTimed(w)
		answers[i].add(outcome)
		answers[i].age(oracle)
		c := Check{Name: talk.name, Wire: w.Name(), Cell: talk.cell.on(w.Name()), Seen: ways(answers[i].requests)}
		c.Failures = append(talk.against(answers[i], oracle), talk.ruled(answers[i], oracle)...)
		if _, ok := w.(wire.RowReader); ok {
			c.Failures = append(c.Failures, missed(w.Name(), trace.Of(outcome), t.Meets)...)
		}
		checks = append(checks, c)
	}
	if len(answers) == 2 {
		checks = append(checks, talk.sameFrames(answers[0], answers[1]))
	}
	return checks, nil
}

// sameFrames holds the frames of one wire against those of the other, hop by
// hop.
func (t conversation) sameFrames(a, b answer) Check {
	c := Check{Name: t.name, Wire: BothWires, Cell: t.cell.on(BothWires), Seen: "the same frames on every hop"}
	c.Failures = differences(b, a)
	for _, of := range []struct {
		name string
		a, b []wire.Packet
	}{{"request", a.requests, b.requests}, {"reply", a.replies, b.replies}} {
		for i := range min(len(of.a), len(of.b)) {
			if of.a[i].Aged && (a.timed || b.timed) {
				continue
			}
			one, other := frames(of.a[i]), frames(of.b[i])
			for hop := range max(len(one), len(other)) {
				if got, want := at(other, hop), at(one, hop); got != want {
					c.Failures = append(c.Failures, Failure{
						Field: fmt.Sprintf("%s %d, hop %d", of.name, i+1, hop+1), Who: b.who, Got: got, Against: a.who, Want: want,
					})
				}
			}
		}
	}
	return c
}

func at(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return "no frame"
}

// frames are a packet's frames on the underlay in words: all that two wires have
// in common, which is not the MACs of the underlay, tokens, and what stacks
// choose by chance.
func frames(p wire.Packet) []string {
	lines := make([]string, len(p.Frames))
	for i, b := range p.Frames {
		f, err := frame.Decode(b)
		if err != nil {
			lines[i] = err.Error()
			continue
		}
		in := f.Inner
		lines[i] = fmt.Sprintf("%s:%d → %s ttl %d tos %d df %t vni %d [%s] %s:%d → %s:%d protocol %d ttl %d tos %d",
			f.OuterSrc, f.OuterSport, f.OuterDst, f.OuterTTL, f.OuterTOS, f.OuterDF, f.VNI, f.Options,
			in.Src, in.SrcPort, in.Dst, in.DstPort, in.Proto, in.TTL, in.TOS)
	}
	return lines
}

// ways are those of some packets: "h1 → h3 → h2, h1 → h2".
func ways(packets []wire.Packet) string {
	texts := make([]string, len(packets))
	for i, p := range packets {
		texts[i] = way(p)
		if !p.Delivered {
			texts[i] += " (" + p.Reason + ")"
		}
	}
	return join(texts)
}

// missed are the rows that a trace should have met, and did not.
func missed(who string, packets []trace.Packet, meets []string) []Failure {
	var met []string
	for _, p := range packets {
		for _, s := range p.Steps {
			for _, stage := range s.Stages {
				line := strings.Join([]string{s.Host, stage.Name, stage.Map, stage.Key, stage.Access, stage.Text}, " ")
				met = append(met, strings.Join(strings.Fields(line), " "))
			}
		}
	}
	rest := met
	var failures []Failure
	for _, want := range meets {
		i := 0
		for i < len(rest) && !strings.HasPrefix(rest[i], want) {
			i++
		}
		if i == len(rest) {
			failures = append(failures, Failure{
				Field: "rows met", Who: who, Got: "no such row from here on", Against: "the scenario", Want: want,
				Note: "all that was met:\n  " + strings.Join(met, "\n  "),
			})
			continue
		}
		rest = rest[i+1:]
	}
	return failures
}
