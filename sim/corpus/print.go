// SPDX-License-Identifier: Apache-2.0

package corpus

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
)

// WriteText writes the table for people.
func (t Table) WriteText(w io.Writer) error {
	p := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(p, "%d\tfiles\n%d\tframes\n", t.Files, t.Frames)
	for _, c := range t.Read {
		fmt.Fprintf(p, "%d\t%s\n", c.Count, c.Cause)
	}
	fmt.Fprintf(p, "%d\tsurprises\n", t.Surprises)
	if err := p.Flush(); err != nil {
		return err
	}
	p = tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, way := range Ways() {
		fmt.Fprintf(p, "\n%s: %s\n", way.Name, way.Says)
		for _, row := range t.Rows {
			if row.Way == way.Name {
				fmt.Fprintf(p, "  %d\t%s\t%s\n", row.Frames, row.Verdict, row.Reason)
			}
		}
		for _, note := range t.Notes {
			if note.Way == way.Name {
				fmt.Fprintf(p, "  (%d %s)\n", note.Frames, note.Note)
			}
		}
	}
	return p.Flush()
}

// WriteText writes the table, and every surprise that was kept.
func (r Report) WriteText(w io.Writer) error {
	if err := r.Table.WriteText(w); err != nil {
		return err
	}
	for _, s := range r.Found {
		if _, err := fmt.Fprintf(w, "\n%s\n", s); err != nil {
			return err
		}
	}
	return nil
}

// WriteJSON writes everything for machines; frames are in hexadecimal.
func (r Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}
