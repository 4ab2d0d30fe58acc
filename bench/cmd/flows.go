// SPDX-License-Identifier: Apache-2.0

package cmd

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/mizar-net/mizar/bench/flows"
	"github.com/mizar-net/mizar/bench/report"
)

func flowsCommand() *cobra.Command {
	o := options{instrument: report.TestRun}
	c := &cobra.Command{
		Use:   "flows",
		Short: "Measure how many flows a core enters, and a collection looks at and removes",
		Long: `Measure how fast flows come and go, on one core. ROWS/S of "enter" is flows that
packets enter into the tables, all else that such a packet costs included: opened
by the first packet, without policy; accepted, with it; answered, by the first
reply, which moves the row from openings to flows. ROWS/S of "collect" is rows that
a pass of the collector looks at (kept) and removes.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.flowRates(cmd) },
	}
	f := c.Flags()
	f.StringVarP(&o.output, "output", "o", "text", "text, json or benchfmt (for benchstat)")
	f.IntVar(&o.cpu, "cpu", -1, "CPU to stay on (default: the last)")
	f.IntVar(&o.plan.Loads, "loads", 5, "how often programs and maps are loaded afresh")
	f.IntVar(&o.plan.Rounds, "rounds", 20, "samples of each case in a load")
	f.DurationVar(&o.plan.Sample, "sample", 40*time.Millisecond, "length of a sample of the floors")
	return c
}

func (o *options) flowRates(cmd *cobra.Command) error {
	if err := o.check(); err != nil {
		return err
	}
	m, err := o.pin()
	if err != nil {
		return err
	}
	p := newProgress(cmd.ErrOrStderr(), "flows")
	o.plan.Progress = p.tell
	figures, err := flows.Measure(cmd.Context(), o.plan)
	p.end()
	if err != nil {
		return err
	}
	return o.loads(cmd.OutOrStdout(), m, figures)
}
