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

	"github.com/mizar-net/mizar/sim/run"
)

//go:embed rows.yaml
var rowsYAML []byte

// Row is one capability and the cells that it must have been seen in.
type Row struct {
	ID         string
	Capability string
	// Claims is what this version promises of the row: All, the names of
	// parts with spaces between them, or nothing.
	Claims string
	// Required is empty when the row has never been claimed.
	Required []Required
}

// All is the claim of a whole row.
const All = "all"

// Required is a cell that must have run. Part names the piece of the row that it
// belongs to, when the row has pieces.
type Required struct {
	Part string
	Cell run.Cell
}

// Rows are all rows of ACCEPTANCE in its order.
func Rows() ([]Row, error) {
	var written []struct {
		ID         string
		Capability string
		Claims     string
		Cells      []product
	}
	decoder := yaml.NewDecoder(bytes.NewReader(rowsYAML))
	decoder.KnownFields(true)
	if err := decoder.Decode(&written); err != nil {
		return nil, fmt.Errorf("read the embedded rows.yaml: %w", err)
	}
	var rows []Row
	for _, w := range written {
		row := Row{ID: w.ID, Capability: w.Capability, Claims: w.Claims}
		for _, p := range w.Cells {
			for _, cell := range p.cells() {
				row.Required = append(row.Required, Required{p.Part, cell})
			}
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// Claims are the asks for all that this version promises: "A1", "A7/arp-nd".
func Claims(rows []Row) []string {
	var asks []string
	for _, row := range rows {
		switch row.Claims {
		case "":
		case All:
			asks = append(asks, row.ID)
		default:
			for _, part := range strings.Fields(row.Claims) {
				asks = append(asks, row.ID+"/"+part)
			}
		}
	}
	return asks
}

// Select returns the asked rows, in the order of ACCEPTANCE. An ask is an ID
// ("A1"), or an ID and a part ("A7/arp-nd"), which stands for the row without its
// other parts.
func Select(rows []Row, asks []string) ([]Row, error) {
	var chosen []Row
	unknown := slices.Clone(asks)
	for _, row := range rows {
		for _, ask := range asks {
			id, part, parted := strings.Cut(ask, "/")
			if id != row.ID || parted && !row.has(part) {
				continue
			}
			unknown = slices.DeleteFunc(unknown, func(a string) bool { return a == ask })
			if parted {
				chosen = append(chosen, row.only(part))
			} else {
				chosen = append(chosen, row)
			}
		}
	}
	if len(unknown) > 0 {
		return nil, fmt.Errorf("rows: got %q, want IDs of ACCEPTANCE such as A1, or parts such as A7/arp-nd", unknown)
	}
	return chosen, nil
}

func (r Row) has(part string) bool {
	return slices.ContainsFunc(r.Required, func(q Required) bool { return part != "" && q.Part == part })
}

// only is the row with one of its parts.
func (r Row) only(part string) Row {
	r.ID += "/" + part
	r.Required = slices.DeleteFunc(slices.Clone(r.Required), func(q Required) bool { return q.Part != part })
	return r
}
