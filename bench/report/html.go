// SPDX-License-Identifier: Apache-2.0

package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
)

//go:embed page.html
var page string

// bar is a figure on the page; widths are in percent of the longest of its unit.
type bar struct {
	Label                 string
	Ratio                 string
	Cost, Floor           string
	Width, FloorWidth     float64
	P90Width              float64
	What, Between, Spread string
	// Rate is of recorded traffic.
	Rate string
	// Aside is how the devices were set.
	Aside []string
}

// histogram is the sizes of recorded traffic; heights are in percent of the most.
type histogram struct {
	Text string
	Bars []column
}

type column struct {
	Label   string
	Packets int
	Height  float64
}

// WriteHTML prints a page that needs nothing beside itself: a bar for each
// figure, its floor in it, and a plot for each series of figures that differ in
// their number of rows.
func WriteHTML(w io.Writer, d Document) error {
	t, err := template.New("page").Parse(page)
	if err != nil {
		return fmt.Errorf("read the template of the page: %w", err)
	}
	longest := map[Unit]float64{}
	for _, f := range d.Figures {
		longest[f.Unit] = max(longest[f.Unit], f.Net().P90, f.FloorCost())
	}
	var bars []bar
	for _, f := range d.Figures {
		bars = append(bars, newBar(f, 100/longest[f.Unit]))
	}
	return t.Execute(w, map[string]any{
		"Machine": d.Machine.String(), "Plan": d.Plan.String(), "Bars": bars,
		"Plots": plots(d.Figures), "Mixes": histograms(d.Mixes), "Omissions": d.Omissions,
	})
}

func histograms(mixes []Mix) []histogram {
	var all []histogram
	for _, m := range mixes {
		h := histogram{Text: m.String()}
		most := 1
		for _, b := range m.Sizes.Buckets {
			most = max(most, b.Packets)
		}
		for _, b := range m.Sizes.Buckets {
			h.Bars = append(h.Bars, column{fmt.Sprintf("≤ %d", b.Most), b.Packets, 100 * float64(b.Packets) / float64(most)})
		}
		all = append(all, h)
	}
	return all
}

func newBar(f Figure, scale float64) bar {
	n := f.Net()
	cost, _ := f.Cost()
	ratio, interval := f.Ratio()
	var aside []string
	for _, v := range f.Devices {
		aside = append(aside, fmt.Sprintf("%s, %s: %s", v.Contender, v.Role, v))
	}
	if f.Note != "" {
		aside = append(aside, f.Note)
	}
	u := f.Unit
	return bar{
		Label: fmt.Sprintf("%s · %s · %s · %d flows · %s", f.Name, f.Form, f.Families(), f.Flows, f.Instrument),
		What:  f.What,
		Ratio: fmt.Sprintf("%.2f × %s", ratio, f.Floor), Between: between(interval),
		Cost: u.format(cost) + " " + u.String(), Floor: u.format(f.FloorCost()) + " " + u.String(),
		Spread: fmt.Sprintf("p5 %s, median %s, p90 %s", u.format(n.P5), u.format(n.Median), u.format(n.P90)),
		Rate:   rate(f), Aside: aside,
		Width: cost * scale, FloorWidth: f.FloorCost() * scale, P90Width: n.P90 * scale,
	}
}

func rate(f Figure) string {
	if f.Share == nil {
		return ""
	}
	mpps, gbit := f.Rate()
	s := fmt.Sprintf("; %s: %.2f Mpps, %.1f Gbit/s", f.Share.Verdict, mpps, gbit)
	if f.Instrument == Live {
		s += fmt.Sprintf(", %s delivered, %s expected", delivered(f), expected(f))
	}
	return s
}
