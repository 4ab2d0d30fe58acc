// SPDX-License-Identifier: Apache-2.0

package flat

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/run"
)

// RowID is the row of ACCEPTANCE that is proved.
const RowID = "E21"

// axis is what there is more and more of; the first amount is what the others are
// compared with.
type axis struct {
	name    string
	amounts []Amount
}

var axes = []axis{
	{"policies", []Amount{{1, 1, 1}, {100, 1, 1}, {10_000, 1, 1}}},
	{"cidrs", []Amount{{1, 1, 1}, {1, 1, 100_000}}},
	{"rules", []Amount{{1, 1, 1}, {1, 500, 1}}},
}

// A rule of one block and one port has at most three rows in each direction: the block,
// and the port, which may be found in two ways. A row weighs at most as much as row I6
// allows. What a rule weighs among many is what it weighs among few, but for a twentieth.
const (
	rowBytes  = 96
	ruleBytes = 3 * rowBytes
	growth    = 1.05
)

// AsCompiled leaves states as they are.
func AsCompiled([]state.Host) {}

// Prove gives evidence that packets execute the same with little and much policy, for
// each axis, family and kind of packet, and that rules weigh the same. change may break
// the states of the host.
func Prove(ctx context.Context, change func([]state.Host)) []run.Evidence {
	bench, err := Load()
	if err != nil {
		return []run.Evidence{{Test: "what policy costs", Rows: []string{RowID}, Failure: "the harness: " + err.Error()}}
	}
	measured := map[Amount]Measured{}
	for _, a := range axes {
		for _, amount := range a.amounts {
			if _, done := measured[amount]; done || err != nil {
				continue
			}
			if err = ctx.Err(); err == nil {
				measured[amount], err = bench.Measure(amount, change)
			}
		}
	}
	var all []run.Evidence
	for _, a := range axes {
		all = append(all, a.evidence(measured)...)
	}
	all = append(all, weight(measured))
	if err = errors.Join(err, bench.Close()); err != nil {
		for i := range all {
			all[i].Failure = "the harness: " + err.Error()
		}
	}
	return all
}

// evidence is that of one axis.
func (a axis) evidence(measured map[Amount]Measured) []run.Evidence {
	var all []run.Evidence
	for _, p := range packets() {
		e := run.Evidence{
			Test: fmt.Sprintf("%d amounts of %s, program %s", len(a.amounts), a.name, p.Program), Rows: []string{RowID},
			Cell: run.Cell{Family: fmt.Sprintf("v%d", p.Family), Proto: a.name, Wire: "testrun", Verdict: p.Kind},
		}
		few := measured[a.amounts[0]].Counts[p]
		for _, amount := range a.amounts[1:] {
			many := measured[amount].Counts[p]
			if few.Instructions == 0 || few.Instructions != many.Instructions || !maps.Equal(few.Lookups, many.Lookups) || !maps.Equal(few.Updates, many.Updates) {
				e.Failure = fmt.Sprintf("with %+v it executes %d instructions, lookups %v and updates %v; with %+v %d, %v and %v",
					a.amounts[0], few.Instructions, few.Lookups, few.Updates, amount, many.Instructions, many.Lookups, many.Updates)
			}
		}
		all = append(all, e)
	}
	return all
}

// weight is about what the kernel charges for rules.
func weight(measured map[Amount]Measured) run.Evidence {
	e := run.Evidence{
		Test: "what a rule weighs in the maps of policy", Rows: []string{RowID},
		Cell: run.Cell{Proto: "rule-bytes", Wire: "testrun", Verdict: "within"},
	}
	const directions = 2
	few, many := Amount{100, 1, 1}, Amount{10_000, 1, 1}
	each := func(a Amount) float64 { return measured[a].Bytes / float64(directions*a.rules()) }
	blocks := Amount{1, 1, 100_000}
	block := measured[blocks].Bytes / float64(directions*blocks.CIDRs)
	if each(many) == 0 || each(many) > ruleBytes || each(many) > growth*each(few) || block > rowBytes {
		e.Failure = fmt.Sprintf("a rule of %d takes %.0f bytes, one of %d takes %.0f, a block of %d takes %.0f; want at most %d, no more than among few, and %d",
			many.rules(), each(many), few.rules(), each(few), blocks.CIDRs, block, ruleBytes, rowBytes)
	}
	return e
}
