// SPDX-License-Identifier: Apache-2.0

package cmd

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/mizar-net/mizar/bench/report"
	"github.com/mizar-net/mizar/bench/service"
)

func servicesCommand() *cobra.Command {
	o := options{instrument: report.TestRun}
	o.plan.Rounds, o.plan.Sample = 1, 1 // nothing is sampled
	c := &cobra.Command{
		Use:   "services",
		Short: "Measure what services cost beside packets: CPU time of a change, rows, bytes",
		Long: `Measure what services cost beside packets. A backend of a thousand goes and comes
back: the CPU time of one host, user's and system's, until it knows what its services
are now and its kernel holds them, and the rows that it writes; without other services
and beside some of ten backends each. 10,000 services of ten backends each: what the
kernel charges for their maps.

Exit codes: 0 within the limits, 1 over one, 2 anything else.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.services(cmd) },
	}
	f := c.Flags()
	f.StringVarP(&o.output, "output", "o", "text", "text or json")
	f.IntVar(&o.cpu, "cpu", -1, "CPU to stay on (default: the last)")
	f.IntVar(&o.plan.Loads, "loads", 10, "how often the backend goes and comes back")
	return c
}

func (o *options) services(cmd *cobra.Command) error {
	if o.output != "text" && o.output != "json" {
		return fmt.Errorf("--output: got %q, want text or json", o.output)
	}
	if err := o.check(); err != nil {
		return err
	}
	m, err := o.pin()
	if err != nil {
		return err
	}
	changed, err := service.Change(cmd.Context(), o.plan.Loads)
	if err != nil {
		return err
	}
	w, err := service.Weigh(10_000)
	if err != nil {
		return err
	}
	if o.output == "json" {
		err = encode(cmd.OutOrStdout(), map[string]any{"machine": m, "changed": changed, "weight": w})
	} else {
		err = writeServices(cmd.OutOrStdout(), m, changed, w)
	}
	missed := slices.ContainsFunc(changed, func(c service.Changed) bool { return judged(c) != report.Pass })
	if err == nil && (missed || weighed(w) != report.Pass) {
		err = fmt.Errorf("limits of services: %w", ErrMissed)
	}
	return err
}

// judged is the outcome of a change, by its mean.
func judged(c service.Changed) report.Outcome {
	return within(mean(c.Total()), service.ChangeLimit.Seconds())
}

func mean(all []float64) float64 {
	sum := 0.0
	for _, v := range all {
		sum += v
	}
	return sum / float64(len(all))
}

func weighed(w service.Weight) report.Outcome { return within(w.Total(), service.WeightLimit) }

func within(got, limit float64) report.Outcome {
	if got <= limit {
		return report.Pass
	}
	return report.Miss
}

func writeServices(w io.Writer, m report.Machine, changed []service.Changed, weight service.Weight) error {
	fmt.Fprintf(w, "Linux %s, %s, one of %d CPUs; least and mean of %d changes\n", m.Kernel, m.CPU, m.CPUs, len(changed[0].Compile))
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "A BACKEND OF\tOTHER SERVICES\tCOMPILE MS\tAPPLY MS\tBOTH, LEAST\tMEAN\tAT MOST\tOUTCOME\tROWS OF EACH MAP")
	for _, c := range changed {
		fmt.Fprintf(t, "%d\t%d\t%.1f\t%.1f\t%.1f\t%.1f\t%d\t%s\t%s\n", c.Backends, c.Others, 1000*mean(c.Compile), 1000*mean(c.Apply),
			1000*slices.Min(c.Total()), 1000*mean(c.Total()), service.ChangeLimit.Milliseconds(), judged(c), each(c.Writes, "%d"))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(w)
	t = tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "SERVICES\tBACKENDS OF EACH\tBYTES\tAT MOST\tOUTCOME\tROWS OF EACH MAP\tBYTES OF EACH MAP")
	fmt.Fprintf(t, "%d\t%d\t%.0f\t%d\t%s\t%s\t%s\n", weight.Services, weight.Backends, weight.Total(), service.WeightLimit, weighed(weight),
		each(weight.Rows, "%d"), each(weight.Bytes, "%.0f"))
	return t.Flush()
}
