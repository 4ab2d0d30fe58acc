// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/mizar-net/mizar/sim/run"
	"github.com/mizar-net/mizar/sim/scenario"
)

// Suite is all that can give evidence.
type Suite struct {
	Scenarios []*scenario.Scenario
	Proofs    []Proof
	Config    run.Config
	// Notify, when set, is told each scenario's result, or why the harness
	// could not run it.
	Notify func(run.Result, error)
}

// Run runs the scenarios that the asks need, and returns their evidence. A
// scenario that the harness could not run is evidence against all its rows. The
// error says that the context is done.
func (s Suite) Run(ctx context.Context, asks []string) ([]run.Evidence, error) {
	evidence := s.prove(ctx, asks)
	for _, script := range s.Scenarios {
		rows := rowsOf(script)
		if !about(asks, rows) || !s.wired(script) {
			continue
		}
		result, err := run.Run(ctx, script, s.Config)
		if ctx.Err() != nil {
			return evidence, fmt.Errorf("conformance stopped in scenario %s: %w", script.Name, context.Cause(ctx))
		}
		evidence = append(evidence, result.Evidence()...)
		if err != nil {
			evidence = append(evidence, run.Evidence{Test: script.Name, Rows: rows, Failure: "the harness: " + err.Error()})
		}
		if s.Notify != nil {
			s.Notify(result, err)
		}
	}
	return evidence, nil
}

// prove is the evidence beyond scenarios that the asks need.
func (s Suite) prove(ctx context.Context, asks []string) []run.Evidence {
	var evidence []run.Evidence
	for _, p := range s.Proofs {
		if about(asks, []string{p.Row}) && (p.Wire == "" || s.has(p.Wire)) {
			evidence = append(evidence, p.Prove(ctx)...)
		}
	}
	return evidence
}

// has says whether the suite has a wire.
func (s Suite) has(wire string) bool {
	return slices.ContainsFunc(s.Config.Wires, func(f run.Factory) bool { return f.Name == wire })
}

// wired says whether the suite has a wire that the scenario runs on.
func (s Suite) wired(script *scenario.Scenario) bool {
	return slices.ContainsFunc(s.Config.Wires, func(f run.Factory) bool { return slices.Contains(script.Wires, f.Name) })
}

// rowsOf are the rows that a scenario's steps are evidence for. One that runs on
// several wires is evidence for the row of their comparison too.
func rowsOf(script *scenario.Scenario) []string {
	var rows []string
	if len(script.Wires) > 1 {
		rows = append(rows, bothWires)
	}
	for _, step := range script.Steps {
		rows = append(rows, step.Rows...)
	}
	slices.Sort(rows)
	return slices.Compact(rows)
}

// bothWires is the row of scenarios that run on several wires.
const bothWires = "J1"

// about says whether one of the asks is for one of the rows, whole or in part.
func about(asks, rows []string) bool {
	return slices.ContainsFunc(asks, func(ask string) bool {
		id, _, _ := strings.Cut(ask, "/")
		return slices.Contains(rows, id)
	})
}
