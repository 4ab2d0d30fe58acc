// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/mizar-net/mizar/bench/sample"
)

// Target is a limit of a figure: at most Factor times its floor and Plus
// nanoseconds, or the floor and OrPlus nanoseconds where that is more; or where
// more is better at least Factor times its floor.
type Target struct {
	// Name is the figure's, and so are the other fields. A name that ends in
	// "/*" is that of any figure below, and Form may name several, as in
	// "xdp|tcx": one figure that reaches the limit will do.
	Name, Instrument, Form string
	Unit                   Unit
	Family, Flows          int
	Floor                  string
	Factor, Plus           float64
	OrPlus                 float64
}

// allowed is the limit beside a floor.
func (t Target) allowed(floor float64) float64 {
	limit := t.Factor*floor + t.Plus
	if t.OrPlus > 0 {
		limit = max(limit, floor+t.OrPlus)
	}
	return limit
}

// Covers says whether a figure can reach the target.
func (t Target) Covers(f Figure) bool {
	named := t.Name == f.Name
	if below, any := strings.CutSuffix(t.Name, "*"); any {
		named = strings.HasPrefix(f.Name, below)
	}
	return named && slices.Contains(strings.Split(t.Form, "|"), f.Form) &&
		t.Instrument == f.Instrument && t.Unit == f.Unit && t.Family == f.Family && t.Flows == f.Flows
}

// Limit is how people read it: "1.50 × relay + 20 ns".
func (t Target) Limit() string {
	if t.Unit.MoreIsBetter() {
		return fmt.Sprintf("at least %.2f × %s", t.Factor, t.Floor)
	}
	if t.OrPlus > 0 {
		return fmt.Sprintf("%.2f × or %.0f ns over %s", t.Factor, t.OrPlus, t.Floor)
	}
	if t.Plus > 0 {
		return fmt.Sprintf("%.2f × %s + %.0f ns", t.Factor, t.Floor, t.Plus)
	}
	return fmt.Sprintf("%.2f × %s", t.Factor, t.Floor)
}

// Outcome of a target.
type Outcome string

// The outcomes. Only Pass is one.
const (
	Pass        Outcome = "pass"
	Miss        Outcome = "MISS"
	Undecided   Outcome = "UNDECIDED"
	NotMeasured Outcome = "NOT MEASURED"
)

// Judgement is a target with what was measured.
type Judgement struct {
	Target
	// Figure is nil when nothing was measured.
	Figure *Figure
	// Required is the limit as a multiple of the floor that was measured.
	Required float64
	// Share of the limit that was used, and where it lies.
	Share    float64
	Interval sample.Interval
	Outcome  Outcome
}

// Judge holds figures against targets. A figure passes when the 90 % interval of
// its share of the limit, load by load, lies at or below 1, and misses when it
// lies above; otherwise nothing is decided.
func Judge(targets []Target, figures []Figure) []Judgement {
	var all []Judgement
	for _, t := range targets {
		all = append(all, judge(t, best(t, figures)))
	}
	return all
}

// best is the figure that uses least of the limit; nil if none was measured.
func best(t Target, figures []Figure) *Figure {
	var found *Figure
	least := math.Inf(1)
	for i := range figures {
		if !t.Covers(figures[i]) {
			continue
		}
		share := sample.Median(figures[i].shares(t))
		if found == nil || share < least {
			found, least = &figures[i], share
		}
	}
	return found
}

func judge(t Target, f *Figure) Judgement {
	j := Judgement{Target: t, Figure: f, Required: t.Factor, Outcome: NotMeasured}
	if f == nil {
		return j
	}
	j.Required = t.allowed(f.FloorCost()) / f.FloorCost()
	shares := f.shares(t)
	j.Share, j.Interval = sample.Median(shares), sample.MedianInterval(shares)
	switch {
	case math.IsNaN(j.Share) || f.Instrument == Live && f.Delivered() < enough:
		j.Outcome = Undecided // what was lost on the way costs nothing
	case j.Interval.High <= 1:
		j.Outcome = Pass
	case j.Interval.Low > 1:
		j.Outcome = Miss
	default:
		j.Outcome = Undecided
	}
	return j
}

// enough is the part of live frames that has to arrive.
const enough = 0.99

// Missed counts the targets that did not pass.
func Missed(all []Judgement) int {
	n := 0
	for _, j := range all {
		if j.Outcome != Pass {
			n++
		}
	}
	return n
}
