// SPDX-License-Identifier: Apache-2.0

package report_test

import (
	"bytes"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/bench/report"
	"github.com/mizar-net/mizar/bench/sample"
)

// figure has one load for each cost, above a floor of 100 ns.
func figure(costs ...float64) report.Figure {
	f := report.Figure{
		Name: "endpoint/established", What: "x", Instrument: report.TestRun, Form: "xdp", Family: 4, Flows: 1, Floor: "send", Rounds: 20,
	}
	for _, c := range costs {
		f.Loads = append(f.Loads, report.Load{
			Program: sample.Spread{P5: c, Median: 2 * c, P90: 3 * c}, Floor: sample.Spread{P5: 100, Median: 200, P90: 300},
		})
	}
	return f
}

func target(factor, plus float64) report.Target {
	return report.Target{
		Name: "endpoint/established", Instrument: report.TestRun, Form: "xdp", Family: 4, Flows: 1, Floor: "send", Factor: factor, Plus: plus,
	}
}

func TestJudgeWantsTheWholeIntervalUnderTheLimit(t *testing.T) {
	for _, c := range []struct {
		costs []float64
		plus  float64
		want  report.Outcome
	}{
		{[]float64{110, 112, 114, 116, 124}, 0, report.Pass},
		{[]float64{110, 112, 114, 116, 126}, 0, report.Undecided},
		{[]float64{126, 127, 128, 129, 130}, 0, report.Miss},
		{[]float64{126, 127, 128, 129, 130}, 20, report.Pass},
		{[]float64{110, 110, 110, 110}, 0, report.Undecided},
	} {
		all := report.Judge([]report.Target{target(1.25, c.plus)}, []report.Figure{figure(c.costs...)})
		NewWithT(t).Expect(all[0].Outcome).To(Equal(c.want), "%v + %v", c.costs, c.plus)
	}
}

func TestWhatIsNotMeasuredIsMissed(t *testing.T) {
	g := NewWithT(t)
	other := target(1, 0)
	other.Form = "tcx"
	all := report.Judge([]report.Target{target(1.25, 0), other}, []report.Figure{figure(110, 110, 110, 110, 110)})
	g.Expect(all[1].Outcome).To(Equal(report.NotMeasured))
	g.Expect(report.Missed(all)).To(Equal(1))

	var table, document bytes.Buffer
	g.Expect(report.WriteJudgements(&table, report.Document{}, all)).To(Succeed())
	g.Expect(table.String()).To(And(ContainSubstring("NOT MEASURED"), ContainSubstring("1 of 2 targets passed")))
	g.Expect(report.WriteJudgementsJSON(&document, report.Document{}, all)).To(Succeed())
	g.Expect(document.String()).To(And(ContainSubstring(`"required": 1.25`), ContainSubstring(`"p5_ns": 110`),
		ContainSubstring(`"outcome": "NOT MEASURED"`)))
}

func TestManyFlowsAreJudgedByTheMedian(t *testing.T) {
	g := NewWithT(t)
	f := figure(100, 110, 120, 130, 140)
	cost, _ := f.Cost()
	g.Expect(cost).To(Equal(120.0))
	f.Flows = 16384
	cost, _ = f.Cost()
	g.Expect(cost).To(Equal(240.0))
	ratio, interval := f.Ratio()
	g.Expect(ratio).To(BeNumerically("~", 1.2, 1e-9))
	g.Expect(interval).To(Equal(sample.Interval{Low: 1, High: 1.4}))
}

func TestLostFramesDecideNothing(t *testing.T) {
	f, limit := figure(110, 110, 110, 110, 110), target(1.25, 0)
	f.Instrument, limit.Instrument = report.Live, report.Live
	for i := range f.Loads {
		f.Loads[i].Delivered = 1
	}
	f.Loads[2].Delivered = 0.9
	all := report.Judge([]report.Target{limit}, []report.Figure{f})
	NewWithT(t).Expect(all[0].Outcome).To(Equal(report.Undecided))
}

func TestComparisonStaysSilentWithinTheNoise(t *testing.T) {
	g := NewWithT(t)
	before := figure(100, 101, 102, 103, 110)
	for want, costs := range map[string][]float64{
		"slower":           {111, 112, 113, 114, 115},
		"faster":           {90, 91, 92, 93, 94},
		"within the noise": {105, 112, 113, 114, 115},
	} {
		all := report.Compare([]report.Figure{before}, []report.Figure{figure(costs...)})
		g.Expect(all).To(HaveLen(1))
		g.Expect(all[0].Verdict).To(Equal(want))
		g.Expect(report.Regressions(all)).To(BeEmpty())
	}
	g.Expect(report.Regressions(report.Compare([]report.Figure{before}, []report.Figure{figure(170)}))).To(HaveLen(1))
	g.Expect(report.Compare(nil, []report.Figure{before})).To(BeEmpty())
}

func TestFiguresSurviveJSON(t *testing.T) {
	g := NewWithT(t)
	d := report.Document{Machine: report.Machine{Kernel: "6.18", Pinned: 1}, Plan: report.Plan{Loads: 2}, Figures: []report.Figure{figure(110, 120)}}
	var b bytes.Buffer
	g.Expect(report.WriteJSON(&b, d)).To(Succeed())
	g.Expect(report.Parse(b.Bytes())).To(Equal(d))

	_, err := report.Parse([]byte("{}"))
	g.Expect(err).To(MatchError(ContainSubstring("there are none")))
	_, err = report.Parse([]byte("goos: linux"))
	g.Expect(err).To(MatchError(ContainSubstring("want the output of mizar bench -o json")))
}

func TestOtherFormats(t *testing.T) {
	g := NewWithT(t)
	d := report.Document{Figures: []report.Figure{figure(110, 120, 130, 140, 150)}}
	var benchfmt, html, table bytes.Buffer
	g.Expect(report.WriteBenchfmt(&benchfmt, d)).To(Succeed())
	g.Expect(benchfmt.String()).To(ContainSubstring(
		"BenchmarkEndpointEstablished/instrument=test_run/form=xdp/family=4/flows=1 20 110.00 p5-ns/packet 220.00 ns/packet 1.1000 floors\n"))
	g.Expect(report.WriteHTML(&html, d)).To(Succeed())
	g.Expect(html.String()).To(And(ContainSubstring("1.30 × send"), Not(ContainSubstring("src="))))
	g.Expect(report.WriteTable(&table, d)).To(Succeed())
	g.Expect(table.String()).To(ContainSubstring("1.10..1.50"))
}

// TestRecordedRatiosAreThere holds the committed file of short runs readable.
func TestRecordedRatiosAreThere(t *testing.T) {
	g := NewWithT(t)
	on, all, err := report.Recorded()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(on.CPU).NotTo(BeEmpty())
	g.Expect(all).NotTo(BeEmpty())
}
