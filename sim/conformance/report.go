// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// told is how many missing cells or failures of a row the text names.
const told = 3

// WriteJSON writes the table as one object with the key "rows".
func (t Table) WriteJSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(t); err != nil {
		return fmt.Errorf("write the table as JSON: %w", err)
	}
	return nil
}

// WriteText writes the table for people: a line for each row that has tests or
// required cells, below it what failed or is missing; then one line for all rows
// without a test, and the sums.
func (t Table) WriteText(w io.Writer) error {
	var text strings.Builder
	var untested []string
	sums := map[Status]int{}
	for _, row := range t.Rows {
		sums[row.Status]++
		if len(row.Cells) == 0 && len(row.Tests) == 0 {
			untested = append(untested, row.ID)
			continue
		}
		row.write(&text)
	}
	if len(untested) > 0 {
		fmt.Fprintf(&text, "\nno test: %s\n", strings.Join(untested, " "))
	}
	fmt.Fprintf(&text, "\n%d rows: %d pass, %d fail, %d none\n", len(t.Rows), sums[Pass], sums[Fail], sums[None])
	if _, err := io.WriteString(w, text.String()); err != nil {
		return fmt.Errorf("write the table: %w", err)
	}
	return nil
}

func (r Result) write(text *strings.Builder) {
	ran := 0
	for _, cell := range r.Cells {
		if cell.Status != None {
			ran++
		}
	}
	fmt.Fprintf(text, "%-5s %-13s %3d of %-3d cells  %4d tests  %s\n", r.Status, r.ID, ran, len(r.Cells), len(r.Tests), r.Capability)
	for _, part := range slices.Sorted(maps.Keys(r.Parts)) {
		fmt.Fprintf(text, "      part %s/%s: %s\n", r.ID, part, r.Parts[part])
	}
	var failures []string
	for _, test := range r.Tests {
		if test.Status == Fail {
			failures = append(failures, test.Name+": "+first(test.Failure))
		}
	}
	list(text, "failed", failures)
	if len(r.Cells) == 0 {
		list(text, "missing", []string{"the cells that it must be seen in (sim/conformance/rows.yaml)"})
	}
	list(text, "missing", r.Missing())
}

// list writes the first few of some things, and how many more there are.
func list(text *strings.Builder, what string, things []string) {
	for i, thing := range things {
		if i == told {
			fmt.Fprintf(text, "      %s: and %d more (all with -o json)\n", what, len(things)-told)
			return
		}
		fmt.Fprintf(text, "      %s: %s\n", what, thing)
	}
}

// first is the first line of a text, and how many more there are.
func first(text string) string {
	line, more, cut := strings.Cut(text, "\n")
	if !cut {
		return line
	}
	return fmt.Sprintf("%s (and %d lines more)", line, strings.Count(more, "\n")+1)
}
