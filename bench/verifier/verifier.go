// SPDX-License-Identifier: Apache-2.0

// Package verifier reports what the kernel's verifier says about the programs,
// in every configuration that they are loaded in: a change that makes a program
// much harder to prove is seen before a kernel refuses it.
package verifier

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/cilium/ebpf"

	"github.com/mizar-net/mizar/dataplane"
	"github.com/mizar-net/mizar/dataplane/state"
)

// Line is one program in one configuration.
type Line struct {
	Program, Configuration string
	// Processed is how many instructions the verifier walked (the limit is a
	// million), Instructions how many are left of the program, Machine its
	// machine code in bytes.
	Processed, Instructions, Machine int
	// Stack is the depth of each frame in bytes: "272+24".
	Stack string
	// Took is how long the verifier needed.
	Took time.Duration
}

var configurations = []struct {
	name string
	mode dataplane.Mode
}{
	{"live", dataplane.Live},
	{"simulated", dataplane.Simulated},
}

// Report loads every program in every configuration.
func Report() ([]Line, error) {
	var all []Line
	for _, c := range configurations {
		lines, err := report(c.name, c.mode)
		if err != nil {
			return nil, fmt.Errorf("configuration %s: %w", c.name, err)
		}
		all = append(all, lines...)
	}
	return all, nil
}

func report(configuration string, mode dataplane.Mode) (all []Line, err error) {
	d, err := dataplane.Load(dataplane.Options{
		Mode: mode, Log: ebpf.LogLevelStats, Limits: map[string]uint32{"directory": 1024, "paths": 1024},
	})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	tcx, err := d.EndpointIn(state.FormTCX)
	if err != nil {
		return nil, err
	}
	programs := map[string]*ebpf.Program{"endpoint": d.Endpoint(), "endpoint_tcx": tcx}
	for form, suffix := range map[state.Form]string{state.FormXDP: "", state.FormTCX: "_tcx"} {
		uplink, err := d.UplinkIn(form)
		if err != nil {
			return nil, err
		}
		programs["uplink"+suffix] = uplink
		next, err := d.Next(form)
		if err != nil {
			return nil, err
		}
		for name, p := range next {
			programs[name+suffix] = p
		}
	}
	for _, name := range slices.Sorted(maps.Keys(programs)) {
		line, err := newLine(programs[name])
		if err != nil {
			return nil, fmt.Errorf("program %s: %w", name, err)
		}
		line.Program, line.Configuration = name, configuration
		all = append(all, line)
	}
	return all, nil
}

func newLine(p *ebpf.Program) (Line, error) {
	info, err := p.Info()
	if err != nil {
		return Line{}, err
	}
	translated, err := info.TranslatedSize()
	if err != nil {
		return Line{}, fmt.Errorf("size: %w", err)
	}
	machine, err := info.JitedSize()
	if err != nil {
		return Line{}, fmt.Errorf("size of the machine code: %w", err)
	}
	l := Line{Instructions: translated / 8, Machine: int(machine)}
	return l, l.read(p.VerifierLog)
}

var (
	processed = regexp.MustCompile(`(?m)^processed (\d+) insns`)
	stack     = regexp.MustCompile(`(?m)^stack depth ([0-9+]+)`)
	took      = regexp.MustCompile(`(?m)^verification time (\d+) usec`)
)

// read takes the statistics out of the verifier's log.
func (l *Line) read(log string) error {
	find := func(what *regexp.Regexp) string {
		if m := what.FindStringSubmatch(log); m != nil {
			return m[1]
		}
		return ""
	}
	walked, err := strconv.Atoi(find(processed))
	if err != nil {
		return fmt.Errorf("the verifier's log tells no number of instructions: %q", log)
	}
	micros, err := strconv.Atoi(find(took))
	if err != nil {
		return fmt.Errorf("the verifier's log tells no time: %q", log)
	}
	l.Processed, l.Stack, l.Took = walked, find(stack), time.Duration(micros)*time.Microsecond
	if l.Stack == "" {
		return fmt.Errorf("the verifier's log tells no stack: %q", log)
	}
	return nil
}

// Columns of a report.
type Columns int

const (
	// Lasting columns are the same every time on one kernel.
	Lasting Columns = iota
	// All columns have the time, too.
	All
)

// Write prints a report for people.
func Write(w io.Writer, lines []Line, c Columns) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	head := []string{"PROGRAM", "CONFIGURATION", "VERIFIED", "INSTRUCTIONS", "MACHINE CODE", "STACK"}
	if c == All {
		head = append(head, "TIME")
	}
	fmt.Fprintln(t, strings.Join(head, "\t"))
	for _, l := range lines {
		cells := []string{
			l.Program, l.Configuration, strconv.Itoa(l.Processed), strconv.Itoa(l.Instructions),
			strconv.Itoa(l.Machine), l.Stack,
		}
		if c == All {
			cells = append(cells, l.Took.String())
		}
		fmt.Fprintln(t, strings.Join(cells, "\t"))
	}
	return t.Flush()
}
