// SPDX-License-Identifier: Apache-2.0

package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"

	"github.com/spf13/cobra"

	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/report"
	"github.com/mizar-net/mizar/sim/run"
	"github.com/mizar-net/mizar/sim/scenario"
	"github.com/mizar-net/mizar/sim/scenarios"
)

// runOptions are the flags of `mizar sim run`.
type runOptions struct {
	wire     wireFlag
	output   outputFlag
	report   string
	filter   string
	form     string
	rows     []string
	parallel int
	keep     bool
	verbose  bool
	update   bool
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

With --filter or --rows, steps that neither match nor change the network are left
out. Several scenarios run at once on the testrun wire alone; what they print
comes in order.

Exit code 0: all as expected. 1: something was not. 2: a scenario is wrong, or
the harness could not work. Ctrl-C takes everything down.`,
		Example: `  mizar sim run tour
  mizar sim run same-subnet tenants --wire testrun
  mizar sim run my-scenario.yaml -v
  mizar sim run tour --form tcx
  mizar sim run tour -o json | jq .status
  mizar sim run tour tenants --wire testrun --report results.xml
  mizar sim run tour --filter 'another subnet' --keep`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd, args) },
	}
	o.wire.add(c)
	o.output.add(c, "junit")
	f := c.Flags()
	f.BoolVarP(&o.verbose, "verbose", "v", false, "print every check, and how simulated devices are set")
	f.BoolVar(&o.update, "update", false, "write the golden captures of replays, and texts for review beside them, then compare")
	f.StringVar(&o.report, "report", "", "also write the results to this file: .xml (JUnit) or .json")
	f.StringVar(&o.form, "form", "", "form of the endpoint program, xdp or tcx, where the scenario says nothing about it")
	f.StringVar(&o.filter, "filter", "", "only steps whose name matches this regular expression")
	f.StringSliceVar(&o.rows, "rows", nil, "only steps that are evidence for one of these rows of ACCEPTANCE")
	f.IntVar(&o.parallel, "parallel", runtime.GOMAXPROCS(0), "how many scenarios run at once on the testrun wire alone")
	f.BoolVar(&o.keep, "keep", false, "leave the veth networks standing, as after mizar sim up")
	return c
}

func (o runOptions) run(cmd *cobra.Command, args []string) (err error) {
	wires, err := o.wire.wires()
	if err = errors.Join(err, o.check(wires)); err != nil {
		return err
	}
	all, err := o.load(args)
	if err != nil {
		return err
	}
	if all, err = o.choose(all); err != nil {
		return err
	}
	if err := needRoot(); err != nil {
		return err
	}
	var kept pools
	defer func() { err = errors.Join(err, kept.close()) }()
	results, broken := o.batch(all, func() run.Config { return o.config(&kept, wires) }).run(cmd)
	return errors.Join(broken, o.finish(cmd.OutOrStdout(), results))
}

// check refuses flags that make no sense before anything runs.
func (o runOptions) check(wires []string) error {
	err := o.output.check()
	if o.report != "" {
		_, reportErr := report.ForFile(o.report)
		err = errors.Join(err, reportErr)
	}
	if o.keep && !slices.Contains(wires, "veth") {
		err = errors.Join(err, errors.New("--keep: there is nothing to keep without the veth wire"))
	}
	if o.form != "" && !slices.Contains(state.Forms(), state.Form(o.form)) {
		err = errors.Join(err, fmt.Errorf("--form: got %q, want xdp or tcx", o.form))
	}
	if o.parallel < 1 {
		err = errors.Join(err, fmt.Errorf("--parallel: got %d, want at least 1", o.parallel))
	}
	return err
}

func (o runOptions) config(p *pools, wires []string) run.Config {
	c := config(p, wires)
	c.Form = state.Form(o.form)
	if o.update {
		c.Update = writeBeside
	}
	return c
}

// choose leaves only the steps that --filter and --rows choose.
func (o runOptions) choose(all []*scenario.Scenario) ([]*scenario.Scenario, error) {
	if o.filter == "" && len(o.rows) == 0 {
		return all, nil
	}
	chosen := scenario.Selection{Rows: o.rows}
	if o.filter != "" {
		var err error
		if chosen.Name, err = regexp.Compile(o.filter); err != nil {
			return nil, fmt.Errorf("--filter: %w", err)
		}
	}
	var some []*scenario.Scenario
	for _, s := range all {
		if s = s.Select(chosen); s != nil {
			some = append(some, s)
		}
	}
	if len(some) == 0 {
		return nil, fmt.Errorf("no step is chosen: --filter %q --rows %v match nothing in %d scenarios", o.filter, o.rows, len(all))
	}
	return some, nil
}

// load reads the scenarios; those to update must be files.
func (o runOptions) load(args []string) ([]*scenario.Scenario, error) {
	if !o.update {
		return loadAll(args)
	}
	var all []*scenario.Scenario
	var errs []error
	for _, arg := range args {
		if filepath.Ext(arg) == "" {
			errs = append(errs, fmt.Errorf("--update writes beside scenarios: got %q, want its file, such as %s.yaml", arg, arg))
			continue
		}
		s, err := scenario.LoadFileToUpdate(arg)
		all, errs = append(all, s), append(errs, err)
	}
	return all, errors.Join(errs...)
}

// machine says whether output is for machines alone.
func (o runOptions) machine() bool { return o.output.choice != "text" && o.output.choice != "" }

// one runs one scenario and prints what happens to w.
func (o runOptions) one(ctx context.Context, w io.Writer, s *scenario.Scenario, c run.Config) (run.Result, error) {
	if o.machine() {
		return run.Run(ctx, s, o.keeping(os.Stderr, c))
	}
	p := newPrinter(w)
	p.verbose = o.verbose
	if s.Name == scenarios.Tour && o.filter == "" && len(o.rows) == 0 {
		return p.tour(ctx, s, o.keeping(w, c))
	}
	c.Notify = p.event
	r, err := run.Run(ctx, s, o.keeping(w, c))
	p.erase()
	if err == nil {
		p.summary(r)
	}
	return r, err
}

// keeping makes a run keep its networks if that is asked for.
func (o runOptions) keeping(w io.Writer, c run.Config) run.Config {
	if !o.keep {
		return c
	}
	k := keeper{w: w}
	return k.keep(c)
}

// finish writes what belongs at the end, and returns ErrFailed for a failure.
func (o runOptions) finish(w io.Writer, results []run.Result) error {
	var err error
	switch o.output.choice {
	case "json":
		err = report.JSON(w, results)
	case "junit":
		err = report.JUnit(w, results)
	}
	if o.report != "" {
		err = errors.Join(err, report.WriteFile(o.report, results))
	}
	if err != nil || report.Code(results) != 1 {
		return err // what the harness could not do is told by the one who tried
	}
	failed := slices.DeleteFunc(slices.Clone(results), func(r run.Result) bool { return r.Status != run.Fail })
	return fmt.Errorf("%w: %d of %d scenarios", ErrFailed, len(failed), len(results))
}
