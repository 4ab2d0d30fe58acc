// SPDX-License-Identifier: Apache-2.0

package cmd

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/mizar-net/mizar/bench/load"
	"github.com/mizar-net/mizar/bench/report"
)

func loadCommand() *cobra.Command {
	o := options{instrument: report.TestRun}
	o.plan.Rounds, o.plan.Sample = 1, 1 // nothing is sampled
	most := 0
	c := &cobra.Command{
		Use:   "load",
		Short: "Measure how long it takes to load a host, and to apply states of many rows",
		Long: `Measure how long it takes to load the programs and maps of one host, to apply a
state with 10 to 4,095 endpoints behind the host or 1,000 to 1,000,000 addresses
in a bouncer's directory, to apply the same again, and with one endpoint changed.
Apply reads and compares all rows of all maps each time: that is what makes it
safe to do at any moment.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.load(cmd, most) },
	}
	f := c.Flags()
	f.StringVarP(&o.output, "output", "o", "text", "text, json or benchfmt (for benchstat)")
	f.IntVar(&o.cpu, "cpu", -1, "CPU to stay on (default: the last)")
	f.IntVar(&o.plan.Loads, "loads", 5, "how often everything is done")
	f.IntVar(&most, "most", 1_000_000, "most addresses in a directory")
	return c
}

func (o *options) load(cmd *cobra.Command, most int) error {
	if err := o.check(); err != nil {
		return err
	}
	m, err := o.pin()
	if err != nil {
		return err
	}
	p := newProgress(cmd.ErrOrStderr(), "load")
	figures, err := load.Measure(cmd.Context(), load.Plan{Loads: o.plan.Loads, Most: most, Progress: p.tell})
	p.end()
	if err != nil {
		return err
	}
	return o.loads(cmd.OutOrStdout(), m, figures)
}

// loads writes figures of rows in the form that is asked for.
func (o *options) loads(w io.Writer, m report.Machine, figures []load.Figure) error {
	switch o.output {
	case "json":
		return writeLoadsJSON(w, m, figures)
	case "benchfmt":
		return writeLoadsBenchfmt(w, m, figures)
	}
	return writeLoads(w, m, figures)
}

func writeLoads(w io.Writer, m report.Machine, figures []load.Figure) error {
	fmt.Fprintf(w, "Linux %s, %s, %d CPUs; medians\n", m.Kernel, m.CPU, m.CPUs)
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "WHAT\tROWS WRITTEN\tOF\tMILLISECONDS\t90 %\tROWS/S\t")
	for _, f := range figures {
		cost, interval := f.Cost()
		between, rate := "too few loads", "-"
		if !math.IsInf(interval.High, 1) {
			between = fmt.Sprintf("%.1f..%.1f", 1000*interval.Low, 1000*interval.High)
		}
		if f.Rows > 1 {
			rate = fmt.Sprintf("%.0f", f.Rate())
		}
		fmt.Fprintf(t, "%s\t%d\t%d\t%.1f\t%s\t%s\t\n", f.Name, f.Rows, f.Of, 1000*cost, between, rate)
	}
	return t.Flush()
}

func writeLoadsJSON(w io.Writer, m report.Machine, figures []load.Figure) error {
	type row struct {
		Name    string    `json:"name"`
		Rows    int       `json:"rows"`
		Of      int       `json:"of"`
		Seconds float64   `json:"seconds"`
		Rate    float64   `json:"rows_per_second"`
		Loads   []float64 `json:"loads"`
	}
	rows := []row{}
	for _, f := range figures {
		cost, _ := f.Cost()
		rows = append(rows, row{f.Name, f.Rows, f.Of, cost, f.Rate(), f.Seconds})
	}
	return encode(w, map[string]any{"machine": m, "figures": rows})
}

func writeLoadsBenchfmt(w io.Writer, m report.Machine, figures []load.Figure) error {
	fmt.Fprintf(w, "goos: linux\ngoarch: amd64\npkg: mizar/bench\ncpu: %s\nkernel: %s\n", m.CPU, m.Kernel)
	for _, f := range figures {
		for _, s := range f.Seconds {
			if _, err := fmt.Fprintf(w, "BenchmarkLoad/%s 1 %.0f ns/op\n", strings.ReplaceAll(f.Name, "/", "-"), 1e9*s); err != nil {
				return err
			}
		}
	}
	return nil
}

// encode prints a document for machines.
func encode(w io.Writer, document any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(document)
}
