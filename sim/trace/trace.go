// SPDX-License-Identifier: Apache-2.0

// Package trace shows the way of a packet through all hosts, stage by stage,
// from what the programs themselves recorded: which stages they went through,
// which rows they met, and what they decided.
//
//	h1 endpoint program at red-1
//	  in   10.0.0.2 → 10.0.0.3 icmp echo id 7 seq 1
//	  local     locals      vni 100 10.0.0.3   miss
//	  path      paths       vni 100 10.0.0.3   hit
//	  send ─► h2, 2 hash and 3 array lookups, no update
package trace

import (
	"encoding/json"
	"fmt"
	"io"
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
	To      string  `json:"to,omitempty"`
	Lookups Lookups `json:"lookups"`
}

// Stage is one thing a program did, and the row that it met.
type Stage struct {
	Name   string `json:"name"`
	Map    string `json:"map,omitempty"`
	Key    string `json:"key,omitempty"`
	Access string `json:"access,omitempty"`
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
	for i, p := range o.Requests {
		all = append(all, way(fmt.Sprintf("request %d", i+1), p))
		if i < len(o.Replies) {
			all = append(all, way(fmt.Sprintf("reply %d", i+1), o.Replies[i]))
		}
	}
	return all
}

func way(name string, p wire.Packet) Packet {
	w := Packet{Name: name, Fate: fate(p), Hosts: p.Hosts, Hops: p.Hops}
	for _, s := range p.Steps {
		step := Step{
			Host: s.Host, Program: s.Program, Port: scenario.Short(s.Port), In: line(s.In), Out: line(s.Out),
			Verdict: s.Verdict, Reason: s.Reason, To: scenario.Short(s.To),
			Lookups: Lookups{Hash: s.HashLookups, Array: s.ArrayLookups, Updates: s.Updates},
		}
		for _, stage := range s.Stages {
			step.Stages = append(step.Stages, Stage{
				Name: stage.Name, Map: stage.Map, Key: Key(stage.Map, stage.Key), Access: stage.Access,
			})
		}
		w.Steps = append(w.Steps, step)
	}
	return w
}

func fate(p wire.Packet) string {
	switch {
	case p.Delivered && p.Hops == 1:
		return fmt.Sprintf("delivered to %s, 1 hop", scenario.Short(p.To))
	case p.Delivered:
		return fmt.Sprintf("delivered to %s, %d hops", scenario.Short(p.To), p.Hops)
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

// widths of the columns stage, map and key over all steps.
func (p Packet) widths() [3]int {
	var w [3]int
	for _, s := range p.Steps {
		for _, stage := range s.Stages {
			for i, text := range []string{stage.Name, stage.Map, stage.Key} {
				w[i] = max(w[i], len(text))
			}
		}
	}
	return w
}

func (s Step) write(b *strings.Builder, widths [3]int) {
	at := ""
	if s.Port != "" {
		at = " at " + s.Port
	}
	fmt.Fprintf(b, "  ┌ %s: %s program%s\n", s.Host, s.Program, at)
	outer, inner, tunnel := strings.Cut(s.In, "] ")
	if tunnel {
		fmt.Fprintf(b, "  │ %s]\n  │   └ %s\n", outer, inner)
	} else {
		fmt.Fprintf(b, "  │ %s\n", s.In)
	}
	for _, stage := range s.Stages {
		text := fmt.Sprintf("%-*s  %-*s  %-*s  %s", widths[0], stage.Name, widths[1], stage.Map, widths[2], stage.Key, stage.Access)
		fmt.Fprintf(b, "  │   %s\n", strings.TrimRight(text, " "))
	}
	verdict := s.Verdict
	if s.Reason != "" {
		verdict += " " + s.Reason
	}
	if s.To != "" {
		verdict += " ─► " + s.To
	}
	fmt.Fprintf(b, "  └ %s (%s)\n", verdict, s.Lookups)
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
