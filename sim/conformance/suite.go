// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"context"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/mizar-net/mizar/sim/capacity"
	"github.com/mizar-net/mizar/sim/corpus"
	"github.com/mizar-net/mizar/sim/cross"
	"github.com/mizar-net/mizar/sim/cut"
	"github.com/mizar-net/mizar/sim/flat"
	"github.com/mizar-net/mizar/sim/footprint"
	"github.com/mizar-net/mizar/sim/fuzz"
	"github.com/mizar-net/mizar/sim/property"
	"github.com/mizar-net/mizar/sim/report"
	"github.com/mizar-net/mizar/sim/run"
	"github.com/mizar-net/mizar/sim/scenario"
	"github.com/mizar-net/mizar/sim/scenarios"
	"github.com/mizar-net/mizar/sim/visible"
	"github.com/mizar-net/mizar/sim/wire/testrun"
)

// Suite is all that can give evidence.
type Suite struct {
	Scenarios []*scenario.Scenario
	Config    run.Config
	// Notify, when set, is told each scenario's result, or why the harness
	// could not run it.
	Notify func(run.Result, error)
}

// Run runs the scenarios that the asks need, and returns their evidence. A
// scenario that the harness could not run is evidence against all its rows. The
// error says that the context is done.
func (s Suite) Run(ctx context.Context, asks []string) ([]run.Evidence, error) {
	evidence, err := s.proofs(ctx, asks)
	if err != nil {
		return evidence, err
	}
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

// proofs are the evidence beyond scenarios that the asks need.
func (s Suite) proofs(ctx context.Context, asks []string) ([]run.Evidence, error) {
	captures, err := fs.Sub(scenarios.Files(), "captures")
	if err != nil {
		return nil, fmt.Errorf("find the captures: %w", err)
	}
	var evidence []run.Evidence
	for _, of := range []struct {
		row string
		// wire is one that the suite must have; empty: none.
		wire  string
		prove func() []run.Evidence
	}{
		{badInput, "", func() []run.Evidence { return BadInput(badFiles) }},
		{report.Row, "", func() []run.Evidence { return report.Prove(report.Real()) }},
		{capacity.RowID, "", func() []run.Evidence { return capacity.Prove(capacity.Kernel) }},
		{footprint.Row, "", func() []run.Evidence { return footprint.Prove(footprint.Measure) }},
		{modesOfXDP, "veth", func() []run.Evidence { return Offload(ctx, refusesOffload) }},
		{visible.RowID, "veth", func() []run.Evidence { return visible.Prove(ctx, visible.Command) }},
		{corpus.RowID, "", func() []run.Evidence { return corpus.Prove(ctx, captures, testrun.Load) }},
		{fuzz.RowID, "", func() []run.Evidence { return fuzz.Prove(ctx, fuzz.Load) }},
		{cut.RowID, "", func() []run.Evidence { return cut.Prove(ctx, cut.AsCompiled) }},
		{property.RowID, "", func() []run.Evidence { return property.Prove(ctx, property.Sound) }},
		{cross.RowID, "", func() []run.Evidence { return cross.Prove(ctx, cross.AsCompiled) }},
		{flat.RowID, "", func() []run.Evidence { return flat.Prove(ctx, flat.AsCompiled) }},
	} {
		if about(asks, []string{of.row}) && (of.wire == "" || s.has(of.wire)) {
			evidence = append(evidence, of.prove()...)
		}
	}
	return evidence, nil
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

// The rows that have evidence beyond the labels of steps.
const (
	bothWires = "J1"
	badInput  = "J11"
)

// about says whether one of the asks is for one of the rows, whole or in part.
func about(asks, rows []string) bool {
	return slices.ContainsFunc(asks, func(ask string) bool {
		id, _, _ := strings.Cut(ask, "/")
		return slices.Contains(rows, id)
	})
}
