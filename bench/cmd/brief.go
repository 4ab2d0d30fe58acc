// SPDX-License-Identifier: Apache-2.0

package cmd

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/mizar-net/mizar/bench/report"
	"github.com/mizar-net/mizar/bench/suite"
)

var (
	// briefly is enough to see that everything works, and gross regressions.
	briefly = suite.Plan{Loads: 2, Rounds: 5, Sample: 10 * time.Millisecond}
	// again is for figures that looked grossly worse: a neighbour on the
	// machine does that too.
	again = suite.Plan{Loads: 3, Rounds: 12, Sample: 20 * time.Millisecond}
)

// regressed compares a short run with the recorded one, if that is of the same kind of
// machine. What looks grossly worse is measured once more, and longer.
func (o *options) regressed(ctx context.Context, w io.Writer, here report.Machine, figures []report.Figure) error {
	on, recorded, err := report.Recorded()
	if err != nil {
		return err
	}
	if on.CPU != here.CPU {
		fmt.Fprintf(w, "\nnot compared: the recorded ratios are of %s, this is %s; what a packet executes is compared by `mizar bench steps`\n", on.CPU, here.CPU)
		return nil
	}
	worse := report.Regressions(report.Compare(recorded, figures))
	if len(worse) == 0 {
		return nil
	}
	var names []string
	for _, c := range worse {
		names = append(names, c.After.Name)
	}
	fmt.Fprintf(w, "\nmore than %.1f times the recorded ratio, measured again:\n", report.Gross)
	o.plan = again
	if figures, err = o.remeasure(ctx, names); err != nil {
		return err
	}
	if err := report.WriteComparison(w, report.Compare(recorded, figures)); err != nil {
		return err
	}
	worse = report.Regressions(report.Compare(recorded, figures))
	if len(worse) > 0 {
		return fmt.Errorf("%d figures grossly regressed: %w", len(worse), ErrMissed)
	}
	return nil
}

// remeasure measures figures by their names, those of recorded traffic too.
func (o *options) remeasure(ctx context.Context, names []string) ([]report.Figure, error) {
	own := slices.DeleteFunc(slices.Clone(names), suite.IsReplay)
	var figures []report.Figure
	if len(own) > 0 {
		var err error
		if figures, _, err = o.measure(ctx, own, io.Discard); err != nil {
			return nil, err
		}
	}
	if len(own) < len(names) {
		mix, err := o.recordedBriefly(ctx, io.Discard)
		if err != nil {
			return nil, err
		}
		figures = append(figures, mix.Figures...)
	}
	return figures, nil
}
