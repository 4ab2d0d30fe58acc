// SPDX-License-Identifier: Apache-2.0

package conformance

import "github.com/mizar-net/mizar/sim/run"

// dimensions are the fields of a cell, in the order of the fields of product.
var dimensions = []func(*run.Cell) *string{
	func(c *run.Cell) *string { return &c.Family },
	func(c *run.Cell) *string { return &c.Proto },
	func(c *run.Cell) *string { return &c.Placement },
	func(c *run.Cell) *string { return &c.Subnet },
	func(c *run.Cell) *string { return &c.Path },
	func(c *run.Cell) *string { return &c.Underlay },
	func(c *run.Cell) *string { return &c.Form },
	func(c *run.Cell) *string { return &c.XDP },
	func(c *run.Cell) *string { return &c.During },
	func(c *run.Cell) *string { return &c.Wire },
	func(c *run.Cell) *string { return &c.Verdict },
	func(c *run.Cell) *string { return &c.Reason },
}

// covers says whether a cell that ran is evidence for a required cell: all that
// the required one says is so. What it leaves empty does not matter.
func covers(required, ran run.Cell) bool {
	for _, of := range dimensions {
		if want := *of(&required); want != "" && want != *of(&ran) {
			return false
		}
	}
	return true
}

// product is a set of cells as rows.yaml writes it: every combination. An empty
// list leaves the dimension empty.
type product struct {
	Part      string
	Family    []string
	Proto     []string
	Placement []string
	Subnet    []string
	Path      []string
	Underlay  []string
	Form      []string
	XDP       []string
	During    []string
	Wire      []string
	Verdict   []string
	Reason    []string
}

// cells are the combinations.
func (p product) cells() []run.Cell {
	cells := []run.Cell{{}}
	for i, values := range [][]string{p.Family, p.Proto, p.Placement, p.Subnet, p.Path, p.Underlay, p.Form, p.XDP, p.During, p.Wire, p.Verdict, p.Reason} {
		if len(values) == 0 {
			continue
		}
		var more []run.Cell
		for _, cell := range cells {
			for _, value := range values {
				*dimensions[i](&cell) = value
				more = append(more, cell)
			}
		}
		cells = more
	}
	return cells
}
