// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"context"
	"fmt"
	"io/fs"

	"github.com/mizar-net/mizar/sim/capacity"
	"github.com/mizar-net/mizar/sim/corpus"
	"github.com/mizar-net/mizar/sim/cross"
	"github.com/mizar-net/mizar/sim/cut"
	"github.com/mizar-net/mizar/sim/flat"
	"github.com/mizar-net/mizar/sim/footprint"
	"github.com/mizar-net/mizar/sim/frontend"
	"github.com/mizar-net/mizar/sim/fuzz"
	"github.com/mizar-net/mizar/sim/property"
	"github.com/mizar-net/mizar/sim/report"
	"github.com/mizar-net/mizar/sim/run"
	"github.com/mizar-net/mizar/sim/scenarios"
	"github.com/mizar-net/mizar/sim/visible"
	"github.com/mizar-net/mizar/sim/wire/testrun"
)

// Proof gives evidence of a row that no scenario gives.
type Proof struct {
	Row string
	// Says is what Mizar does in it.
	Says string
	// Wire is one that the suite must have; empty: none.
	Wire  string
	Prove func(context.Context) []run.Evidence
}

// badInput is the row of errors about input.
const badInput = "J11"

// Proofs are all proofs.
func Proofs() ([]Proof, error) {
	captures, err := fs.Sub(scenarios.Files(), "captures")
	if err != nil {
		return nil, fmt.Errorf("find the captures: %w", err)
	}
	return []Proof{
		{Row: badInput, Says: "refuses bad input", Prove: func(context.Context) []run.Evidence { return BadInput(badFiles) }},
		{Row: report.Row, Says: "reports to machines", Prove: func(context.Context) []run.Evidence { return report.Prove(report.Real()) }},
		{Row: capacity.RowID, Says: "refuses states that do not fit", Prove: func(context.Context) []run.Evidence { return capacity.Prove(capacity.Kernel) }},
		{Row: footprint.Row, Says: "weighs its maps", Prove: func(context.Context) []run.Evidence { return footprint.Prove(footprint.Measure) }},
		{Row: modesOfXDP, Says: "refuses offload where there is none", Wire: "veth", Prove: func(ctx context.Context) []run.Evidence { return Offload(ctx, refusesOffload) }},
		{Row: visible.RowID, Says: "shows flows", Wire: "veth", Prove: func(ctx context.Context) []run.Evidence { return visible.Prove(ctx, visible.Command) }},
		{Row: corpus.RowID, Says: "meets captures", Prove: func(ctx context.Context) []run.Evidence { return corpus.Prove(ctx, captures, testrun.Load) }},
		{Row: fuzz.RowID, Says: "meets cut and twisted frames", Prove: func(ctx context.Context) []run.Evidence { return fuzz.Prove(ctx, fuzz.Load) }},
		{Row: cut.RowID, Says: "meets cut packets under policy", Prove: func(ctx context.Context) []run.Evidence { return cut.Prove(ctx, cut.AsCompiled) }},
		{Row: property.RowID, Says: "draws networks", Prove: func(ctx context.Context) []run.Evidence { return property.Prove(ctx, property.Sound) }},
		{Row: cross.RowID, Says: "lets every block come to every port of many rules", Prove: func(ctx context.Context) []run.Evidence { return cross.Prove(ctx, cross.AsCompiled) }},
		{Row: flat.RowID, Says: "counts what packets execute with little and much policy", Prove: func(ctx context.Context) []run.Evidence { return flat.Prove(ctx, flat.AsCompiled) }},
		{Row: frontend.SpreadRow, Says: "spreads flows over backends", Prove: func(ctx context.Context) []run.Evidence { return frontend.Spread(ctx, frontend.Sound) }},
		{Row: frontend.MovesRow, Says: "moves few flows when backends go and come", Prove: func(ctx context.Context) []run.Evidence { return frontend.Moves(ctx, frontend.Sound) }},
		{Row: frontend.UnsummedRow, Says: "gives no checksum to who has none", Prove: func(ctx context.Context) []run.Evidence { return frontend.Unsummed(ctx, frontend.Sound) }},
		{Row: frontend.CrowdRow, Says: "reaches each of a thousand backends", Prove: func(ctx context.Context) []run.Evidence { return frontend.Crowd(ctx, frontend.Sound) }},
		{Row: frontend.SCTPRow, Says: "sums what SCTP carries through services", Prove: func(ctx context.Context) []run.Evidence { return frontend.SCTP(ctx, frontend.Sound) }},
	}, nil
}
