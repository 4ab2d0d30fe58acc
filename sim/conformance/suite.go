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
	var evidence []run.Evidence
	if about(asks, []string{badInput}) {
		evidence = append(evidence, BadInput(badFiles)...)
	}
	if about(asks, []string{report.Row}) {
		evidence = append(evidence, report.Prove(report.Real())...)
	}
	if about(asks, []string{capacity.RowID}) {
		evidence = append(evidence, capacity.Prove(capacity.Kernel)...)
	}
	if about(asks, []string{footprint.Row}) {
		evidence = append(evidence, footprint.Prove(footprint.Measure)...)
	}
	if about(asks, []string{modesOfXDP}) && s.has("veth") {
		evidence = append(evidence, Offload(ctx, refusesOffload)...)
	}
	if about(asks, []string{visible.RowID}) && s.has("veth") {
		evidence = append(evidence, visible.Prove(ctx, visible.Command)...)
	}
	if about(asks, []string{corpus.RowID}) {
		captures, err := fs.Sub(scenarios.Files(), "captures")
		if err != nil {
			return evidence, fmt.Errorf("find the captures: %w", err)
		}
		evidence = append(evidence, corpus.Prove(ctx, captures, testrun.Load)...)
	}
	if about(asks, []string{fuzz.RowID}) {
		evidence = append(evidence, fuzz.Prove(ctx, fuzz.Load)...)
	}
	if about(asks, []string{property.RowID}) {
		evidence = append(evidence, property.Prove(ctx, property.Sound)...)
	}
	if about(asks, []string{flat.RowID}) {
		evidence = append(evidence, flat.Prove(ctx, flat.AsCompiled)...)
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
