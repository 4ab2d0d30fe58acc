// SPDX-License-Identifier: Apache-2.0

package run

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Status is pass or fail, and for whole scenarios also error.
type Status string

// The statuses.
const (
	Pass Status = "pass"
	Fail Status = "fail"
	// Error is the status of a scenario that the harness could not run to its
	// end.
	Error Status = "error"
)

// Result is what came of a scenario.
type Result struct {
	Scenario string        `json:"scenario"`
	Title    string        `json:"title"`
	File     string        `json:"file"`
	Wires    []string      `json:"wires"`
	Status   Status        `json:"status"`
	Elapsed  time.Duration `json:"elapsedNanoseconds"`
	// Runs has one entry for each family of the underlay, form and mode of XDP
	// that the scenario asks for, or one in all.
	Runs []Variant `json:"runs"`
	// Error says why the harness could not go on; Runs then ends where it
	// stopped.
	Error string `json:"error,omitempty"`
}

// Variant is one run of all steps.
type Variant struct {
	// Underlay is "v4" or "v6" where the scenario asks for families.
	Underlay string `json:"underlay,omitempty"`
	// Form is the endpoint program's where it is asked for.
	Form string `json:"form,omitempty"`
	// XDP are the modes of programs where the scenario asks for them.
	XDP    string `json:"xdp,omitempty"`
	Status Status `json:"status"`
	Steps  []Step `json:"steps"`
}

// Step is what came of one step.
type Step struct {
	Name   string   `json:"name"`
	Kind   string   `json:"kind"`
	Rows   []string `json:"rows,omitempty"`
	Line   int      `json:"line"`
	Status Status   `json:"status"`
	Checks []Check  `json:"checks"`
	// Matrix is what a truth table came to; nil for other steps.
	Matrix *Matrix `json:"matrix,omitempty"`
	// Elapsed is real time, on all wires together.
	Elapsed time.Duration `json:"elapsedNanoseconds"`
}

// Check is one thing that was compared on one wire, or between the two.
type Check struct {
	// Name says what it was: "icmp red-1 → red-2 v4".
	Name string `json:"name"`
	// Wire is the wire's name, or "both" for the comparison of two.
	Wire   string   `json:"wire"`
	Rows   []string `json:"rows,omitempty"`
	Cell   Cell     `json:"cell"`
	Status Status   `json:"status"`
	// Seen says in a few words what happened: "delivered, hops 2 1".
	Seen string `json:"seen,omitempty"`
	// Hops of the successive requests, as far as they were delivered.
	Hops     []int     `json:"hops,omitempty"`
	Failures []Failure `json:"failures,omitempty"`
}

// Failure is one difference: who says what about which field, and who says
// otherwise.
type Failure struct {
	Field   string `json:"field"`
	Who     string `json:"who"`
	Got     string `json:"got"`
	Against string `json:"against"`
	Want    string `json:"want"`
	// Note is what else a person should know, such as the packet's way.
	Note string `json:"note,omitempty"`
}

// String is the failure in one line.
func (f Failure) String() string {
	s := fmt.Sprintf("%s: %s got %s, %s wants %s", f.Field, f.Who, f.Got, f.Against, f.Want)
	if f.Note != "" {
		s += " (" + f.Note + ")"
	}
	return s
}

// Evidence is one check, labelled with the rows of ACCEPTANCE.
type Evidence struct {
	Test string
	Rows []string
	Cell Cell
	// Failure is empty when the check passed.
	Failure string
}

// Evidence returns all checks that are labelled with a row.
func (r Result) Evidence() []Evidence {
	var all []Evidence
	for _, v := range r.Runs {
		name := r.Name(v)
		for _, s := range v.Steps {
			for _, c := range s.Checks {
				if len(c.Rows) > 0 {
					all = append(all, Evidence{
						Test: fmt.Sprintf("%s: %s: %s on %s", name, s.Name, c.Name, c.Wire),
						Rows: c.Rows, Cell: c.Cell, Failure: c.failure(),
					})
				}
			}
		}
	}
	return all
}

// Name is the scenario's, and what is special about one of its runs: "tour over
// v4".
func (r Result) Name(v Variant) string {
	name := r.Scenario
	if v.Underlay != "" {
		name += " over " + v.Underlay
	}
	if v.Form != "" {
		name += " in form " + v.Form
	}
	if v.XDP != "" {
		name += " in XDP mode " + v.XDP
	}
	return name
}

func (c Check) failure() string {
	lines := make([]string, len(c.Failures))
	for i, f := range c.Failures {
		lines[i] = f.String()
	}
	return strings.Join(lines, "\n")
}

// Count returns how many checks there are, and how many failed.
func (r Result) Count() (all, failed int) {
	for _, v := range r.Runs {
		for _, s := range v.Steps {
			for _, c := range s.Checks {
				all++
				if c.Status == Fail {
					failed++
				}
			}
		}
	}
	return all, failed
}

// settle sets the status of a step from its checks, and of each check from its
// failures.
func (s *Step) settle() {
	s.Status = Pass
	for i := range s.Checks {
		c := &s.Checks[i]
		c.Status = Pass
		if len(c.Failures) > 0 {
			c.Status, s.Status = Fail, Fail
		}
		c.Rows = slices.Clone(s.Rows)
		if c.Wire == BothWires && !slices.Contains(c.Rows, "J1") {
			c.Rows = append(c.Rows, "J1")
		}
	}
}

// BothWires is what a check that compares the two wires has for a wire.
const BothWires = "both"
