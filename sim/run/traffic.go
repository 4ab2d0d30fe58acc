// SPDX-License-Identifier: Apache-2.0

package run

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/mizar-net/mizar/sim/scenario"
	"github.com/mizar-net/mizar/sim/wire"
)

// running is traffic that was started.
type running struct {
	name  string
	cell  Cell
	proto wire.Proto
	// standing is what was wrong when it started, events how much had happened.
	standing []string
	events   int
	// drops are the counters of each wire when it started.
	drops map[string]counters
}

// traffic starts a series on every wire.
func (r *runner) traffic(ctx context.Context, t *scenario.Traffic) error {
	talks, err := r.conversations(&scenario.Probe{
		From: t.From, To: t.To, Family: t.Family, Port: t.Port, Size: t.Size,
	}, t.Proto)
	if err != nil {
		return fmt.Errorf("start traffic %s: %w", t.Name, err)
	}
	talk := talks[0]
	ran := running{name: talk.name, cell: talk.cell, proto: t.Proto, events: len(r.events), drops: map[string]counters{}}
	for _, c := range r.conditions {
		ran.standing = append(ran.standing, kindsOf(wire.Condition{}, c)...)
	}
	r.running[t.Name] = ran
	for _, w := range r.wires {
		c, ok := w.(wire.Carrier)
		if !ok {
			return fmt.Errorf("start traffic %s: the %s wire carries none in the background", t.Name, w.Name())
		}
		if ran.drops[w.Name()], err = count(ctx, w); err != nil {
			return err
		}
		if err := c.Start(ctx, wire.Traffic{Name: t.Name, Probe: talk.flows[0], Every: t.Every}); err != nil {
			return fmt.Errorf("on the %s wire: %w", w.Name(), err)
		}
	}
	return nil
}

// stop ends a series on every wire and judges it, once for each kind of thing that
// happened meanwhile.
func (r *runner) stop(ctx context.Context, s *scenario.Stop) ([]Check, error) {
	ran := r.running[s.Traffic]
	during := slices.Sorted(slices.Values(slices.Concat(ran.standing, r.events[ran.events:])))
	during = slices.Compact(during)
	during = slices.DeleteFunc(during, func(kind string) bool { return kind == "mended" })
	if len(during) == 0 {
		during = []string{""}
	}
	var checks []Check
	for _, w := range r.wires {
		series, err := w.(wire.Carrier).Stop(ctx, s.Traffic)
		if err != nil {
			return nil, fmt.Errorf("on the %s wire: %w", w.Name(), err)
		}
		failures := judgeSeries(w.Name(), s, ran.proto, series)
		if s.Reason != "" {
			cut, err := cutWith(ctx, w, ran, s.Reason)
			if err != nil {
				return nil, err
			}
			failures = append(failures, cut...)
		}
		for _, kind := range during {
			c := Check{Name: ran.name, Wire: w.Name(), Cell: ran.cell.on(w.Name()), Seen: series.String()}
			c.Cell.During, c.Cell.Verdict = kind, string(scenario.Deliver)
			if kind != "" {
				c.Name += " across " + kind
			}
			if s.Reason != "" {
				c.Cell.Verdict, c.Cell.Reason = string(scenario.Drop), s.Reason
			}
			c.Failures = failures
			checks = append(checks, c)
		}
	}
	return checks, nil
}

// cutWith says what is wrong when no host of a wire has dropped anything for a
// reason since traffic began.
func cutWith(ctx context.Context, w wire.Wire, ran running, reason string) ([]Failure, error) {
	now, err := count(ctx, w)
	if err != nil {
		return nil, err
	}
	since, _ := now.since(ran.drops[w.Name()])
	var seen []string
	for _, reasons := range since {
		if reasons[reason] > 0 {
			return nil, nil
		}
		seen = slices.AppendSeq(seen, maps.Keys(reasons))
	}
	slices.Sort(seen)
	return []Failure{{Field: "drops", Who: w.Name(), Got: join(slices.Compact(seen)), Against: "the scenario", Want: reason}}, nil
}

// judgeSeries holds a series against what the scenario expects of it.
func judgeSeries(who string, s *scenario.Stop, proto wire.Proto, got wire.Series) []Failure {
	var all []Failure
	fail := func(field, got, want string) {
		all = append(all, Failure{Field: field, Who: who, Got: got, Against: "the scenario", Want: want})
	}
	if s.Survived != nil && *s.Survived != got.Survived(proto) {
		words := map[bool]string{true: "survived", false: "did not survive"}
		fail("series", words[got.Survived(proto)]+" ("+got.String()+")", words[*s.Survived])
	}
	within(fail, "requests lost", got.Lost(), s.Lost)
	within(fail, "segments sent again", got.Resent, s.Resent)
	within(fail, "longest gap", got.Gap, s.Gap)
	within(fail, "shortest time to a reply", got.Shortest, s.Delay)
	within(fail, "longest time to a reply", got.Longest, s.Delay)
	return all
}

// within holds a value against its bounds.
func within[T int | time.Duration](fail func(field, got, want string), field string, got T, b *scenario.Bounds[T]) {
	switch {
	case b == nil:
	case b.Least != nil && got < *b.Least:
		fail(field, fmt.Sprint(got), fmt.Sprintf("at least %v", *b.Least))
	case b.Most != nil && got > *b.Most:
		fail(field, fmt.Sprint(got), fmt.Sprintf("at most %v", *b.Most))
	}
}
