// SPDX-License-Identifier: Apache-2.0

package cmd

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/mizar-net/mizar/bench/policy"
	"github.com/mizar-net/mizar/bench/report"
	"github.com/mizar-net/mizar/bench/sample"
)

func policyCommand() *cobra.Command {
	o := options{instrument: report.TestRun}
	o.plan.Rounds, o.plan.Sample = 1, 1 // nothing is sampled
	c := &cobra.Command{
		Use:   "policy",
		Short: "Measure what policies cost beside packets: control-plane time, rows, bytes",
		Long: `Measure what policies cost beside packets. 1,000 endpoints are added, one after the
other, to 1,000 on 50 hosts under 1,000 policies: the control plane's time on one
core (identities, policy, the parts of hosts that change), and the rows that all
hosts write together. One endpoint gets the labels of another: the same, and the time
of the slowest host until its kernel holds what has changed. A host of 1,000 endpoints holds 1 to 10,000 policies of one
rule each: what the kernel charges for a rule, in all maps of policy (row E21).`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.policies(cmd) },
	}
	f := c.Flags()
	f.StringVarP(&o.output, "output", "o", "text", "text or json")
	f.IntVar(&o.cpu, "cpu", -1, "CPU to stay on (default: the last)")
	f.IntVar(&o.plan.Loads, "loads", 5, "how often the endpoints are added")
	return c
}

func (o *options) policies(cmd *cobra.Command) error {
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
	added, err := policy.Add(cmd.Context(), o.plan.Loads)
	if err != nil {
		return err
	}
	relabelled, err := policy.Relabel(cmd.Context(), o.plan.Loads)
	if err != nil {
		return err
	}
	weights, err := policy.Weigh(cmd.Context())
	if err != nil {
		return err
	}
	if o.output == "json" {
		return encode(cmd.OutOrStdout(), map[string]any{"machine": m, "added": added, "relabelled": relabelled, "weights": weights})
	}
	return writePolicies(cmd.OutOrStdout(), m, added, relabelled, weights)
}

func writePolicies(w io.Writer, m report.Machine, added []policy.Added, r policy.Relabelled, weights []policy.Weight) error {
	fmt.Fprintf(w, "Linux %s, %s, one of %d CPUs; medians\n", m.Kernel, m.CPU, m.CPUs)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "ENDPOINTS ADDED\tIDENTITIES\tPOLICIES\tHOSTS\tMILLISECONDS\tPOLICY ROWS WRITTEN\tROWS OF EACH MAP")
	for _, a := range added {
		fmt.Fprintf(t, "%d\t%s\t%d\t%d\t%.0f\t%d\t%s\n", a.Endpoints, a.Identities, a.Policies, a.Hosts,
			1000*sample.Median(a.Seconds), a.PolicyWrites(), each(a.Writes, "%d"))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(w)
	t = tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "RELABELLED\tOF ENDPOINTS\tPOLICIES\tHOSTS\tCHANGED HOSTS\tCONTROL PLANE MS\tSLOWEST HOST MS\tROWS OF EACH MAP")
	fmt.Fprintf(t, "1\t%d\t%d\t%d\t%d\t%.1f\t%.1f\t%s\n", r.Endpoints, r.Policies, r.Hosts, r.Changed,
		1000*sample.Median(r.Control), 1000*sample.Median(r.Apply), each(r.Writes, "%d"))
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(w)
	t = tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "RULES\tENDPOINTS\tBYTES A RULE\tROWS OF EACH MAP\tBYTES OF EACH MAP")
	for _, g := range weights {
		fmt.Fprintf(t, "%d\t%d\t%.0f\t%s\t%s\n", g.Rules, g.Endpoints, g.PerRule(), each(g.Rows, "%d"), each(g.Bytes, "%.0f"))
	}
	return t.Flush()
}

// each lists the values of maps.
func each[V any](by map[string]V, form string) string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(by)) {
		all = append(all, fmt.Sprintf("%s "+form, name, by[name]))
	}
	return strings.Join(all, ", ")
}
