// SPDX-License-Identifier: Apache-2.0

package report_test

import (
	"bytes"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/bench/report"
)

// flat is what growth is judged by: 15 % or 10 ns, whichever is more.
func flat() report.Target {
	t := target(1.15, 0)
	t.OrPlus = 10
	return t
}

// above is a figure with one load for each cost, above a floor.
func above(floor float64, costs ...float64) report.Figure {
	f := figure(costs...)
	for i := range f.Loads {
		f.Loads[i].Floor.P5 = floor
	}
	return f
}

func TestFlatIsFifteenPercentOrTenNanoseconds(t *testing.T) {
	for _, c := range []struct {
		floor float64
		costs []float64
		want  report.Outcome
	}{
		{100, []float64{100, 105, 110, 112, 114}, report.Pass},      // under 15 %
		{100, []float64{100, 105, 110, 112, 116}, report.Undecided}, // one load over it
		{100, []float64{116, 117, 118, 119, 120}, report.Miss},
		{20, []float64{20, 22, 25, 28, 30}, report.Pass}, // 50 % more, and 10 ns
		{20, []float64{31, 32, 33, 34, 35}, report.Miss},
		{20, []float64{20, 22, 25, 28, 31}, report.Undecided},
		{100, []float64{50, 60, 70, 80, 90}, report.Pass}, // faster is no slower
		{100, []float64{100, 100, 100, 100}, report.Undecided},
	} {
		all := report.Judge([]report.Target{flat()}, []report.Figure{above(c.floor, c.costs...)})
		NewWithT(t).Expect(all[0].Outcome).To(Equal(c.want), "%v over %v", c.costs, c.floor)
	}
	g := NewWithT(t)
	g.Expect(flat().Limit()).To(Equal("1.15 × or 10 ns over send"))
	g.Expect(report.Judge([]report.Target{flat()}, []report.Figure{above(20, 25)})[0].Required).To(Equal(1.5))
}

// TestSeriesAreDrawn: one plot a series, points in the order of rows, and the
// number of rows in every format.
func TestSeriesAreDrawn(t *testing.T) {
	g := NewWithT(t)
	var d report.Document
	for _, rows := range []int{1000, 10, 100_000} {
		f := figure(100, 110, 120, 130, 140)
		f.Name, f.Axis, f.Rows = "growth/bouncer/endpoints/"+map[int]string{10: "10", 1000: "1000", 100_000: "100000"}[rows], "rows of a directory", rows
		d.Figures = append(d.Figures, f)
	}
	alone := figure(100)
	d.Figures = append(d.Figures, alone)
	var html, benchfmt, document bytes.Buffer
	g.Expect(report.WriteHTML(&html, d)).To(Succeed())
	g.Expect(bytes.Count(html.Bytes(), []byte("<svg"))).To(Equal(1))
	// 10 at the left, 1,000 in the middle of a logarithmic axis, 100,000 at the right;
	// the median p5 is 120 of 360, the highest p90.
	g.Expect(html.String()).To(ContainSubstring(`class="line" points="50.0,110.0 310.0,110.0 570.0,110.0"`))
	g.Expect(html.String()).To(And(ContainSubstring("rows of a directory"), ContainSubstring("1000: 120 ns")))
	g.Expect(report.WriteBenchfmt(&benchfmt, d)).To(Succeed())
	g.Expect(benchfmt.String()).To(ContainSubstring("BenchmarkGrowthBouncerEndpoints/rows=1000/instrument=test_run/"))
	g.Expect(report.WriteJSON(&document, d)).To(Succeed())
	g.Expect(report.Parse(document.Bytes())).To(Equal(d))

	var plain bytes.Buffer
	g.Expect(report.WriteHTML(&plain, report.Document{Figures: []report.Figure{alone}})).To(Succeed())
	g.Expect(plain.String()).NotTo(ContainSubstring("<svg"))
}
