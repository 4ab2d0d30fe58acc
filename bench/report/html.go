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

// bar is a figure on the page; widths are in percent of the longest.
type bar struct {
	Label                 string
	Ratio                 string
	Cost, Floor           string
	Width, FloorWidth     float64
	P90Width              float64
	What, Between, Spread string
}

// WriteHTML prints a page that needs nothing beside itself: a bar for each
// figure, its floor in it, and a plot for each series of figures that differ in
// their number of rows.
func WriteHTML(w io.Writer, d Document) error {
	t, err := template.New("page").Parse(page)
	if err != nil {
		return fmt.Errorf("read the template of the page: %w", err)
	}
	longest := 1.0
	for _, f := range d.Figures {
		longest = max(longest, f.Net().P90)
	}
	var bars []bar
	for _, f := range d.Figures {
		bars = append(bars, newBar(f, 100/longest))
	}
	return t.Execute(w, map[string]any{"Machine": d.Machine.String(), "Plan": d.Plan.String(), "Bars": bars, "Plots": plots(d.Figures)})
}

func newBar(f Figure, scale float64) bar {
	n := f.Net()
	cost, _ := f.Cost()
	ratio, interval := f.Ratio()
	return bar{
		Label: fmt.Sprintf("%s · %s · v%d · %d flows · %s", f.Name, f.Form, f.Family, f.Flows, f.Instrument),
		What:  f.What,
		Ratio: fmt.Sprintf("%.2f × %s", ratio, f.Floor), Between: between(interval),
		Cost: fmt.Sprintf("%.0f ns", cost), Floor: fmt.Sprintf("%.0f ns", f.FloorCost()),
		Spread: fmt.Sprintf("p5 %.0f, median %.0f, p90 %.0f", n.P5, n.Median, n.P90),
		Width:  cost * scale, FloorWidth: f.FloorCost() * scale, P90Width: n.P90 * scale,
	}
}
