// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"io"
	"math"
	"text/tabwriter"

	"github.com/mizar-net/mizar/bench/sample"
)

// Change is a figure then and now, as multiples of its floor: the machine's own
// speed is in both and drops out.
type Change struct {
	Before, After Figure
	// Percent is how much more it is now.
	Percent float64
	// Verdict is "slower", "faster", "within the noise", or "too few loads"
	// to say; what is done in a time is slower when there is less of it.
	Verdict string
}

// Compare puts the figures of two runs side by side; those that only one has are
// left out. A verdict is given only when the 90 % intervals, which each run
// measured itself, do not meet.
func Compare(before, after []Figure) []Change {
	old := map[string]Figure{}
	for _, f := range before {
		old[f.ID()] = f
	}
	var all []Change
	for _, f := range after {
		b, ok := old[f.ID()]
		if !ok || b.Floor != f.Floor || b.Unit != f.Unit {
			continue
		}
		then, in := b.Ratio()
		now, is := f.Ratio()
		all = append(all, Change{Before: b, After: f, Percent: 100 * (now/then - 1), Verdict: verdict(f.Unit, in, is)})
	}
	return all
}

func verdict(u Unit, before, after sample.Interval) string {
	if math.IsInf(before.High, 1) || math.IsInf(after.High, 1) {
		return "too few loads"
	}
	if u.MoreIsBetter() {
		before, after = after, before
	}
	switch {
	case after.Low > before.High:
		return "slower"
	case after.High < before.Low:
		return "faster"
	}
	return "within the noise"
}

// WriteComparison prints changes for people.
func WriteComparison(w io.Writer, all []Change) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "CASE\tFORM\tFAMILY\tFLOWS\tBEFORE\t90 %\tAFTER\t90 %\tCHANGE\tVERDICT\t")
	for _, c := range all {
		then, in := c.Before.Ratio()
		now, is := c.After.Ratio()
		fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%.2f\t%s\t%.2f\t%s\t%+.1f %%\t%s\t\n", c.After.Name, c.After.Form, c.After.Families(),
			c.After.Flows, then, between(in), now, between(is), c.Percent, c.Verdict)
	}
	return t.Flush()
}

// Gross is how much a ratio to the floor may grow before a short run, whose noise
// is large, is taken for a regression.
const Gross = 1.5

// flat is how many nanoseconds more are no change at all: some floors are so low
// that ratios to them are noise.
const flat = 10

// Regressions are the changes for the worse that no noise explains.
func Regressions(all []Change) []Change {
	var worse []Change
	for _, c := range all {
		if c.gross() {
			worse = append(worse, c)
		}
	}
	return worse
}

func (c Change) gross() bool {
	then, _ := c.Before.Ratio()
	now, _ := c.After.Cost()
	expected := then * c.After.FloorCost()
	switch {
	case c.After.Unit.MoreIsBetter():
		return Gross*now < expected
	case c.After.Unit == PerPacket:
		return now > Gross*expected+flat
	}
	return now > Gross*expected
}
