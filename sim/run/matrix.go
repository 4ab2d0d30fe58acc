// SPDX-License-Identifier: Apache-2.0

package run

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/mizar-net/mizar/sim/scenario"
)

// Matrix is a truth table as it was found: who reaches whom by what.
type Matrix struct {
	From  []string `json:"from"`
	To    []string `json:"to"`
	Talks []string `json:"talks"`
	// Entries are those pairs, talks and families that were probed, in the order of
	// From, To and Talks.
	Entries []Entry `json:"entries"`
}

// Entry is one conversation of a matrix. The verdicts are "deliver", "drop",
// "refuse", "answer", "elsewhere" or "lost".
type Entry struct {
	From string `json:"from"`
	To   string `json:"to"`
	// Talk is what was spoken: "tcp/80".
	Talk   string `json:"talk"`
	Family string `json:"family"`
	// Expected is the scenario's verdict; empty when it leaves that to the oracle.
	Expected string `json:"expected,omitempty"`
	Oracle   string `json:"oracle"`
	// Rules are those that may have said so, as the oracle names them.
	Rules []string `json:"rules,omitempty"`
	// Wires are the verdicts of each wire by its name.
	Wires map[string]string `json:"wires"`
	// Agreed says that all of these are one, and the packets' ways too.
	Agreed bool `json:"agreed"`
}

func newMatrix(t *scenario.Table) *Matrix {
	m := &Matrix{Entries: []Entry{}}
	for _, from := range t.From {
		m.From = append(m.From, scenario.Short(from))
	}
	for _, to := range t.To {
		m.To = append(m.To, to.String())
	}
	for _, talk := range t.Talks {
		m.Talks = append(m.Talks, talk.String())
	}
	return m
}

// add notes what became of one conversation, and what was found wrong with it.
func (m *Matrix) add(p pair, a answers, found []Check) {
	e := p.entry
	e.Oracle, e.Wires, e.Agreed = string(became(a.oracle, p.to)), map[string]string{}, true
	e.Rules = a.oracle.rules()
	for _, w := range a.wires {
		e.Wires[w.who] = string(became(w, p.to))
	}
	for _, c := range found {
		e.Agreed = e.Agreed && len(c.Failures) == 0
	}
	m.Entries = append(m.Entries, e)
}

// became is what an answer says of a whole conversation with an endpoint; "" for
// an address that no endpoint has.
func became(a answer, to string) scenario.Verdict {
	n := len(a.requests)
	switch {
	case n == 0:
		return "lost"
	case delivered(a.requests, to) == n && delivered(a.replies, "") == n:
		return scenario.Deliver
	case delivered(a.requests, "") > 0 && delivered(a.requests, to) == 0:
		return "elsewhere"
	}
	for _, p := range slices.Concat(a.requests, a.replies) {
		switch {
		case p.Refused != nil:
			return scenario.Refuse
		case p.Answered:
			return scenario.Answer
		case !p.Delivered && p.Reason != "":
			return scenario.Drop
		}
	}
	return "lost"
}

// rules are those that are named for what became of any packet.
func (a answer) rules() []string {
	var all []string
	for _, p := range slices.Concat(a.requests, a.replies) {
		all = append(all, p.Rules...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// marks are the verdicts in a table for people.
var marks = map[string]string{"deliver": ".", "drop": "X", "refuse": "r", "answer": "a", "elsewhere": "e", "lost": "?"}

const (
	notProbed = "-"
	disagreed = "!"
)

// String is the matrix for people: a table for each family, or one for both where
// they are alike, with a mark for each talk in every cell; then every disagreement
// and who says what.
//
//	v4 and v6; in each cell: icmp tcp/80
//	from \ to   x/a  x/b
//	x/a         -    .X
//	x/b         ..   -
func (m *Matrix) String() string {
	var b strings.Builder
	tables := map[string][]string{} // families by table
	var order []string
	for _, family := range m.families() {
		table := m.table(family)
		if tables[table] == nil {
			order = append(order, table)
		}
		tables[table] = append(tables[table], family)
	}
	for _, table := range order {
		fmt.Fprintf(&b, "%s; in each cell: %s\n%s", strings.Join(tables[table], " and "), strings.Join(m.Talks, " "), table)
	}
	b.WriteString(m.legend())
	for _, e := range m.Entries {
		if !e.Agreed {
			fmt.Fprintf(&b, "%s\n", e.dispute())
		}
	}
	return b.String()
}

// families are those that were probed.
func (m *Matrix) families() []string {
	seen := map[string]bool{}
	for _, e := range m.Entries {
		seen[e.Family] = true
	}
	return slices.Sorted(maps.Keys(seen))
}

// table is the lines of one family.
func (m *Matrix) table(family string) string {
	lines := [][]string{append([]string{`from \ to`}, m.To...)}
	for _, from := range m.From {
		line := []string{from}
		for _, to := range m.To {
			line = append(line, m.cell(from, to, family))
		}
		lines = append(lines, line)
	}
	return columns(lines)
}

// cell has a mark for each talk.
func (m *Matrix) cell(from, to, family string) string {
	cell := ""
	for _, talk := range m.Talks {
		mark := notProbed
		for _, e := range m.Entries {
			if e.From == from && e.To == to && e.Talk == talk && e.Family == family {
				mark = e.mark()
			}
		}
		cell += mark
	}
	if strings.Trim(cell, notProbed) == "" {
		return notProbed
	}
	return cell
}

func (e Entry) mark() string {
	if !e.Agreed {
		return disagreed
	}
	return marks[e.Oracle]
}

// legend explains the marks that occur.
func (m *Matrix) legend() string {
	seen := map[string]bool{}
	for _, e := range m.Entries {
		seen[e.mark()] = true
	}
	var parts []string
	for _, verdict := range []string{"deliver", "drop", "refuse", "answer", "elsewhere", "lost"} {
		if seen[marks[verdict]] {
			parts = append(parts, marks[verdict]+" "+verdict)
		}
	}
	if seen[disagreed] {
		parts = append(parts, disagreed+" disagreement")
	}
	return strings.Join(append(parts, notProbed+" not probed"), ", ") + "\n"
}

// dispute is who says what: "! x/b → x/a tcp/80 v4: oracle drop, testrun deliver".
func (e Entry) dispute() string {
	var says []string
	if e.Expected != "" {
		says = append(says, "scenario "+e.Expected)
	}
	says = append(says, "oracle "+e.Oracle)
	for _, name := range slices.Sorted(maps.Keys(e.Wires)) {
		says = append(says, name+" "+e.Wires[name])
	}
	return fmt.Sprintf("%s %s → %s %s %s: %s", disagreed, e.From, e.To, e.Talk, e.Family, strings.Join(says, ", "))
}

// columns puts cells under each other, two spaces apart.
func columns(lines [][]string) string {
	widths := make([]int, len(lines[0]))
	for _, line := range lines {
		for i, text := range line {
			widths[i] = max(widths[i], len(text))
		}
	}
	var b strings.Builder
	for _, line := range lines {
		text := ""
		for i, cell := range line {
			text += fmt.Sprintf("%-*s  ", widths[i], cell)
		}
		b.WriteString(strings.TrimRight(text, " ") + "\n")
	}
	return b.String()
}
