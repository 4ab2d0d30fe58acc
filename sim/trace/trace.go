// SPDX-License-Identifier: Apache-2.0

// Package trace shows the way of a packet through all hosts, stage by stage,
// from what the programs themselves recorded: which stages they went through,
// which rows they met, and what they decided.
//
//	h1 endpoint program at red-1
//	  in   10.0.0.2 → 10.0.0.3 icmp echo id 7 seq 1
//	  path      paths       vni 100 10.0.0.3   hit   learned: host h2
//	  path      hosts       host h2            hit   addr 192.0.2.2, next hop 02:4d:48:00:00:02
//	  send ─► h2, 1 hash and 3 array lookups, no update
package trace

import (
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"strings"

	"github.com/mizar-net/mizar/sim/frame"
	"github.com/mizar-net/mizar/sim/scenario"
	"github.com/mizar-net/mizar/sim/wire"
)

// Packet is one packet's way, ready to be shown.
type Packet struct {
	// Name says which one it is: "request 1".
	Name  string   `json:"name"`
	Fate  string   `json:"fate"`
	Hosts []string `json:"hosts"`
	Hops  int      `json:"hops"`
	Steps []Step   `json:"steps"`
}

// Step is one run of one program.
type Step struct {
	Host    string `json:"host"`
	Program string `json:"program"`
	Port    string `json:"port,omitempty"`
	// In and Out are the frames in one line each; Out is empty when none
	// came out.
	In      string  `json:"in"`
	Out     string  `json:"out,omitempty"`
	Stages  []Stage `json:"stages"`
	Verdict string  `json:"verdict"`
	Reason  string  `json:"reason,omitempty"`
	// Judged is what policy said, by direction: "ingress: deny by default/web
	// ingress".
	Judged  []string `json:"judged,omitempty"`
	To      string   `json:"to,omitempty"`
	Lookups Lookups  `json:"lookups"`
}

// Stage is one thing a program did, and the row that it met.
type Stage struct {
	Name   string `json:"name"`
	Map    string `json:"map,omitempty"`
	Key    string `json:"key,omitempty"`
	Access string `json:"access,omitempty"`
	// Row is what stood in the row, or was written by an update; Before is
	// what stood there before. Nil when there was no such row, or rows were
	// not read.
	Row    Row `json:"row,omitempty"`
	Before Row `json:"before,omitempty"`
	// Text is the row in one line: "learned: host h2, tell".
	Text string `json:"text,omitempty"`
}

// Lookups counts what a program asked of maps.
type Lookups struct {
	Hash    int `json:"hash"`
	Array   int `json:"array"`
	Updates int `json:"updates"`
}

// Of makes the ways of all packets of an outcome, requests and replies in the
// order that they were sent.
func Of(o wire.Outcome) []Packet {
	var all []Packet
	for name, p := range packets(o) {
		all = append(all, way(name, p))
	}
	return all
}

// packets are those of an outcome by name, requests and replies in the order
// that they were sent.
func packets(o wire.Outcome) iter.Seq2[string, wire.Packet] {
	return func(yield func(string, wire.Packet) bool) {
		for i, p := range o.Requests {
			if !yield(fmt.Sprintf("request %d", i+1), p) {
				return
			}
			if i < len(o.Replies) && !yield(fmt.Sprintf("reply %d", i+1), o.Replies[i]) {
				return
			}
		}
	}
}

func way(name string, p wire.Packet) Packet {
	w := Packet{Name: name, Fate: fate(p), Hosts: p.Hosts, Hops: p.Hops}
	for _, s := range p.Steps {
		w.Steps = append(w.Steps, stepOf(s))
	}
	return w
}

func stepOf(s wire.Step) Step {
	step := Step{
		Host: s.Host, Program: s.Program, Port: scenario.Short(s.Port), In: line(s.In), Out: line(s.Out),
		Verdict: s.Verdict, Reason: s.Reason, To: scenario.Short(s.To),
		Lookups: Lookups{Hash: s.HashLookups, Array: s.ArrayLookups, Updates: s.Updates},
	}
	for _, j := range s.Judged {
		step.Judged = append(step.Judged, judgedText(j))
	}
	for _, stage := range s.Stages {
		step.Stages = append(step.Stages, stageOf(stage, s.Names))
	}
	return step
}

// judgedText is "ingress: deny by default/web ingress", or "ingress: flow accepted
// by …".
func judgedText(j wire.Judged) string {
	rule := j.Rule
	if rule == "" {
		rule = fmt.Sprintf("rule number %d", j.Number)
	}
	if j.Verdict == "" {
		return j.Direction + ": flow accepted by " + rule
	}
	return j.Direction + ": " + j.Verdict + " by " + rule
}

// stageOf reads the row that a stage met.
func stageOf(s wire.Stage, names *wire.Names) Stage {
	out := Stage{Name: s.Name, Map: s.Map, Key: KeyOf(s.Map, s.Key, names), Access: s.Access}
	var err error
	if s.Row != nil {
		if out.Row, err = Decode(s.Map, s.Row, names); err != nil {
			out.Text = err.Error()
			return out
		}
		out.Text = out.Row.Brief(s.Map)
	}
	if s.Before != nil {
		if out.Before, err = Decode(s.Map, s.Before, names); err != nil {
			out.Text = err.Error()
			return out
		}
		out.Text += " (was " + out.Before.Brief(s.Map) + ")"
	}
	return out
}

func fate(p wire.Packet) string {
	switch {
	case p.Delivered && p.Hops == 1:
		return fmt.Sprintf("delivered to %s, 1 hop", scenario.Short(p.To))
	case p.Delivered:
		return fmt.Sprintf("delivered to %s, %d hops", scenario.Short(p.To), p.Hops)
	case p.Answered:
		return "answered by the gateway"
	case p.Refused != nil:
		return fmt.Sprintf("refused by %s: %s; its sender is told %s", p.Dropper, p.Reason, p.Refused)
	case p.Reason != "":
		return fmt.Sprintf("dropped by %s: %s", p.Dropper, p.Reason)
	}
	return "lost without a reason"
}

// line is a frame in one line; "" for none.
func line(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	p, err := frame.Decode(b)
	if err != nil {
		return fmt.Sprintf("%d bytes that are no frame: %v", len(b), err)
	}
	return p.String()
}

// WriteJSON writes the packets as one object with the key "packets".
func WriteJSON(w io.Writer, packets []Packet) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	if err := e.Encode(map[string][]Packet{"packets": packets}); err != nil {
		return fmt.Errorf("write the trace as JSON: %w", err)
	}
	return nil
}

// WriteText writes the packets for people.
func WriteText(w io.Writer, packets []Packet) error {
	var b strings.Builder
	for i, p := range packets {
		if i > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "%s: %s: %s\n", p.Name, strings.Join(p.Hosts, " → "), p.Fate)
		widths := p.widths()
		for _, s := range p.Steps {
			s.write(&b, widths)
		}
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write the trace: %w", err)
	}
	return nil
}

// widths of the columns stage, map, key and access over all steps.
func (p Packet) widths() [4]int {
	var w [4]int
	for _, s := range p.Steps {
		for _, stage := range s.Stages {
			for i, text := range []string{stage.Name, stage.Map, stage.Key, stage.Access} {
				w[i] = max(w[i], len(text))
			}
		}
	}
	return w
}

// write writes the step as lines, each with what goes before it.
func (s Step) write(b *strings.Builder, widths [4]int) {
	fmt.Fprintf(b, "  ┌ %s\n", s.title())
	writeFrame(b, s.In)
	for _, stage := range s.Stages {
		fmt.Fprintf(b, "  │   %s\n", stage.line(widths))
	}
	if s.Out != "" && s.Out != s.In {
		writeFrame(b, s.Out)
	}
	for _, judged := range s.Judged {
		fmt.Fprintf(b, "  │ %s\n", judged)
	}
	fmt.Fprintf(b, "  └ %s (%s)\n", s.end(), s.Lookups)
}

// line is the stage in columns.
func (s Stage) line(widths [4]int) string {
	text := fmt.Sprintf("%-*s  %-*s  %-*s  %-*s  %s", widths[0], s.Name, widths[1], s.Map,
		widths[2], s.Key, widths[3], s.Access, s.Text)
	return strings.TrimRight(text, " ")
}

// title is "h1: endpoint program at red-1".
func (s Step) title() string {
	title := fmt.Sprintf("%s: %s program", s.Host, s.Program)
	if s.Port != "" {
		title += " at " + s.Port
	}
	return title
}

// end is "relay ─► h2", or "drop ttl".
func (s Step) end() string {
	end := s.Verdict
	if s.Reason != "" {
		end += " " + s.Reason
	}
	if s.To != "" {
		end += " ─► " + s.To
	}
	return end
}

// writeFrame writes a frame in a line, or a tunnel frame in two.
func writeFrame(b *strings.Builder, frame string) {
	outer, inner, tunnel := strings.Cut(frame, "] ")
	if tunnel {
		fmt.Fprintf(b, "  │ %s]\n  │   └ %s\n", outer, inner)
	} else {
		fmt.Fprintf(b, "  │ %s\n", frame)
	}
}

// String is "2 hash and 3 array lookups, no update".
func (l Lookups) String() string {
	updates := fmt.Sprintf("%d updates", l.Updates)
	switch l.Updates {
	case 0:
		updates = "no update"
	case 1:
		updates = "1 update"
	}
	return fmt.Sprintf("%d hash and %d array lookups, %s", l.Hash, l.Array, updates)
}
