// SPDX-License-Identifier: Apache-2.0

// Package cmd has the commands of the simulator: `mizar sim` and `mizar
// conformance`.
package cmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mizar-net/mizar/controlplane/compile"
	"github.com/mizar-net/mizar/sim/conformance"
	"github.com/mizar-net/mizar/sim/corpus"
	"github.com/mizar-net/mizar/sim/oracle"
	"github.com/mizar-net/mizar/sim/run"
	"github.com/mizar-net/mizar/sim/scenario"
	"github.com/mizar-net/mizar/sim/scenarios"
	"github.com/mizar-net/mizar/sim/wire"
	"github.com/mizar-net/mizar/sim/wire/testrun"
	"github.com/mizar-net/mizar/sim/wire/veth"
)

// ErrFailed says that the network did not do what a scenario expects: exit
// code 1, where anything else that went wrong is 2.
var ErrFailed = errors.New("failed")

// Commands are all commands of this room.
func Commands() []*cobra.Command {
	return []*cobra.Command{simCommand(), conformanceCommand()}
}

// ExitCode is what the process ends with: 0 pass, 1 a failed expectation, 2 bad
// input or a harness that could not do its work.
// The exit code of a command that `mizar sim exec` ran is passed on.
func ExitCode(err error) int {
	var other exitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &other):
		return int(other)
	case errors.Is(err, ErrFailed), errors.Is(err, conformance.ErrNotPassed), errors.Is(err, corpus.ErrSurprise):
		return 1
	}
	return 2
}

func simCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "sim",
		Short: "Run whole networks on this machine: scenarios, captures, traces",
		Long: `Run whole networks on this machine.

A scenario is one YAML file with a topology, objects and steps. It runs on two
wires: testrun carries packets from program to program in memory; veth makes
namespaces, attaches the programs to real devices and uses real sockets. An
oracle says from the objects alone what must happen. All three must agree.

Scenarios are files, or names of those that come with mizar (mizar sim list).
Running one needs root; validating does not.`,
		Args: cobra.NoArgs, // or else a command that is not there would print this and pass
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	c.AddCommand(validateCommand(), runCommand(), replayCommand(), traceCommand(), graphCommand(), schemaCommand(), recordCommand(), corpus.Command(),
		upCommand(), execCommand(), tendCommand(), downCommand(), listCommand())
	return c
}

func conformanceCommand() *cobra.Command {
	var kept pools
	c := conformance.Command(func(wires []string) (conformance.Suite, error) {
		if err := needRoot(); err != nil {
			return conformance.Suite{}, err
		}
		var all []*scenario.Scenario
		for _, name := range scenarios.Names() {
			s, err := scenarios.Load(name)
			if err != nil {
				return conformance.Suite{}, err
			}
			all = append(all, s)
		}
		proofs, err := conformance.Proofs()
		if err != nil {
			return conformance.Suite{}, err
		}
		return conformance.Suite{Scenarios: all, Proofs: proofs, Config: config(&kept, wires)}, nil
	})
	inner := c.RunE
	c.RunE = func(cmd *cobra.Command, args []string) error {
		return errors.Join(inner(cmd, args), kept.close())
	}
	return c
}

// pools keep what was loaded for one run for the next.
type pools struct {
	testrun testrun.Pool
	veth    veth.Pool
}

func (p *pools) close() error { return errors.Join(p.testrun.Close(), p.veth.Close()) }

// config is what runs need, on wires by name.
func config(p *pools, wires []string) run.Config {
	all := []run.Factory{
		{Name: "testrun", Open: func(context.Context) (wire.Wire, error) { return testrun.New(p.testrun.Make), nil }},
		{Name: "veth", Open: func(context.Context) (wire.Wire, error) { return p.veth.Open() }},
	}
	return run.Config{
		Wires:   slices.DeleteFunc(all, func(f run.Factory) bool { return !slices.Contains(wires, f.Name) }),
		Oracle:  func() run.Oracle { return oracle.New() },
		Compile: compile.View.Hosts,
	}
}

// wireFlag is the flag --wire.
type wireFlag struct{ choice string }

func (w *wireFlag) add(c *cobra.Command) {
	c.Flags().StringVar(&w.choice, "wire", "both", "testrun, veth or both")
}

func (w *wireFlag) wires() ([]string, error) {
	switch w.choice {
	case "testrun", "veth":
		return []string{w.choice}, nil
	case "both":
		return []string{"testrun", "veth"}, nil
	}
	return nil, fmt.Errorf("--wire: got %q, want testrun, veth or both", w.choice)
}

// outputFlag is the flag -o.
type outputFlag struct {
	choice string
	known  []string
}

// add adds the flag with text and json, and more choices.
func (o *outputFlag) add(c *cobra.Command, more ...string) {
	o.known = append([]string{"text", "json"}, more...)
	c.Flags().StringVarP(&o.choice, "output", "o", "text", o.choices())
}

// choices are "text, json or junit".
func (o *outputFlag) choices() string {
	last := len(o.known) - 1
	return strings.Join(o.known[:last], ", ") + " or " + o.known[last]
}

func (o *outputFlag) check() error {
	if !slices.Contains(o.known, o.choice) {
		return fmt.Errorf("--output: got %q, want %s", o.choice, o.choices())
	}
	return nil
}

// load reads a scenario by its file, or by the name of an embedded one.
func load(arg string) (*scenario.Scenario, error) {
	if slices.Contains(scenarios.Names(), arg) {
		return scenarios.Load(arg)
	}
	s, err := scenario.LoadFile(arg)
	if errors.Is(err, os.ErrNotExist) && filepath.Ext(arg) == "" {
		return nil, fmt.Errorf("scenario %q is neither a file nor one of those that come with mizar: %s",
			arg, strings.Join(scenarios.Names(), ", "))
	}
	return s, err
}

// loadAll reads scenarios and gathers what is wrong with any of them.
func loadAll(args []string) ([]*scenario.Scenario, error) {
	var all []*scenario.Scenario
	var errs []error
	for _, arg := range args {
		s, err := load(arg)
		all, errs = append(all, s), append(errs, err)
	}
	return all, errors.Join(errs...)
}

// needRoot says why root is needed before anything fails for the lack of it.
func needRoot() error {
	if os.Geteuid() == 0 {
		return nil
	}
	return errors.New("this loads BPF programs and makes network namespaces, which needs root: run it with sudo")
}
