// SPDX-License-Identifier: Apache-2.0

package cmd

import (
	"context"
	"io"

	"github.com/mizar-net/mizar/bench/report"
	"github.com/mizar-net/mizar/bench/suite"
)

// brieflyGrown is what --brief measures of growth unless it is asked for
// something: that it still can be.
const brieflyGrown = "growth/bouncer/endpoints/100000"

// grow measures the series.
func (o *options) grow(ctx context.Context, f suite.Filter, w io.Writer) ([]report.Figure, error) {
	if o.brief && len(f.Names) == 0 {
		f.Names, f.Families, f.Flows = []string{brieflyGrown}, []int{4}, []int{1}
	}
	plan := o.plan
	p := newProgress(w, "growth")
	plan.Progress = p.tell
	defer p.end()
	return suite.Grow(ctx, f, plan)
}
