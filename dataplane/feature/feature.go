// SPDX-License-Identifier: Apache-2.0

// Package feature tells what the running kernel can do, of all that the programs
// and their loader ask of one. It tries each thing rather than looking at versions:
// distributions carry changes back.
package feature

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"golang.org/x/sys/unix"

	"github.com/mizar-net/mizar/dataplane"
)

// Feature is one thing that a kernel can do or not.
type Feature struct {
	// Name says what it is, For what it is of use for.
	Name, For string
	// Since is the kernel of kernel.org that had it first; "" where nothing
	// hangs on it.
	Since string
	// Need says what is lost without it.
	Need Need
	// Missing says why it can't be used; "": it can.
	Missing string
	// Detail is a figure beside a feature that is there.
	Detail string
}

// Need is how badly a feature is needed.
type Need string

// The needs.
const (
	// Must: without it a host can't be one.
	Must Need = "must"
	// May: something is left out, which For names.
	May Need = "may"
	// Unused: it is told for people who compare kernels.
	Unused Need = "unused"
)

// Report is what one kernel can do.
type Report struct {
	// Kernel is its release: "6.1.0-56-cloud-amd64".
	Kernel   string
	Features []Feature
}

// Lacks are the features that a kernel must have and has not.
func (r Report) Lacks() (all []Feature) {
	for _, f := range r.Features {
		if f.Need == Must && f.Missing != "" {
			all = append(all, f)
		}
	}
	return all
}

// Find returns the feature of that name.
func (r Report) Find(name string) (Feature, error) {
	for _, f := range r.Features {
		if f.Name == name {
			return f, nil
		}
	}
	return Feature{}, fmt.Errorf("feature %q: it is not in the report of kernel %s", name, r.Kernel)
}

// Running tries what the running kernel can do, with the programs in some modes
// (none: those for devices). It needs root; what it makes is gone when it returns.
func Running(ctx context.Context, modes ...dataplane.Mode) (Report, error) {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return Report{}, fmt.Errorf("ask for the kernel's release: %w", err)
	}
	r := Report{Kernel: unix.ByteSliceToString(name.Release[:])}
	tried := func(ctx context.Context) ([]Feature, error) { return programs(ctx, modes) }
	for _, part := range []func(context.Context) ([]Feature, error){machine, objects, hooks, tried} {
		some, err := part(ctx)
		if err != nil {
			return r, fmt.Errorf("features of kernel %s: %w", r.Kernel, err)
		}
		r.Features = append(r.Features, some...)
	}
	return r, ctx.Err()
}

// with is a feature of which a try has told whether it is there.
func (f Feature) with(err error) Feature {
	if err != nil {
		f.Missing = strings.Join(strings.Fields(err.Error()), " ")
	}
	return f
}

// machine are those that need no program.
func machine(context.Context) ([]Feature, error) {
	_, err := os.Stat("/sys/kernel/btf/vmlinux")
	return []Feature{
		Feature{Name: "JIT", For: "speed: else an interpreter runs the programs", Need: May}.with(jit()),
		Feature{Name: "BTF of the kernel", For: "the programs bring their own types", Since: "4.18", Need: Unused}.with(err),
	}, nil
}

// jit says why programs are not compiled. A kernel that always does has no switch.
func jit() error {
	set, err := os.ReadFile("/proc/sys/net/core/bpf_jit_enable")
	if err == nil && strings.TrimSpace(string(set)) == "0" {
		return errors.New("net.core.bpf_jit_enable is 0")
	}
	return nil
}

// Write prints reports side by side, features in the order of their first report.
func Write(out io.Writer, reports ...Report) error {
	t := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	header := []string{"FEATURE", "NEED", "SINCE"}
	for _, r := range reports {
		header = append(header, "KERNEL "+r.Kernel)
	}
	fmt.Fprintln(t, strings.Join(append(header, "FOR"), "\t"))
	seen := map[string]bool{}
	for _, r := range reports {
		for _, f := range r.Features {
			if seen[f.Name] {
				continue
			}
			seen[f.Name] = true
			fmt.Fprintln(t, strings.Join(line(f, reports), "\t"))
		}
	}
	return t.Flush()
}

// line is a feature in all reports; one that a report does not speak of is "-".
func line(f Feature, reports []Report) []string {
	since := f.Since
	if since == "" {
		since = "-"
	}
	all := []string{f.Name, string(f.Need), since}
	for _, r := range reports {
		cell := "-"
		if there, err := r.Find(f.Name); err == nil {
			cell = there.cell()
		}
		all = append(all, cell)
	}
	return append(all, f.For)
}

// longest is the longest reason in a table, in bytes.
const longest = 100

func (f Feature) cell() string {
	switch {
	case f.Missing != "":
		return "MISSING: " + f.Missing[:min(len(f.Missing), longest)]
	case f.Detail != "":
		return "yes, " + f.Detail
	}
	return "yes"
}
