// SPDX-License-Identifier: Apache-2.0

package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/mizar-net/mizar/bench/live"
	"github.com/mizar-net/mizar/bench/report"
	"github.com/mizar-net/mizar/bench/suite"
)

// instrument measures what a filter selects of its cases.
type instrument struct {
	// name is what --instrument calls it, shown what progress does.
	name, shown string
	run         func(context.Context, suite.Filter, suite.Plan) ([]report.Figure, []report.Omission, error)
}

// brieflyGrown is what --brief measures of growth unless it is asked for
// something: that it still can be.
const brieflyGrown = "growth/bouncer/endpoints/100000"

// asks says whether --instrument wants one.
func (o *options) asks(name string) bool {
	return o.instrument == allInstruments || o.instrument == name
}

// instruments are those that were asked for.
func (o *options) instruments() []instrument {
	var asked []instrument
	for _, i := range []instrument{
		{report.TestRun, report.TestRun, func(ctx context.Context, f suite.Filter, p suite.Plan) ([]report.Figure, []report.Omission, error) {
			figures, err := suite.Run(ctx, suite.Cases(), f, p)
			return figures, nil, err
		}},
		{report.TestRun, "growth", func(ctx context.Context, f suite.Filter, p suite.Plan) ([]report.Figure, []report.Omission, error) {
			if o.brief && len(f.Names) == 0 {
				f.Names, f.Families, f.Flows = []string{brieflyGrown}, []int{4}, []int{1}
			}
			figures, err := suite.Grow(ctx, f, p)
			return figures, nil, err
		}},
		{report.Live, report.Live, func(ctx context.Context, f suite.Filter, p suite.Plan) ([]report.Figure, []report.Omission, error) {
			return live.Run(ctx, f, o.cpu, p)
		}},
		{report.Sockets, report.Sockets, func(ctx context.Context, f suite.Filter, p suite.Plan) ([]report.Figure, []report.Omission, error) {
			if o.brief && len(f.Names) == 0 {
				f.Names, f.Families = live.Brief, []int{4}
			}
			return live.RunSockets(ctx, f, live.CPUs{Sender: o.cpu, Receiver: o.other}, p)
		}},
	} {
		if o.asks(i.name) {
			asked = append(asked, i)
		}
	}
	return asked
}

// measure gathers the figures of all instruments, and what they could not
// measure.
func (o *options) measure(ctx context.Context, names []string, w io.Writer) ([]report.Figure, []report.Omission, error) {
	f := o.filter(names)
	if o.targets {
		f.Only = suite.Targets()
	}
	var figures []report.Figure
	var omitted []report.Omission
	for _, i := range o.instruments() {
		p := newProgress(w, i.shown)
		o.plan.Progress = p.tell
		more, missing, err := i.run(ctx, f, o.plan)
		p.end()
		if err != nil {
			return nil, nil, err
		}
		figures, omitted = append(figures, more...), append(omitted, missing...)
	}
	if len(figures) > 0 || o.targets && len(omitted) > 0 {
		return figures, omitted, nil
	}
	if len(omitted) > 0 {
		var all []error
		for _, o := range omitted {
			all = append(all, errors.New(o.String()))
		}
		return nil, nil, errors.Join(all...)
	}
	return nil, nil, fmt.Errorf("nothing to measure for %v with these flags; mizar bench cases lists what there is", names)
}
