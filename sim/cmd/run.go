// SPDX-License-Identifier: Apache-2.0

package cmd

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/mizar-net/mizar/sim/run"
	"github.com/mizar-net/mizar/sim/scenario"
	"github.com/mizar-net/mizar/sim/scenarios"
	"github.com/mizar-net/mizar/sim/wire/testrun"
)

// runOptions are the flags of `mizar sim run`.
type runOptions struct {
	wire    wireFlag
	output  outputFlag
	verbose bool
}

func runCommand() *cobra.Command {
	var o runOptions
	c := &cobra.Command{
		Use:   "run SCENARIO…",
		Short: "Run scenarios, and compare oracle, testrun and veth",
		Long: `Run scenarios, each a file or the name of one that comes with mizar.

Every step runs on all wires before the next begins. What each wire did is held
against the scenario, against the oracle, and against the other wire; a
difference names who said what.

Exit code 0: all as expected. 1: something was not. 2: a scenario is wrong, or
the harness could not work. Ctrl-C takes everything down.`,
		Example: `  mizar sim run tour
  mizar sim run same-subnet tenants --wire testrun
  mizar sim run my-scenario.yaml -v
  mizar sim run tour -o json | jq .status`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd, args) },
	}
	o.wire.add(c)
	o.output.add(c)
	c.Flags().BoolVarP(&o.verbose, "verbose", "v", false, "print every check, and how simulated devices are set")
	return c
}

func (o runOptions) run(cmd *cobra.Command, args []string) (err error) {
	wires, err := o.wire.wires()
	if err != nil {
		return err
	}
	if err := o.output.check(); err != nil {
		return err
	}
	all, err := loadAll(args)
	if err != nil {
		return err
	}
	if err := needRoot(); err != nil {
		return err
	}
	var pool testrun.Pool
	defer func() { err = errors.Join(err, pool.Close()) }()
	var results []run.Result
	for _, s := range all {
		r, err := o.one(cmd, s, config(&pool, wires))
		if err != nil {
			return err
		}
		results = append(results, r)
	}
	return o.finish(cmd.OutOrStdout(), results)
}

// one runs one scenario and prints what happens.
func (o runOptions) one(cmd *cobra.Command, s *scenario.Scenario, c run.Config) (run.Result, error) {
	if o.output.choice == "json" {
		return run.Run(cmd.Context(), s, c)
	}
	p := newPrinter(cmd.OutOrStdout())
	p.verbose = o.verbose
	if s.Name == scenarios.Tour {
		return p.tour(cmd.Context(), s, c)
	}
	c.Notify = p.event
	r, err := run.Run(cmd.Context(), s, c)
	p.erase()
	if err == nil {
		p.summary(r)
	}
	return r, err
}

// finish prints what belongs at the end, and returns ErrFailed for a failure.
func (o runOptions) finish(w io.Writer, results []run.Result) error {
	if o.output.choice == "json" {
		if err := writeJSON(w, results); err != nil {
			return err
		}
	}
	failed := slices.DeleteFunc(slices.Clone(results), func(r run.Result) bool { return r.Status == run.Pass })
	if len(failed) > 0 {
		return fmt.Errorf("%w: %d of %d scenarios", ErrFailed, len(failed), len(results))
	}
	return nil
}

// writeJSON writes one result, or an object with the key "scenarios".
func writeJSON(w io.Writer, results []run.Result) error {
	var value any = map[string][]run.Result{"scenarios": results}
	if len(results) == 1 {
		value = results[0]
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	if err := e.Encode(value); err != nil {
		return fmt.Errorf("write the result as JSON: %w", err)
	}
	return nil
}
