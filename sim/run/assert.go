// SPDX-License-Identifier: Apache-2.0

package run

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/mizar-net/mizar/sim/scenario"
	"github.com/mizar-net/mizar/sim/wire"
)

// counters are all that a wire has counted so far.
type counters struct {
	drops   wire.Drops
	frames  map[string]uint64
	written wire.Written
}

// count reads a wire's counters.
func count(ctx context.Context, w wire.Wire) (counters, error) {
	drops, err := w.Drops(ctx)
	if err != nil {
		return counters{}, fmt.Errorf("read the drops of the %s wire: %w", w.Name(), err)
	}
	c := counters{drops: drops}
	if c.written, err = written(ctx, w); err != nil {
		return c, err
	}
	meter, ok := w.(wire.Meter)
	if !ok {
		return c, nil
	}
	if c.frames, err = meter.UnderlayFrames(ctx); err != nil {
		return c, fmt.Errorf("count the underlay frames of the %s wire: %w", w.Name(), err)
	}
	return c, nil
}

// since is what was counted after an earlier reading. Rows of zero are left
// out.
func (c counters) since(before counters) (drops wire.Drops, frames int) {
	drops = wire.Drops{}
	for host, reasons := range c.drops {
		for reason, n := range reasons {
			if more := n - before.drops[host][reason]; more > 0 {
				if drops[host] == nil {
					drops[host] = map[string]uint64{}
				}
				drops[host][reason] = more
			}
		}
	}
	for host, n := range c.frames {
		frames += int(n - before.frames[host])
	}
	return drops, frames
}

// assert compares what each wire has counted since the last assert.
func (r *runner) assert(ctx context.Context, a *scenario.Assert) ([]Check, error) {
	var checks []Check
	for _, w := range r.wires {
		now, err := count(ctx, w)
		if err != nil {
			return nil, err
		}
		before := r.since[w.Name()]
		drops, frames := now.since(before)
		r.since[w.Name()] = now
		c := Check{Name: "counters", Wire: w.Name(), Cell: Cell{Proto: "counters", Wire: w.Name()}}
		c.Cell.Reason = onlyReason(a)
		c.Seen = "drops: " + dropsText(drops)
		if a.UnderlayFrames != nil {
			c.Seen += fmt.Sprintf("; %d frames on the underlay", frames)
		}
		fail := func(field, got, want string) {
			c.Failures = append(c.Failures, Failure{Field: field, Who: w.Name(), Got: got, Against: "the scenario", Want: want})
		}
		if want := a.UnderlayFrames; want != nil {
			if _, ok := w.(wire.Meter); !ok {
				return nil, fmt.Errorf("assert underlayFrames: the %s wire does not count frames", w.Name())
			}
			if frames != *want {
				fail("frames on the underlay", fmt.Sprint(frames), fmt.Sprint(*want))
			}
		}
		compareDrops(a, drops, fail)
		if a.Drops != nil || a.UnderlayFrames != nil || a.Only {
			checks = append(checks, c)
		}
		more, err := r.assertMore(ctx, a, w, now.written.Since(before.written))
		if err != nil {
			return nil, err
		}
		checks = append(checks, more...)
	}
	return checks, nil
}

// assertMore compares what is asked about a wire beside drops and frames. wrote is
// what states have written since the last assert.
func (r *runner) assertMore(ctx context.Context, a *scenario.Assert, w wire.Wire, wrote wire.Written) ([]Check, error) {
	var checks []Check
	if a.Down != nil {
		checks = append(checks, r.down(a, w.Name()))
	}
	for _, of := range []struct {
		asked bool
		check func() (Check, error)
	}{
		{a.Learned != nil, func() (Check, error) { return r.learned(ctx, a, w) }},
		{a.Written != nil, func() (Check, error) { return compareWritten(a, w, wrote) }},
		{a.XDP, func() (Check, error) { return r.modes(ctx, w) }},
	} {
		if !of.asked {
			continue
		}
		c, err := of.check()
		if err != nil {
			return nil, err
		}
		checks = append(checks, c)
	}
	return checks, nil
}

// onlyReason is the drop reason that is asserted, if there is one alone.
func onlyReason(a *scenario.Assert) string {
	var all []string
	for _, reasons := range a.Drops {
		all = slices.AppendSeq(all, maps.Keys(reasons))
	}
	slices.Sort(all)
	if all = slices.Compact(all); len(all) != 1 {
		return ""
	}
	return all[0]
}

func compareDrops(a *scenario.Assert, drops wire.Drops, fail func(field, got, want string)) {
	for _, host := range slices.Sorted(maps.Keys(a.Drops)) {
		for _, reason := range slices.Sorted(maps.Keys(a.Drops[host])) {
			want := a.Drops[host][reason]
			within(fail, fmt.Sprintf("drops at %s (%s)", host, reason), int(drops[host][reason]), &want)
		}
	}
	if !a.Only {
		return
	}
	for _, host := range slices.Sorted(maps.Keys(drops)) {
		for _, reason := range slices.Sorted(maps.Keys(drops[host])) {
			if _, named := a.Drops[host][reason]; !named {
				fail(fmt.Sprintf("drops at %s (%s)", host, reason), fmt.Sprint(drops[host][reason]), "none (only: true)")
			}
		}
	}
}

// dropsText is drops in words: "h1 guard_mac 1", or "none".
func dropsText(drops wire.Drops) string {
	var texts []string
	for _, host := range slices.Sorted(maps.Keys(drops)) {
		for _, reason := range slices.Sorted(maps.Keys(drops[host])) {
			texts = append(texts, fmt.Sprintf("%s %s %d", host, reason, drops[host][reason]))
		}
	}
	return join(texts)
}
