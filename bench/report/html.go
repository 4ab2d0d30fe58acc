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
	// Aside is how the devices were set.
	Aside []string
}

// WriteHTML prints a page that needs nothing beside itself: a bar for each
// figure, its floor in it, and the table.
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
		"Machine": d.Machine.String(), "Plan": d.Plan.String(), "Bars": bars, "Omissions": d.Omissions,
	})
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
		Label: fmt.Sprintf("%s · %s · v%d · %d flows · %s", f.Name, f.Form, f.Family, f.Flows, f.Instrument),
		What:  f.What,
		Ratio: fmt.Sprintf("%.2f × %s", ratio, f.Floor), Between: between(interval),
		Cost: u.format(cost) + " " + u.String(), Floor: u.format(f.FloorCost()) + " " + u.String(),
		Spread: fmt.Sprintf("p5 %s, median %s, p90 %s", u.format(n.P5), u.format(n.Median), u.format(n.P90)),
		Aside:  aside,
		Width:  cost * scale, FloorWidth: f.FloorCost() * scale, P90Width: n.P90 * scale,
	}
}
