// SPDX-License-Identifier: Apache-2.0

package steps

import (
	"cmp"
	"fmt"
	"path"
	"slices"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
)

// Count is what one packet made a program do.
type Count struct {
	// Instructions includes all the others.
	Instructions, Loads, Stores, Branches int
	// Lookups and Updates are by the map's name, Calls by the helper's or the
	// function's.
	Lookups, Updates, Calls map[string]int
	// Order is what was called, one after the other: a lookup or an update with its
	// map, another helper, or a function of the program's.
	Order []string
	// Lines are instructions by "file:line" of the C.
	Lines map[string]int

	at string // the line that the last instruction belongs to
}

func newCount() *Count {
	return &Count{Lookups: map[string]int{}, Updates: map[string]int{}, Calls: map[string]int{}, Lines: map[string]int{}}
}

// line is what instructions know of their source; *btf.Line is one.
type line interface {
	FileName() string
	LineNumber() uint32
}

func (c *Count) see(ins *asm.Instruction) {
	if l, ok := ins.Source().(line); ok {
		c.at = fmt.Sprintf("%s:%d", path.Base(l.FileName()), l.LineNumber())
	}
	c.Lines[c.at]++
}

func (c *Count) call(helper asm.BuiltinFunc) { c.called(helper.String()) }

func (c *Count) called(name string) {
	c.Calls[name]++
	c.Order = append(c.Order, name)
}

// of notes the map that a helper was called for.
func (c *Count) of(spec *ebpf.MapSpec) {
	c.Order[len(c.Order)-1] += fmt.Sprintf(" %s (%v)", spec.Name, spec.Type)
}

// Line is a line of the C and how many instructions it cost.
type Line struct {
	At           string
	Instructions int
}

// Dearest are the lines in order of what they cost, the dearest first.
func (c *Count) Dearest() []Line {
	var all []Line
	for at, n := range c.Lines {
		all = append(all, Line{at, n})
	}
	slices.SortFunc(all, func(a, b Line) int {
		return cmp.Or(cmp.Compare(b.Instructions, a.Instructions), cmp.Compare(a.At, b.At))
	})
	return all
}
