// SPDX-License-Identifier: Apache-2.0

package report

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/mizar-net/mizar/bench/sample"
)

// The instruments.
const (
	TestRun = "test_run"
	Live    = "live"
	Sockets = "sockets"
)

// Machine is what was measured on.
type Machine struct {
	Kernel string `json:"kernel"`
	CPU    string `json:"cpu"`
	CPUs   int    `json:"cpus"`
	// Pinned is the CPU that everything ran on, but what Receiver names.
	Pinned int `json:"pinned"`
	// Receiver is the CPU of what receives on sockets, if that is another.
	Receiver *int `json:"receiver,omitempty"`
}

// String is the line above a table.
func (m Machine) String() string {
	where := fmt.Sprintf("pinned to CPU %d", m.Pinned)
	if m.Receiver != nil {
		where += fmt.Sprintf(", sockets' receivers to CPU %d", *m.Receiver)
	}
	return fmt.Sprintf("Linux %s, %s, %d CPUs, %s; nanoseconds are per packet, net of the instrument", m.Kernel, m.CPU, m.CPUs, where)
}

// Plan is how much was measured.
type Plan struct {
	Loads  int           `json:"loads"`
	Rounds int           `json:"rounds"`
	Sample time.Duration `json:"sample_ns"`
}

// String is the line above a table.
func (p Plan) String() string {
	return fmt.Sprintf("%d loads of %d rounds, samples of %s; medians over the loads; 1 flow is judged by the p5, more and sockets by the median",
		p.Loads, p.Rounds, p.Sample)
}

// Document is a run: figures with what they were measured on.
type Document struct {
	Machine Machine
	Plan    Plan
	Figures []Figure
	// Omissions are what was asked for and could not be measured.
	Omissions []Omission
	// Mixes are the captures that figures with a share are about.
	Mixes []Mix
}

// Own is the document without recorded traffic.
func (d Document) Own() Document {
	own := Document{Machine: d.Machine, Plan: d.Plan, Omissions: d.Omissions}
	for _, f := range d.Figures {
		if f.Share == nil {
			own.Figures = append(own.Figures, f)
		}
	}
	return own
}

// row is a figure in JSON.
type row struct {
	Name       string `json:"name"`
	What       string `json:"what,omitempty"`
	Instrument string `json:"instrument"`
	Form       string `json:"form"`
	Family     int    `json:"family"`
	Flows      int    `json:"flows"`
	Axis       string `json:"axis,omitempty"`
	Rows       int    `json:"rows,omitempty"`
	Rounds     int    `json:"rounds,omitempty"`
	// Nanoseconds have their unit in their names; of other units these are
	// absent, and Values are there.
	P5        *float64 `json:"p5_ns,omitempty"`
	Median    *float64 `json:"median_ns,omitempty"`
	P90       *float64 `json:"p90_ns,omitempty"`
	Floor     string   `json:"floor"`
	FloorCost *float64 `json:"floor_ns,omitempty"`
	Values    *values  `json:"values,omitempty"`
	Ratio     float64  `json:"ratio"`
	// Low and High are the 90 % interval of the ratio; absent with too few
	// loads.
	Low       *float64 `json:"ratio_low,omitempty"`
	High      *float64 `json:"ratio_high,omitempty"`
	Delivered *float64 `json:"delivered,omitempty"`
	// Required, Limit and Outcome are there for targets.
	Required float64 `json:"required,omitempty"`
	Limit    string  `json:"limit,omitempty"`
	Outcome  Outcome `json:"outcome,omitempty"`
	// By is the figure that a target with several is judged by.
	By      string   `json:"by,omitempty"`
	Note    string   `json:"note,omitempty"`
	Devices []Device `json:"devices,omitempty"`
	Loads   []Load   `json:"loads,omitempty"`
	// Share, MPPS and Gbit are there for recorded traffic.
	Share *Share  `json:"share,omitempty"`
	MPPS  float64 `json:"mpps,omitempty"`
	Gbit  float64 `json:"gbit_per_s,omitempty"`
}

// values are a figure that is not nanoseconds per packet.
type values struct {
	Unit Unit `json:"unit"`
	// Better is "more" or "less".
	Better string  `json:"better"`
	P5     float64 `json:"p5"`
	Median float64 `json:"median"`
	P90    float64 `json:"p90"`
	Floor  float64 `json:"floor"`
}

type document struct {
	Machine Machine `json:"machine"`
	Plan    Plan    `json:"plan"`
	Figures []row   `json:"figures"`
	// Omissions are no figures.
	Omissions []Omission `json:"not_measured,omitempty"`
	Mixes     []Mix      `json:"mixes,omitempty"`
}

// WriteJSON prints figures for machines.
func WriteJSON(w io.Writer, d Document) error {
	rows := make([]row, 0, len(d.Figures))
	for _, f := range d.Figures {
		rows = append(rows, newRow(f))
	}
	return write(w, document{d.Machine, d.Plan, rows, d.Omissions, d.Mixes})
}

// WriteJudgementsJSON prints targets for machines.
func WriteJudgementsJSON(w io.Writer, d Document, all []Judgement) error {
	rows := make([]row, 0, len(all))
	for _, j := range all {
		r := row{Name: j.Name, Instrument: j.Instrument, Form: j.Form, Family: j.Family, Flows: j.Flows, Floor: j.Floor}
		if j.Figure != nil {
			r = newRow(*j.Figure)
			if r.Name != j.Name {
				r.Name, r.By = j.Name, r.Name
			}
		}
		r.Required, r.Limit, r.Outcome = j.Required, j.Limit(), j.Outcome
		rows = append(rows, r)
	}
	return write(w, document{d.Machine, d.Plan, rows, d.Omissions, nil})
}

func write(w io.Writer, d document) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(d)
}

func newRow(f Figure) row {
	n := f.Net()
	ratio, interval := f.Ratio()
	r := row{
		Name: f.Name, What: f.What, Instrument: f.Instrument, Form: f.Form, Family: f.Family, Flows: f.Flows, Axis: f.Axis, Rows: f.Rows, Rounds: f.Rounds,
		Floor: f.Floor, Ratio: round(ratio), Note: f.Note, Devices: f.Devices,
	}
	if f.Unit == PerPacket {
		r.P5, r.Median, r.P90, r.FloorCost = bound(n.P5), bound(n.Median), bound(n.P90), bound(f.FloorCost())
	} else {
		r.Values = &values{f.Unit, f.Unit.better(), round(n.P5), round(n.Median), round(n.P90), round(f.FloorCost())}
	}
	r.Low, r.High = bound(interval.Low), bound(interval.High)
	if f.Instrument == Live {
		d := f.Delivered()
		r.Delivered = &d
	}
	if r.Share = f.Share; f.Share != nil {
		mpps, gbit := f.Rate()
		r.MPPS, r.Gbit = round(mpps), round(gbit)
	}
	for _, l := range f.Loads {
		l.Program, l.Floor, l.Wrapper = rounded(l.Program), rounded(l.Floor), rounded(l.Wrapper)
		r.Loads = append(r.Loads, l)
	}
	return r
}

func bound(v float64) *float64 {
	if math.IsInf(v, 0) {
		return nil
	}
	v = round(v)
	return &v
}

func rounded(s sample.Spread) sample.Spread {
	return sample.Spread{P5: round(s.P5), Median: round(s.Median), P90: round(s.P90)}
}

// round keeps three digits: the rest is noise.
func round(v float64) float64 { return math.Round(v*1000) / 1000 }

// Parse reads what [WriteJSON] printed.
func Parse(b []byte) (Document, error) {
	var d document
	if err := json.Unmarshal(b, &d); err != nil {
		return Document{}, fmt.Errorf("read figures (want the output of mizar bench -o json): %w", err)
	}
	if len(d.Figures) == 0 {
		return Document{}, errors.New("read figures (want the output of mizar bench -o json): there are none")
	}
	out := Document{Machine: d.Machine, Plan: d.Plan, Omissions: d.Omissions, Mixes: d.Mixes}
	for _, r := range d.Figures {
		if len(r.Loads) == 0 {
			continue // a target that was not measured
		}
		f := Figure{
			Name: cmp.Or(r.By, r.Name), What: r.What, Instrument: r.Instrument, Form: r.Form, Family: r.Family, Flows: r.Flows,
			Axis: r.Axis, Rows: r.Rows, Rounds: r.Rounds, Floor: r.Floor, Loads: r.Loads, Devices: r.Devices, Note: r.Note, Share: r.Share,
		}
		if r.Values != nil {
			f.Unit = r.Values.Unit
		}
		out.Figures = append(out.Figures, f)
	}
	return out, nil
}
