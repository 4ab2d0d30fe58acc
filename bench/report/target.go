// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"math"

	"github.com/mizar-net/mizar/bench/sample"
)

// Target is a limit of what a figure may cost: Factor times its floor, and Plus
// nanoseconds; or the floor and OrPlus nanoseconds, where that is more.
type Target struct {
	// Name is the figure's, and so are the other fields.
	Name, Instrument, Form string
	Family, Flows          int
	Floor                  string
	Factor, Plus           float64
	OrPlus                 float64
}

// allowed is the most that a figure may cost beside a floor.
func (t Target) allowed(floor float64) float64 {
	limit := t.Factor*floor + t.Plus
	if t.OrPlus > 0 {
		limit = max(limit, floor+t.OrPlus)
	}
	return limit
}

// ID is that of the figure.
func (t Target) ID() string {
	return Figure{Name: t.Name, Instrument: t.Instrument, Form: t.Form, Family: t.Family, Flows: t.Flows}.ID()
}

// Limit is how people read it: "1.50 × relay + 20 ns".
func (t Target) Limit() string {
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
	byID := map[string]*Figure{}
	for i := range figures {
		byID[figures[i].ID()] = &figures[i]
	}
	var all []Judgement
	for _, t := range targets {
		all = append(all, judge(t, byID[t.ID()]))
	}
	return all
}

func judge(t Target, f *Figure) Judgement {
	j := Judgement{Target: t, Figure: f, Required: t.Factor, Outcome: NotMeasured}
	if f == nil {
		return j
	}
	j.Required = t.allowed(f.FloorCost()) / f.FloorCost()
	shares := f.over(func(l Load) float64 { return f.judged(l.Program) / t.allowed(f.judged(l.Floor)) })
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
