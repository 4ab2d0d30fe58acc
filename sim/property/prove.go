// SPDX-License-Identifier: Apache-2.0

package property

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mizar-net/mizar/sim/fault"
	"github.com/mizar-net/mizar/sim/run"
	"github.com/mizar-net/mizar/sim/scenario"
	"github.com/mizar-net/mizar/sim/wire"
	"github.com/mizar-net/mizar/sim/wire/testrun"
)

// RowID is the row of ACCEPTANCE that is proved.
const RowID = "J8"

// proven are how many networks evidence is drawn from: a sample of those that `make
// nightly` draws.
const proven = 200

// broken are the faults that have to be found: two in what policy says, one in flows.
var broken = []string{"any-port", "by-address-only", "both-ways"}

// outcomes have to be met by a twentieth of the networks and more.
var outcomes = []string{"deliver ", "drop policy_egress", "drop policy_ingress", "refuse no_endpoint"}

// Sound leaves a wire as it is.
func Sound(w wire.Wire) wire.Wire { return w }

// Prove gives evidence that programs and oracle agree in drawn networks, and that, where
// they do not, a search ends with a small scenario file. plant may break the wires that
// must be found sound.
func Prove(ctx context.Context, plant func(wire.Wire) wire.Wire) []run.Evidence {
	var pool testrun.Pool
	open := func(plant func(wire.Wire) wire.Wire) Open {
		return func(context.Context) (wire.Wire, error) { return plant(testrun.New(pool.Make)), nil }
	}
	agree := run.Evidence{
		Test: fmt.Sprintf("%d drawn networks", proven), Rows: []string{RowID},
		Cell: run.Cell{Proto: "drawn", Wire: "testrun", Verdict: "agree"}, Failure: agreement(ctx, open(plant)),
	}
	all := []run.Evidence{agree}
	for _, f := range fault.All() {
		if slices.Contains(broken, f.Name) {
			all = append(all, run.Evidence{
				Test: fmt.Sprintf("drawn networks where %s", f.Says), Rows: []string{RowID},
				Cell:    run.Cell{Proto: "minimal", Wire: "testrun", Verdict: "found"},
				Failure: finding(ctx, open(f.Plant), open(Sound)),
			})
		}
	}
	if err := pool.Close(); err != nil {
		all[0].Failure += "the harness: " + err.Error()
	}
	return all
}

// agreement says what is wrong with sound wires.
func agreement(ctx context.Context, open Open) string {
	found, err := Search{Cases: proven}.Run(ctx, open)
	switch {
	case err != nil:
		return "the harness: " + err.Error()
	case found.Text != "":
		return fmt.Sprintf("%s, in\n%s", found.Wrong, found.Text)
	}
	for _, outcome := range outcomes {
		if met := found.Met[outcome]; met < proven/20 {
			return fmt.Sprintf("in %d networks %d conversations met %q: what is drawn is not what the row is about", proven, met, outcome)
		}
	}
	return ""
}

// finding says what is wrong with what is found on broken wires: a file that fails on
// them, and would not if anything of it were left out, or if the wires were sound.
func finding(ctx context.Context, broken, sound Open) string {
	found, err := Search{Cases: proven}.Run(ctx, broken)
	switch {
	case err != nil:
		return "the harness: " + err.Error()
	case found.Text == "":
		return fmt.Sprintf("not found in %d drawn networks", proven)
	}
	s, err := load(found.Text)
	if err != nil {
		return fmt.Sprintf("what was found is no scenario file: %v:\n%s", err, found.Text)
	}
	for _, of := range []struct {
		wires string
		open  Open
		want  run.Status
	}{{"broken", broken, run.Fail}, {"sound", sound, run.Pass}} {
		result, err := run.Run(ctx, s, config(of.open))
		if err != nil || result.Status != of.want {
			return fmt.Sprintf("on %s wires the result is %s, not %s (%v):\n%s", of.wires, result.Status, of.want, err, found.Text)
		}
	}
	lines := strings.Split(found.Text, "\n")
	for at, line := range lines {
		if !strings.HasPrefix(line, item) {
			continue
		}
		if less, _ := withoutLine(lines, at, 0); NewTrial(broken).fails(ctx, strings.Join(less, "\n")) {
			return fmt.Sprintf("it fails without line %d as well:\n%s", at+1, found.Text)
		}
	}
	return ""
}

// load reads a scenario from a file, as `mizar sim run` does.
func load(text string) (s *scenario.Scenario, err error) {
	folder, err := os.MkdirTemp("", "mizar-property-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	file := filepath.Join(folder, "property.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return nil, err
	}
	return scenario.LoadFile(file)
}
