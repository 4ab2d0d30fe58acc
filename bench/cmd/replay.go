// SPDX-License-Identifier: Apache-2.0

package cmd

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/mizar-net/mizar/bench/live"
	"github.com/mizar-net/mizar/bench/report"
	"github.com/mizar-net/mizar/bench/suite"
	"github.com/mizar-net/mizar/bench/traffic"
	"github.com/mizar-net/mizar/sim/capture"
)

func replayCommand() *cobra.Command {
	var o options
	var list bool
	c := &cobra.Command{
		Use:   "replay [FILE...]",
		Short: "Measure with the traffic of captures",
		Long: `Measure with the traffic of captures (pcap or pcapng, Ethernet or raw IP), or of
those that come with Mizar (--list names them), as if one endpoint had sent all of
it to endpoints on other hosts: sizes and everything behind the addresses stay.

test_run measures the endpoint program, by verdict and all together, beside the
least that can send; live sends the frames through veth pairs from an endpoint on
one host to an endpoint on another, beside two hosts without any lookup that get
the very same frames. DELIVERED is which part of them arrived at the sink,
EXPECTED which part has to: the others are dropped or answered by the programs.
Live nanoseconds are of a frame that was sent, generator included.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if list {
				return listTraffic(cmd.OutOrStdout())
			}
			return o.replay(cmd, args)
		},
	}
	f := c.Flags()
	f.BoolVar(&list, "list", false, "list the captures that come with Mizar")
	f.StringVarP(&o.output, "output", "o", "text", "text, json or benchfmt (for benchstat)")
	f.StringVar(&o.html, "html", "", "also write a self-contained page to a `file`")
	f.StringVar(&o.compare, "compare", "", "compare with the figures of a `file` that -o json wrote")
	f.StringVar(&o.instrument, "instrument", allInstruments, "test_run, live or all")
	f.IntVar(&o.cpu, "cpu", -1, "CPU to stay on (default: the last)")
	f.IntVar(&o.plan.Loads, "loads", 5, "how often programs and maps are loaded afresh")
	f.IntVar(&o.plan.Rounds, "rounds", 20, "samples of each contender in a load")
	f.DurationVar(&o.plan.Sample, "sample", 40*time.Millisecond, "length of a sample")
	return c
}

func listTraffic(w io.Writer) error {
	for _, s := range traffic.All() {
		if _, err := fmt.Fprintf(w, "replay/%-15s %s\n", s.Name, s.What); err != nil {
			return err
		}
	}
	return nil
}

func (o *options) replay(cmd *cobra.Command, files []string) error {
	captures, err := readCaptures(files)
	if err != nil {
		return err
	}
	if err := o.check(); err != nil {
		return err
	}
	if o.instrument == report.Sockets {
		return fmt.Errorf("--instrument: got %q, want test_run, live or all: sockets make packets of their own", o.instrument)
	}
	old, err := o.old()
	if err != nil {
		return err
	}
	m, err := o.pin()
	if err != nil {
		return err
	}
	d := report.Document{Machine: m, Plan: report.Plan{Loads: o.plan.Loads, Rounds: o.plan.Rounds, Sample: o.plan.Sample}}
	for _, c := range captures {
		mix, err := o.mix(cmd.Context(), c, cmd.ErrOrStderr())
		if err != nil {
			return err
		}
		d.Mixes = append(d.Mixes, mix)
		d.Figures = append(d.Figures, mix.Figures...)
	}
	return o.show(cmd.Context(), out{cmd.OutOrStdout(), cmd.ErrOrStderr()}, d, old)
}

// readCaptures reads files, or what comes with Mizar when there are none.
func readCaptures(files []string) ([]capture.Capture, error) {
	var all []capture.Capture
	named := map[string]string{}
	for _, file := range files {
		c, err := capture.Read(file)
		if err != nil {
			return nil, err
		}
		if other, ok := named[suite.ReplayName(c)]; ok {
			return nil, fmt.Errorf("%s and %s: figures are named by the file, want different names", other, file)
		}
		named[suite.ReplayName(c)] = file
		all = append(all, c)
	}
	if len(files) > 0 {
		return all, nil
	}
	for _, s := range traffic.All() {
		c, err := traffic.Load(s.Name)
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return all, nil
}

// mix measures one capture, with the instruments that are asked for.
func (o *options) mix(ctx context.Context, c capture.Capture, w io.Writer) (report.Mix, error) {
	name := suite.ReplayName(c)
	mix, err := suite.NewMix(c)
	if err != nil {
		return report.Mix{}, err
	}
	if o.asks(report.TestRun) {
		p := newProgress(w, name+", "+report.TestRun)
		o.plan.Progress = p.tell
		mix, err = suite.Replay(ctx, c, o.plan)
		p.end()
		if err != nil {
			return report.Mix{}, err
		}
	}
	if o.asks(report.Live) {
		p := newProgress(w, name+", "+report.Live)
		o.plan.Progress = p.tell
		f, err := live.Replay(ctx, c, o.cpu, o.plan)
		p.end()
		if err != nil {
			return report.Mix{}, err
		}
		mix.Add(f)
	}
	return mix, nil
}

// recordedBriefly measures one capture that comes with Mizar.
func (o *options) recordedBriefly(ctx context.Context, w io.Writer) (report.Mix, error) {
	c, err := traffic.Load(traffic.Brief)
	if err != nil {
		return report.Mix{}, err
	}
	return o.mix(ctx, c, w)
}
