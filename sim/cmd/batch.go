// SPDX-License-Identifier: Apache-2.0

package cmd

import (
	"bytes"
	"context"
	"errors"
	"io"

	"github.com/spf13/cobra"

	"github.com/mizar-net/mizar/sim/run"
	"github.com/mizar-net/mizar/sim/scenario"
)

// batch is several scenarios to run.
type batch struct {
	scenarios []*scenario.Scenario
	// one runs one of them, and prints to the writer.
	one func(ctx context.Context, w io.Writer, s *scenario.Scenario) (run.Result, error)
	// width is how many run at once.
	width int
}

// batch makes one of the scenarios. On a wire with real time they run one after
// the other.
func (o runOptions) batch(all []*scenario.Scenario, config func() run.Config) batch {
	b := batch{scenarios: all, width: min(o.parallel, len(all))}
	for _, f := range config().Wires {
		if f.Name != "testrun" {
			b.width = 1
		}
	}
	b.one = func(ctx context.Context, w io.Writer, s *scenario.Scenario) (run.Result, error) {
		return o.one(ctx, w, s, config())
	}
	return b
}

// run runs them all, also after one that the harness could not run, and prints in
// order. Results are of all that were begun; errors are the harness's.
func (b batch) run(cmd *cobra.Command) ([]run.Result, error) {
	if b.width <= 1 {
		return b.inTurn(cmd)
	}
	type ended struct {
		out    bytes.Buffer
		result run.Result
		err    error
	}
	all := make([]ended, len(b.scenarios))
	done := make([]chan struct{}, len(all))
	free := make(chan struct{}, b.width)
	for i := range done {
		done[i] = make(chan struct{})
	}
	go func() {
		for i, s := range b.scenarios {
			free <- struct{}{}
			go func() {
				defer func() { close(done[i]); <-free }()
				all[i].result, all[i].err = b.one(cmd.Context(), &all[i].out, s)
			}()
		}
	}()
	var results []run.Result
	var errs []error
	for i := range all {
		<-done[i]
		_, err := all[i].out.WriteTo(cmd.OutOrStdout())
		results, errs = append(results, all[i].result), append(errs, all[i].err, err)
	}
	return results, errors.Join(errs...)
}

func (b batch) inTurn(cmd *cobra.Command) ([]run.Result, error) {
	var results []run.Result
	var errs []error
	for _, s := range b.scenarios {
		r, err := b.one(cmd.Context(), cmd.OutOrStdout(), s)
		results, errs = append(results, r), append(errs, err)
		if cmd.Context().Err() != nil {
			break
		}
	}
	return results, errors.Join(errs...)
}
