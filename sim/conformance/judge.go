// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"slices"
	"strings"

	"github.com/mizar-net/mizar/sim/run"
)

// Status of a row or cell.
type Status string

// The statuses.
const (
	Pass Status = "pass"
	Fail Status = "fail"
	None Status = "none"
)

// Table is what is known of some rows.
type Table struct {
	Rows []Result `json:"rows"`
}

// Result is what is known of one row.
type Result struct {
	ID         string `json:"id"`
	Capability string `json:"capability"`
	Status     Status `json:"status"`
	// Parts has the status of each part, for rows that have parts.
	Parts map[string]Status `json:"parts,omitempty"`
	Cells []CellResult      `json:"cells"`
	Tests []TestResult      `json:"tests"`
}

// CellResult is what is known of one required cell.
type CellResult struct {
	Cell   string `json:"cell"`
	Part   string `json:"part,omitempty"`
	Status Status `json:"status"`
}

// TestResult is one test that is evidence for a row.
type TestResult struct {
	Name   string `json:"name"`
	Cell   string `json:"cell,omitempty"`
	Status Status `json:"status"`
	// Failure says what was wrong.
	Failure string `json:"failure,omitempty"`
}

// Judge holds the evidence against the rows.
func Judge(rows []Row, evidence []run.Evidence) Table {
	table := Table{Rows: []Result{}}
	by := map[string][]run.Evidence{}
	for _, row := range rows {
		by[row.id()] = nil
	}
	for _, e := range evidence {
		for _, id := range slices.Compact(slices.Sorted(slices.Values(e.Rows))) {
			if _, asked := by[id]; asked {
				by[id] = append(by[id], e)
			}
		}
	}
	for _, row := range rows {
		result := row.judge(by[row.id()])
		result.Parts = row.parts(by[row.id()])
		table.Rows = append(table.Rows, result)
	}
	return table
}

// id is the row's, of which this may be a part.
func (r Row) id() string {
	id, _, _ := strings.Cut(r.ID, "/")
	return id
}

// judge decides on one row from the evidence that is labelled with it.
func (r Row) judge(evidence []run.Evidence) Result {
	result := Result{ID: r.ID, Capability: r.Capability, Cells: []CellResult{}, Tests: []TestResult{}}
	for _, required := range r.Required {
		cell := CellResult{Cell: required.Cell.String(), Part: required.Part, Status: statusOf(required.Cell, evidence)}
		result.Cells = append(result.Cells, cell)
	}
	result.Status = statusOfCells(result.Cells, evidence)
	for _, e := range evidence {
		test := TestResult{Name: e.Test, Cell: e.Cell.String(), Status: Pass, Failure: e.Failure}
		if e.Failure != "" {
			test.Status = Fail
		}
		result.Tests = append(result.Tests, test)
	}
	return result
}

// statusOfCells is that of a row, or of a part of it, which has these cells and all of
// the row's evidence.
func statusOfCells(cells []CellResult, evidence []run.Evidence) Status {
	missing := func(c CellResult) bool { return c.Status == None }
	switch {
	case slices.ContainsFunc(evidence, func(e run.Evidence) bool { return e.Failure != "" }):
		return Fail
	case len(cells) == 0, len(evidence) == 0, slices.ContainsFunc(cells, missing):
		return None
	}
	return Pass
}

// parts decides on each part of a row that has parts.
func (r Row) parts(evidence []run.Evidence) map[string]Status {
	cells := map[string][]CellResult{}
	for _, required := range r.Required {
		if required.Part != "" && !strings.Contains(r.ID, "/") {
			cells[required.Part] = append(cells[required.Part], CellResult{Status: statusOf(required.Cell, evidence)})
		}
	}
	if len(cells) == 0 {
		return nil
	}
	parts := map[string]Status{}
	for part, all := range cells {
		parts[part] = statusOfCells(all, evidence)
	}
	return parts
}

// statusOf says what all evidence that covers a cell comes to.
func statusOf(required run.Cell, evidence []run.Evidence) Status {
	status := None
	for _, e := range evidence {
		switch {
		case !covers(required, e.Cell):
		case e.Failure != "":
			return Fail
		default:
			status = Pass
		}
	}
	return status
}

// Passed says whether every row of the table passes; a table without rows does not.
func (t Table) Passed() bool {
	return len(t.Rows) > 0 && !slices.ContainsFunc(t.Rows, func(r Result) bool { return r.Status != Pass })
}

// Missing are the required cells that nothing ran in.
func (r Result) Missing() []string {
	var missing []string
	for _, cell := range r.Cells {
		if cell.Status == None {
			missing = append(missing, cell.Cell)
		}
	}
	return missing
}
