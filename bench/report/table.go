// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"io"
	"math"
	"path"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/mizar-net/mizar/bench/sample"
)

// WriteTable prints figures for people, and how the devices were set where that
// matters.
func WriteTable(w io.Writer, d Document) error {
	fmt.Fprintln(w, d.Machine)
	fmt.Fprintln(w, d.Plan)
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "CASE\tFORM\tFAMILY\tFLOWS\tUNIT\tP5\tMEDIAN\tP90\tFLOOR\tRATIO\t90 %\tDELIVERED\t")
	for _, f := range d.Figures {
		n := f.Net()
		ratio, interval := f.Ratio()
		u := f.Unit
		fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%s\t%s\t%s\t%s\t%s %s\t%.2f\t%s\t%s\t\n", f.Name, f.Form, f.Families(), f.Flows, u,
			u.format(n.P5), u.format(n.Median), u.format(n.P90), f.Floor, u.format(f.FloorCost()), ratio, between(interval), delivered(f))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	return writeAside(w, d)
}

// WriteJudgements prints targets for people.
func WriteJudgements(w io.Writer, d Document, all []Judgement) error {
	fmt.Fprintln(w, d.Machine)
	fmt.Fprintln(w, d.Plan)
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "TARGET\tFORM\tFAMILY\tFLOWS\tLIMIT\tREQUIRED\tMEASURED\t90 %\tUNIT\tVALUE\tFLOOR\tOUTCOME\t")
	for _, j := range all {
		fmt.Fprintf(t, "%s\t%s\tv%d\t%d\t%s\t%s\t%s\t\n", j.label(), j.Form, j.Family, j.Flows, j.Limit(), measured(j), j.Outcome)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if err := writeAside(w, d); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "%d of %d targets passed\n", len(all)-Missed(all), len(all))
	return err
}

func measured(j Judgement) string {
	if j.Figure == nil {
		return fmt.Sprintf("%.2f\t-\t-\t%s\t-\t-", j.Required, j.Unit)
	}
	ratio, interval := j.Figure.Ratio()
	cost, _ := j.Figure.Cost()
	return fmt.Sprintf("%.2f\t%.2f\t%s\t%s\t%s\t%s", j.Required, ratio, between(interval), j.Unit,
		j.Unit.format(cost), j.Unit.format(j.Figure.FloorCost()))
}

// label is the target's name, and by which figure it is judged if that has
// another.
func (j Judgement) label() string {
	if j.Figure == nil || j.Figure.Name == j.Name {
		return j.Name
	}
	return j.Name + " by " + j.Figure.Name
}

func between(i sample.Interval) string {
	if math.IsInf(i.High, 1) {
		return "too few loads"
	}
	return fmt.Sprintf("%.2f..%.2f", i.Low, i.High)
}

func delivered(f Figure) string {
	if f.Instrument != Live {
		return "-"
	}
	return fmt.Sprintf("%.2f %%", 100*f.Delivered())
}

// WriteBenchfmt prints figures in Go's benchmark format, a line for each load,
// for benchstat.
func WriteBenchfmt(w io.Writer, d Document) error {
	fmt.Fprintf(w, "goos: linux\ngoarch: amd64\npkg: mizar/bench\ncpu: %s\nkernel: %s\n", d.Machine.CPU, d.Machine.Kernel)
	for _, u := range []Unit{Gigabits, Transactions} {
		if slices.ContainsFunc(d.Figures, func(f Figure) bool { return f.Unit == u }) {
			fmt.Fprintf(w, "Unit %s better=higher\n", u.benchfmt())
		}
	}
	for _, f := range d.Figures {
		name := fmt.Sprintf("%s/instrument=%s/form=%s/family=%d/flows=%d", title(f.Name), f.Instrument, f.Form, f.Family, f.Flows)
		if f.Rows > 0 {
			name = strings.Replace(name, title(f.Name), fmt.Sprintf("%s/rows=%d", title(path.Dir(f.Name)), f.Rows), 1)
		}
		for _, l := range f.Loads {
			if _, err := fmt.Fprintf(w, "Benchmark%s %d %.2f p5-%s %.2f %s %.4f floors\n",
				name, f.Rounds, l.Program.P5, f.Unit.benchfmt(), l.Program.Median, f.Unit.benchfmt(), f.judged(l.Program)/f.judged(l.Floor)); err != nil {
				return err
			}
		}
	}
	return nil
}

// title makes "endpoint/first" into "EndpointFirst".
func title(name string) string {
	var b strings.Builder
	for _, part := range strings.FieldsFunc(name, func(r rune) bool { return r == '/' || r == '-' }) {
		b.WriteString(strings.ToUpper(part[:1]) + part[1:])
	}
	return b.String()
}
