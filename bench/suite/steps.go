// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/cilium/ebpf"

	"github.com/mizar-net/mizar/bench/probe"
	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/sim/steps"
)

// Steps are what the first packet of a case makes its program do.
type Steps struct {
	Case   string
	Family int
	steps.Count
}

// CountSteps counts the cases of the XDP form, but for those in which more than flows
// is forgotten before each packet: that is not what most packets meet.
func CountSteps() ([]Steps, error) {
	var all []Steps
	for _, c := range Cases() {
		if c.reference != "" || c.Form != probe.XDP || c.memory != lasting && c.memory != unopened {
			continue
		}
		for _, family := range []int{4, 6} {
			count, err := c.steps(family)
			if err != nil {
				return nil, fmt.Errorf("case %s, IPv%d: %w", c.Name, family, err)
			}
			all = append(all, Steps{Case: c.Name, Family: family, Count: count})
		}
	}
	return all, nil
}

func (c Case) steps(family int) (count steps.Count, err error) {
	d, err := settingOf(c, Key{Family: family, Flows: 1}).load()
	if err != nil {
		return count, err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	packets, err := c.packets(Key{Family: family, Flows: 1})
	if err != nil {
		return count, err
	}
	object, program, err := c.object()
	if err != nil {
		return count, err
	}
	if c.established() {
		if err := settle(d, c, Key{Family: family, Flows: 1}, packets); err != nil {
			return count, err
		}
	}
	count, action, err := steps.Run(object, program, packets[0], d, func(slot uint32) string { return bpf.RowProgram(slot).String() })
	if err == nil && uint64(action) != uint64(c.want.action) {
		err = fmt.Errorf("the program returned %d, not %d: other rows were met than in the kernel", action, c.want.action)
	}
	return count, err
}

// object is what the case's program is read from, and its name there.
func (c Case) object() (*ebpf.CollectionSpec, string, error) {
	program, read := "endpoint", bpf.LoadEndpoint
	if strings.HasPrefix(c.Name, "uplink/") || strings.HasSuffix(c.Name, "/receiving") || strings.HasSuffix(c.Name, "/outside") {
		program, read = "uplink", bpf.LoadUplink
	}
	object, err := read()
	if err != nil {
		return nil, "", fmt.Errorf("read the object of %s: %w", program, err)
	}
	if v := object.Variables["transmits"]; v != nil {
		err = v.Set(program == "uplink")
	}
	return object, program, err
}

// WriteSteps writes them as a table: what moves without a reason is a regression on
// any machine.
func WriteSteps(w io.Writer, all []Steps) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "CASE\tFAMILY\tINSTRUCTIONS\tLOADS\tSTORES\tBRANCHES\tLOOKUPS\tUPDATES")
	for _, s := range all {
		fmt.Fprintf(t, "%s\tv%d\t%d\t%d\t%d\t%d\t%d\t%d\n",
			s.Case, s.Family, s.Instructions, s.Loads, s.Stores, s.Branches, sum(s.Lookups), sum(s.Updates))
	}
	return t.Flush()
}

func sum(counts map[string]int) int {
	n := 0
	for _, c := range counts {
		n += c
	}
	return n
}
