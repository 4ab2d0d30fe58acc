// SPDX-License-Identifier: Apache-2.0

// Package cmd has the commands of the benchmarks: `mizar bench`.
package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/mizar-net/mizar/bench/live"
	"github.com/mizar-net/mizar/bench/machine"
	"github.com/mizar-net/mizar/bench/report"
	"github.com/mizar-net/mizar/bench/suite"
)

// ErrMissed says that a target was not reached, or a figure grossly regressed:
// exit code 1, where anything else that went wrong is 2.
var ErrMissed = errors.New("missed")

// Commands are all commands of this room.
func Commands() []*cobra.Command { return []*cobra.Command{benchCommand()} }

// allInstruments is every one of them.
const allInstruments = "all"

// options are the flags of `mizar bench`.
type options struct {
	targets, brief bool
	output         string
	compare, html  string
	family, cpu    int
	// cpus is 2 for a receiver on a CPU of its own, which other then is.
	cpus, other int
	flows       []int
	instrument  string
	plan        suite.Plan
}

func benchCommand() *cobra.Command {
	var o options
	c := &cobra.Command{
		Use:   "bench [CASE...]",
		Short: "Measure what a packet costs, beside the floors it stands on",
		Long: `Measure what a packet costs, in nanoseconds, beside the least that a program
of its kind can cost on this machine (its floor), in the same run. Cases are
selected by name (endpoint/established) or the beginning of it (endpoint).

Three instruments: test_run repeats a program under BPF_PROG_TEST_RUN inside a
wrapper that restores the packet, whose own cost is measured in every round and
subtracted; live sends frames through veth pairs, from an endpoint on one host to
an endpoint on another, and counts what arrives; sockets lets the stacks of the
two endpoints talk over them, one TCP stream (iperf3, which has to be installed)
or many that ask and answer, and its samples are ten times as long and a quarter
as many. Contenders take turns, so that
the machine's drift hits all alike; every sample is checked by what came out and
by the programs' counters. Ratios are what counts; nanoseconds differ from
machine to machine and from hour to hour.

Exit codes: 0 pass, 1 a target missed or a gross regression, 2 anything else.`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd, args) },
	}
	f := c.Flags()
	f.BoolVar(&o.targets, "targets", false, "measure what the targets need; fail unless all are reached")
	f.BoolVar(&o.brief, "brief", false, "measure shortly; fail on gross regressions against the recorded ratios")
	f.StringVarP(&o.output, "output", "o", "text", "text, json or benchfmt (for benchstat)")
	f.StringVar(&o.compare, "compare", "", "compare with the figures of a `file` that -o json wrote")
	f.StringVar(&o.html, "html", "", "also write a self-contained page to a `file`")
	f.IntVar(&o.family, "family", 0, "4 or 6; 0: both")
	f.IntSliceVar(&o.flows, "flows", nil, "numbers of flows (default: 1 and 16384)")
	f.IntVar(&o.cpu, "cpu", -1, "CPU to stay on (default: the last)")
	f.IntVar(&o.cpus, "cpus", 1, "2: sockets receive on another CPU; no target is judged that way")
	f.StringVar(&o.instrument, "instrument", allInstruments, "test_run, live, sockets or all")
	f.IntVar(&o.plan.Loads, "loads", 5, "how often programs and maps are loaded afresh")
	f.IntVar(&o.plan.Rounds, "rounds", 20, "samples of each contender in a load")
	f.DurationVar(&o.plan.Sample, "sample", 40*time.Millisecond, "length of a sample")
	c.AddCommand(casesCommand(), verifierCommand(), stepsCommand(), replayCommand(), memoryCommand(), loadCommand(), flowsCommand(), policyCommand(), servicesCommand())
	return c
}

func casesCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "cases",
		Short: "List the cases",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			for _, c := range suite.Cases() {
				fmt.Fprintf(cmd.OutOrStdout(), "%-32s %-6s  floor %-12s %s\n", c.Name, c.Form, c.Floor, c.What)
			}
			for _, s := range suite.Growing() {
				fmt.Fprintf(cmd.OutOrStdout(), "%-32s %-6s  %v %s: %s\n", s.Name, "xdp", s.Sizes, s.Axis, s.What)
			}
			for _, w := range live.Ways() {
				fmt.Fprintf(cmd.OutOrStdout(), "%-32s %-6s  floor %-12s live: %s\n", w.Name, "xdp", w.Floor, w.What)
			}
			for _, e := range live.Exercises() {
				for _, g := range e.Figures(4, 1) {
					fmt.Fprintf(cmd.OutOrStdout(), "%-32s %-6s  floor %-12s sockets, %s: %s\n", g.Name, g.Form, g.Floor, g.Unit, g.What)
				}
			}
			return listTraffic(cmd.OutOrStdout())
		},
	}
}

// check refuses flags that make no sense, before anything is measured.
func (o *options) check() error {
	if o.output != "text" && o.output != "json" && o.output != "benchfmt" {
		return fmt.Errorf("--output: got %q, want text, json or benchfmt", o.output)
	}
	if o.family != 0 && o.family != 4 && o.family != 6 {
		return fmt.Errorf("--family: got %d, want 4, 6 or 0 for both", o.family)
	}
	if !slices.Contains([]string{allInstruments, report.TestRun, report.Live, report.Sockets}, o.instrument) {
		return fmt.Errorf("--instrument: got %q, want test_run, live, sockets or all", o.instrument)
	}
	if o.plan.Loads < 1 || o.plan.Rounds < 1 || o.plan.Sample <= 0 {
		return fmt.Errorf("--loads %d, --rounds %d, --sample %s: want at least one of each", o.plan.Loads, o.plan.Rounds, o.plan.Sample)
	}
	if o.cpus < 0 || o.cpus > 2 || o.cpus == 2 && (o.targets || o.brief) {
		return fmt.Errorf("--cpus: got %d, want 1, or 2 without --targets and --brief", o.cpus)
	}
	if o.targets && o.output == "benchfmt" {
		return errors.New("--targets: there is no benchfmt of verdicts; want -o text or json")
	}
	if o.targets && o.brief {
		return errors.New("--targets and --brief: want one of them")
	}
	if os.Geteuid() != 0 {
		return errors.New("this loads BPF programs and makes network namespaces, which needs root: run it with sudo")
	}
	return nil
}

func (o *options) run(cmd *cobra.Command, args []string) error {
	if err := o.check(); err != nil {
		return err
	}
	old, err := o.old()
	if err != nil {
		return err
	}
	m, err := o.pin()
	if err != nil {
		return err
	}
	if o.brief {
		o.plan = briefly
	}
	figures, omitted, err := o.measure(cmd.Context(), args, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	var mixes []report.Mix
	if o.brief && len(args) == 0 && o.family == 0 && o.flows == nil && o.instrument != report.Sockets {
		mix, err := o.recordedBriefly(cmd.Context(), cmd.ErrOrStderr())
		if err != nil {
			return err
		}
		mixes, figures = []report.Mix{mix}, append(figures, mix.Figures...)
	}
	d := report.Document{
		Machine: m, Figures: figures, Omissions: omitted, Mixes: mixes,
		Plan: report.Plan{Loads: o.plan.Loads, Rounds: o.plan.Rounds, Sample: o.plan.Sample},
	}
	return o.show(cmd.Context(), out{cmd.OutOrStdout(), cmd.ErrOrStderr()}, d, old)
}

// old reads the figures to compare with, if there are any.
func (o *options) old() ([]report.Figure, error) {
	if o.compare == "" {
		return nil, nil
	}
	b, err := os.ReadFile(o.compare)
	if err != nil {
		return nil, fmt.Errorf("--compare: %w", err)
	}
	d, err := report.Parse(b)
	if err != nil {
		return nil, fmt.Errorf("--compare %s: %w", o.compare, err)
	}
	return d.Figures, nil
}

// pin moves to the CPU that is measured on.
func (o *options) pin() (report.Machine, error) {
	if o.cpu < 0 {
		last, err := machine.LastCPU()
		if err != nil {
			return report.Machine{}, err
		}
		o.cpu = last
	}
	o.other = o.cpu
	if o.cpus == 2 {
		other, err := machine.OtherCPU(o.cpu)
		if err != nil {
			return report.Machine{}, fmt.Errorf("--cpus 2: %w", err)
		}
		o.other = other
	}
	if err := machine.Pin(o.cpu); err != nil {
		return report.Machine{}, err
	}
	m, err := machine.Describe(o.cpu)
	if o.other != o.cpu {
		m.Receiver = &o.other
	}
	return m, err
}

func (o *options) filter(names []string) suite.Filter {
	f := suite.Filter{Names: names, Families: []int{4, 6}, Flows: o.flows}
	if o.family != 0 {
		f.Families = []int{o.family}
	}
	return f
}

// out is where a run is shown: figures for whoever asked, and what is said about
// them, which is no part of a JSON document.
type out struct{ figures, aside io.Writer }

func (o *options) show(ctx context.Context, w out, d report.Document, old []report.Figure) error {
	if o.html != "" {
		if err := writeFile(o.html, d); err != nil {
			return err
		}
	}
	if o.targets {
		return o.judge(w.figures, d)
	}
	if err := o.figures(w.figures, d); err != nil {
		return err
	}
	if o.output == "text" {
		w.aside = w.figures
	}
	if o.compare != "" {
		fmt.Fprintf(w.aside, "\nagainst %s, as multiples of the floor:\n", o.compare)
		if err := report.WriteComparison(w.aside, report.Compare(old, d.Figures)); err != nil {
			return err
		}
	}
	if o.brief {
		return o.regressed(ctx, w.aside, d.Machine, d.Figures)
	}
	return nil
}

func (o *options) figures(w io.Writer, d report.Document) error {
	switch o.output {
	case "json":
		return report.WriteJSON(w, d)
	case "benchfmt":
		return report.WriteBenchfmt(w, d)
	}
	if own := d.Own(); len(own.Figures) > 0 {
		if err := report.WriteTable(w, own); err != nil {
			return err
		}
	}
	if len(d.Mixes) > 0 {
		return report.WriteMixes(w, d)
	}
	return nil
}

func (o *options) judge(w io.Writer, d report.Document) error {
	all := report.Judge(suite.Targets(), d.Figures)
	show := report.WriteJudgements
	if o.output == "json" {
		show = report.WriteJudgementsJSON
	}
	if err := show(w, d, all); err != nil {
		return err
	}
	if n := report.Missed(all); n > 0 {
		return fmt.Errorf("%d of %d targets: %w", n, len(all), ErrMissed)
	}
	return nil
}
