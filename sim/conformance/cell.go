// SPDX-License-Identifier: Apache-2.0

package conformance

import "strings"

// Cell is one situation that a capability must hold in. An empty dimension of a
// required cell does not matter; one of a cell that ran does not apply.
type Cell struct {
	// Family of the inner packet: "v4" or "v6".
	Family string `json:"family,omitempty"`
	// Proto is what the packets speak: "icmp", "tcp", "udp", "arp", "nd"; for
	// rows about the harness, what is shown: "replay", "bad-object", ….
	Proto string `json:"proto,omitempty"`
	// Placement is "same-host" or "two-hosts".
	Placement string `json:"placement,omitempty"`
	// Subnet is "same-subnet" or "two-subnets".
	Subnet string `json:"subnet,omitempty"`
	// Path is "direct" or "service".
	Path string `json:"path,omitempty"`
	// Underlay is the family of the outer packet: "v4" or "v6".
	Underlay string `json:"underlay,omitempty"`
	// Wire is "testrun", "veth", or "both" when the two were compared.
	Wire string `json:"wire,omitempty"`
	// Verdict is "deliver", "drop" or "answer"; Reason the drop reason.
	Verdict string `json:"verdict,omitempty"`
	Reason  string `json:"reason,omitempty"`
}

func (c Cell) dimensions() []string {
	return []string{c.Family, c.Proto, c.Placement, c.Subnet, c.Path, c.Underlay, c.Wire, c.Verdict, c.Reason}
}

// String is the cell as labels and reports have it: its dimensions with slashes
// between them, the underlay as "over-v4".
func (c Cell) String() string {
	if c.Underlay != "" {
		c.Underlay = "over-" + c.Underlay
	}
	var said []string
	for _, d := range c.dimensions() {
		if d != "" {
			said = append(said, d)
		}
	}
	return strings.Join(said, "/")
}

// Covers says whether a cell that ran is evidence for the required cell c: all
// that c says is so.
func (c Cell) Covers(ran Cell) bool {
	got := ran.dimensions()
	for i, want := range c.dimensions() {
		if want != "" && want != got[i] {
			return false
		}
	}
	return true
}

// product is a set of cells as rows.yaml writes it: every combination.
type product struct {
	Part                                             string
	Family, Proto, Placement, Subnet, Path, Underlay []string
	Wire, Verdict, Reason                            []string
}

// cells are the combinations.
func (p product) cells() []Cell {
	cells := []Cell{{}}
	for _, dimension := range []struct {
		values []string
		set    func(*Cell, string)
	}{
		{p.Family, func(c *Cell, v string) { c.Family = v }},
		{p.Proto, func(c *Cell, v string) { c.Proto = v }},
		{p.Placement, func(c *Cell, v string) { c.Placement = v }},
		{p.Subnet, func(c *Cell, v string) { c.Subnet = v }},
		{p.Path, func(c *Cell, v string) { c.Path = v }},
		{p.Underlay, func(c *Cell, v string) { c.Underlay = v }},
		{p.Wire, func(c *Cell, v string) { c.Wire = v }},
		{p.Verdict, func(c *Cell, v string) { c.Verdict = v }},
		{p.Reason, func(c *Cell, v string) { c.Reason = v }},
	} {
		if len(dimension.values) == 0 {
			continue
		}
		var more []Cell
		for _, cell := range cells {
			for _, value := range dimension.values {
				dimension.set(&cell, value)
				more = append(more, cell)
			}
		}
		cells = more
	}
	return cells
}
