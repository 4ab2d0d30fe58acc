// SPDX-License-Identifier: Apache-2.0

package report_test

import (
	"bytes"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/bench/report"
	"github.com/mizar-net/mizar/bench/sample"
)

// stream has one load for each value, above a floor of 4 Gbit/s.
func stream(name string, values ...float64) report.Figure {
	f := report.Figure{
		Name: name, What: "x", Instrument: report.Sockets, Form: "xdp", Unit: report.Gigabits, Family: 4, Flows: 1,
		Floor: "kernel-vxlan", Rounds: 5, Note: "read this first",
		Devices: []report.Device{{Contender: "xdp", Role: "endpoint", MTU: 1414, Offloads: map[string]bool{"gro": true, "tso-gso": false}}},
	}
	for _, v := range values {
		f.Loads = append(f.Loads, report.Load{
			Program: sample.Spread{P5: v / 2, Median: v, P90: 2 * v}, Floor: sample.Spread{P5: 2, Median: 4, P90: 8},
		})
	}
	return f
}

func atLeast(name string, factor float64) report.Target {
	return report.Target{
		Name: name, Instrument: report.Sockets, Form: "xdp|tcx", Unit: report.Gigabits, Family: 4, Flows: 1, Floor: "kernel-vxlan", Factor: factor,
	}
}

func TestWhereMoreIsBetterTheWholeIntervalMustLieAbove(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   report.Outcome
	}{
		{[]float64{3.5, 3.6, 3.7, 3.8, 9}, report.Pass},
		{[]float64{3.3, 3.6, 3.7, 3.8, 9}, report.Undecided},
		{[]float64{1, 2, 3, 3.2, 3.3}, report.Miss},
		{[]float64{9, 9, 9, 9}, report.Undecided},
	} {
		all := report.Judge([]report.Target{atLeast("tcp/xdp", 0.85)}, []report.Figure{stream("tcp/xdp", c.values...)})
		NewWithT(t).Expect(all[0].Outcome).To(Equal(c.want), "%v", c.values)
	}
}

func TestOneOfSeveralFiguresReachesATarget(t *testing.T) {
	g := NewWithT(t)
	slow, fast, kernel := stream("tcp/xdp", 3, 3, 3, 3, 3), stream("tcp/tcx", 5, 5, 5, 5, 5), stream("tcp/kernel", 9, 9, 9, 9, 9)
	fast.Form, kernel.Form = "tcx", "kernel"
	d := report.Document{Figures: []report.Figure{slow, fast, kernel}}
	all := report.Judge([]report.Target{atLeast("tcp/*", 1), atLeast("tcp/xdp", 1), atLeast("udp/*", 1)}, d.Figures)
	g.Expect(all[0].Outcome).To(Equal(report.Pass))
	g.Expect(all[0].Figure.Name).To(Equal("tcp/tcx"), "what runs without programs reaches nothing")
	g.Expect(all[1].Outcome).To(Equal(report.Miss))
	g.Expect(all[2].Outcome).To(Equal(report.NotMeasured))

	var table, document bytes.Buffer
	g.Expect(report.WriteJudgements(&table, d, all)).To(Succeed())
	g.Expect(table.String()).To(And(ContainSubstring("tcp/* by tcp/tcx"), ContainSubstring("at least 1.00 × kernel-vxlan"), ContainSubstring("1 of 3 targets passed")))
	g.Expect(report.WriteJudgementsJSON(&document, d, all)).To(Succeed())
	g.Expect(document.String()).To(And(ContainSubstring(`"name": "tcp/*"`), ContainSubstring(`"by": "tcp/tcx"`), ContainSubstring(`"better": "more"`),
		Not(ContainSubstring("p5_ns"))))
}

func TestMoreIsFasterAndLessARegression(t *testing.T) {
	g := NewWithT(t)
	before := stream("tcp/xdp", 3.8, 3.9, 4, 4.1, 4.2)
	for want, values := range map[string][]float64{
		"faster":           {4.3, 4.4, 4.5, 4.6, 4.7},
		"slower":           {3.3, 3.4, 3.5, 3.6, 3.7},
		"within the noise": {4, 4.4, 4.5, 4.6, 4.7},
	} {
		all := report.Compare([]report.Figure{before}, []report.Figure{stream("tcp/xdp", values...)})
		g.Expect(all[0].Verdict).To(Equal(want))
		g.Expect(report.Regressions(all)).To(BeEmpty())
	}
	g.Expect(report.Regressions(report.Compare([]report.Figure{before}, []report.Figure{stream("tcp/xdp", 2.6)}))).To(HaveLen(1))
	g.Expect(report.Regressions(report.Compare([]report.Figure{before}, []report.Figure{stream("tcp/xdp", 40)}))).To(BeEmpty())

	micros := stream("tcp/p50", 8)
	micros.Unit = report.Microseconds
	slower := stream("tcp/p50", 13)
	slower.Unit = report.Microseconds
	g.Expect(report.Regressions(report.Compare([]report.Figure{micros}, []report.Figure{slower}))).To(HaveLen(1), "no 10 ns are forgiven here")
	g.Expect(report.Compare([]report.Figure{stream("tcp/p50", 8)}, []report.Figure{slower})).To(BeEmpty(), "units differ")
}

func TestAllThatBelongsToAStreamIsShown(t *testing.T) {
	g := NewWithT(t)
	f := stream("tcp-stream/1500/xdp", 3, 3.1, 3.2, 3.3, 3.4)
	d := report.Document{
		Machine: report.Machine{Kernel: "6.18"}, Figures: []report.Figure{f, figure(110, 110, 110, 110, 110)},
		Omissions: []report.Omission{{Cases: "tcp-stream/9000", Why: "iperf3 is not installed"}},
	}
	var table, benchfmt, html, document bytes.Buffer
	g.Expect(report.WriteTable(&table, d)).To(Succeed())
	g.Expect(table.String()).To(And(
		MatchRegexp(`tcp-stream/1500/xdp +xdp +v4 +1 +Gbit/s +1.60 +3.20 +6.40 +kernel-vxlan 4.00 +0.80 +0.75..0.85`),
		MatchRegexp(`endpoint/established +xdp +v4 +1 +ns +110`),
		MatchRegexp(`CONTENDER +FAMILY +DEVICE +MTU +GRO +TSO-GSO *\n +xdp +v4 +endpoint +1414 +on +off`),
		ContainSubstring("read this first"),
		ContainSubstring("not measured: tcp-stream/9000: iperf3 is not installed\n")))

	g.Expect(report.WriteBenchfmt(&benchfmt, d)).To(Succeed())
	g.Expect(benchfmt.String()).To(And(ContainSubstring("Unit Gbit/s better=higher\n"), Not(ContainSubstring("Unit transactions/s")),
		ContainSubstring("5 1.50 p5-Gbit/s 3.00 Gbit/s 0.7500 floors\n")))

	g.Expect(report.WriteHTML(&html, d)).To(Succeed())
	g.Expect(html.String()).To(And(ContainSubstring("3.20 Gbit/s"), ContainSubstring("gro on, tso-gso off"), ContainSubstring("iperf3 is not installed")))

	g.Expect(report.WriteJSON(&document, d)).To(Succeed())
	g.Expect(report.Parse(document.Bytes())).To(Equal(d))
}
