// SPDX-License-Identifier: Apache-2.0

package cmd

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/mizar-net/mizar/bench/report"
	"github.com/mizar-net/mizar/bench/suite"
	"github.com/mizar-net/mizar/sim/capture"
)

func replayCommand() *cobra.Command {
	o := options{family: 0, instrument: report.TestRun}
	c := &cobra.Command{
		Use:   "replay FILE",
		Short: "Measure with the traffic of a capture",
		Long: `Measure the endpoint program with the traffic of a capture (pcap or pcapng), as
if one endpoint had sent all of it to endpoints on other hosts: nanoseconds by
verdict, packets per second, Gbit/s at the capture's sizes, and the mix of sizes.
The instrument is BPF_PROG_TEST_RUN with the wrapper.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return o.replay(cmd, args[0]) },
	}
	f := c.Flags()
	f.StringVarP(&o.output, "output", "o", "text", "text or json")
	f.IntVar(&o.cpu, "cpu", -1, "CPU to stay on (default: the last)")
	f.IntVar(&o.plan.Loads, "loads", 3, "how often programs and maps are loaded afresh")
	f.IntVar(&o.plan.Rounds, "rounds", 20, "samples of each contender in a load")
	f.DurationVar(&o.plan.Sample, "sample", 40*time.Millisecond, "length of a sample")
	return c
}

func (o *options) replay(cmd *cobra.Command, file string) error {
	if o.output == "benchfmt" {
		return fmt.Errorf("--output: got %q, want text or json", o.output)
	}
	if err := o.check(); err != nil {
		return err
	}
	c, err := capture.Read(file)
	if err != nil {
		return err
	}
	m, err := o.pin()
	if err != nil {
		return err
	}
	p := newProgress(cmd.ErrOrStderr(), report.TestRun)
	o.plan.Progress = p.tell
	mix, err := suite.Replay(cmd.Context(), c, o.plan)
	p.end()
	if err != nil {
		return err
	}
	if o.output == "json" {
		e := json.NewEncoder(cmd.OutOrStdout())
		e.SetIndent("", "  ")
		return e.Encode(mix)
	}
	return report.WriteMix(cmd.OutOrStdout(), m, mix)
}
