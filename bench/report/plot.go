// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"math"
	"path"
	"slices"
	"strings"
)

// plot is a series of figures on the page: cost against rows, on a logarithmic
// axis. Coordinates are those of the drawing.
type plot struct {
	Title, What, Axis string
	Line, Band        string // points of the line, and of the area between p5 and p90
	Points            []point
	Ticks             []tick
}

type point struct {
	X, Y  float64
	Label string
}

// tick is a mark at an axis.
type tick struct {
	X, Y  float64
	Label string
}

// The drawing: a frame with room for labels at the left and below.
const (
	plotLeft, plotTop     = 50.0, 10.0
	plotWidth, plotHeight = 520.0, 150.0
)

// plots are one for each series, in the order of figures.
func plots(figures []Figure) []plot {
	var order []string
	series := map[string][]Figure{}
	for _, f := range figures {
		if f.Rows == 0 {
			continue
		}
		id := fmt.Sprintf("%s · v%d · %d flows", path.Dir(f.Name), f.Family, f.Flows)
		if series[id] == nil {
			order = append(order, id)
		}
		series[id] = append(series[id], f)
	}
	var all []plot
	for _, id := range order {
		all = append(all, newPlot(id, series[id]))
	}
	return all
}

func newPlot(title string, figures []Figure) plot {
	slices.SortFunc(figures, func(a, b Figure) int { return a.Rows - b.Rows })
	p := plot{Title: title, What: figures[0].What, Axis: figures[0].Axis}
	least, most := float64(figures[0].Rows), float64(figures[len(figures)-1].Rows)
	highest := 1.0
	for _, f := range figures {
		highest = max(highest, f.Net().P90)
	}
	x := func(rows int) float64 {
		if most == least {
			return plotLeft + plotWidth/2
		}
		return plotLeft + plotWidth*math.Log(float64(rows)/least)/math.Log(most/least)
	}
	y := func(ns float64) float64 { return plotTop + plotHeight*(1-max(ns, 0)/highest) }
	var line, upper, lower []string
	for _, f := range figures {
		cost, _ := f.Cost()
		n := f.Net()
		at := x(f.Rows)
		p.Points = append(p.Points, point{at, y(cost), fmt.Sprintf("%d: %.0f ns", f.Rows, cost)})
		p.Ticks = append(p.Ticks, tick{at, plotTop + plotHeight + 16, fmt.Sprint(f.Rows)})
		line = append(line, corner(at, y(cost)))
		upper = append(upper, corner(at, y(n.P90)))
		lower = append(lower, corner(at, y(n.P5)))
	}
	slices.Reverse(lower)
	p.Line, p.Band = strings.Join(line, " "), strings.Join(append(upper, lower...), " ")
	for _, part := range []float64{0, 0.5, 1} {
		p.Ticks = append(p.Ticks, tick{plotLeft - 28, y(part*highest) + 4, fmt.Sprintf("%.0f", part*highest)})
	}
	return p
}

// corner is a point as SVG writes it.
func corner(x, y float64) string { return fmt.Sprintf("%.1f,%.1f", x, y) }
