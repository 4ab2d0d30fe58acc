// SPDX-License-Identifier: Apache-2.0

// Package conformance holds what was run against the rows of ACCEPTANCE.
//
//	rows.yaml (rows and required cells) --+
//	evidence (what ran, in which cell) ---+--> Judge --> Table --> text, JSON
//
// A row passes when every required cell has evidence and all evidence for the row
// passed. It fails when any failed. Otherwise it is "none": there is no test, or
// a cell is missing, and the report says which.
package conformance

import (
	"bytes"
	_ "embed"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

//go:embed rows.yaml
var rowsYAML []byte

// Row is one capability and the cells that it must have been seen in.
type Row struct {
	ID         string
	Capability string
	// Required is empty when no slice has claimed the row yet.
	Required []Required
}

// Required is a cell that must have run. Part names the piece of the row that it
// belongs to, when the row has pieces.
type Required struct {
	Part string
	Cell Cell
}

// Rows are all rows of ACCEPTANCE in its order.
func Rows() ([]Row, error) {
	var written []struct {
		ID         string
		Capability string
		Cells      []product
	}
	decoder := yaml.NewDecoder(bytes.NewReader(rowsYAML))
	decoder.KnownFields(true)
	if err := decoder.Decode(&written); err != nil {
		return nil, fmt.Errorf("read the embedded rows.yaml: %w", err)
	}
	var rows []Row
	for _, w := range written {
		row := Row{ID: w.ID, Capability: w.Capability}
		for _, p := range w.Cells {
			for _, cell := range p.cells() {
				row.Required = append(row.Required, Required{p.Part, cell})
			}
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// Select returns the asked rows, in the order of ACCEPTANCE. An ask is an ID
// ("A1"), or an ID and a part ("A7/arp-nd"), which then stands for the row
// without its other parts.
func Select(rows []Row, asked []string) ([]Row, error) {
	var chosen []Row
	for _, row := range rows {
		for _, ask := range asked {
			id, part, _ := strings.Cut(ask, "/")
			if id != row.ID {
				continue
			}
			if part != "" {
				row = row.part(part)
			}
			chosen = append(chosen, row)
		}
	}
	for _, ask := range asked {
		if !slices.ContainsFunc(chosen, func(r Row) bool { return r.ID == ask && (len(r.Required) > 0 || !strings.Contains(ask, "/")) }) {
			return nil, fmt.Errorf("rows: got %q, want an ID of ACCEPTANCE such as A1, or one of its parts such as A7/arp-nd", ask)
		}
	}
	return chosen, nil
}

func (r Row) part(name string) Row {
	r.ID += "/" + name
	r.Required = slices.DeleteFunc(slices.Clone(r.Required), func(q Required) bool { return q.Part != name })
	return r
}
