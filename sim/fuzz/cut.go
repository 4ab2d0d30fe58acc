// SPDX-License-Identifier: Apache-2.0

package fuzz

import (
	"bytes"
	"context"
	"fmt"

	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/run"
)

// RowID is the row of ACCEPTANCE that malformed frames are for.
const RowID = "K3"

// Way is a program that spoiled frames meet.
type Way struct {
	Name  string
	Says  string
	seeds func() [][]byte
	step  int // of the seeds, every one that many further on is spoiled
	cases func(n int, frame []byte) Case
	try   func(*Bench, Case) (string, error)
}

// Ways are all ways.
func Ways() []Way {
	form := func(f state.Form) func(int, []byte) Case {
		return func(n int, b []byte) Case {
			return Case{Form: f, Role: Role(n) % roles, Destination: Known(n) % knowns, Frame: b}
		}
	}
	return []Way{
		{"endpoint", "frames of an endpoint", EndpointSeeds, 1, form(state.FormXDP), (*Bench).Endpoint},
		{"endpoint-tcx", "frames of an endpoint, through the TCX form", EndpointSeeds, 3, form(state.FormTCX), (*Bench).Endpoint},
		{"uplink", "frames of the underlay", UplinkSeeds, 5, func(n int, b []byte) Case {
			return Case{Role: Role(n) % roles, Source: Known(n/3) % knowns, Destination: Known(n) % knowns, Frame: b}
		}, (*Bench).Uplink},
	}
}

// headerBytes are as many as the headers of any seed take, but for those that are
// made to be long.
const headerBytes = 200

// Spoiled are a frame cut off at every offset, and with every byte of its headers
// turned over.
func Spoiled(b []byte) [][]byte {
	var all [][]byte
	for at := range min(len(b), headerBytes) {
		all = append(all, b[:at])
		turned := bytes.Clone(b)
		turned[at] ^= 0xff
		all = append(all, turned)
		low := bytes.Clone(b)
		low[at] ^= 1
		all = append(all, low)
	}
	return append(all, b, b[:len(b)-1], append(bytes.Clone(b), 0))
}

// Prove spoils every seed at every offset, and holds what the programs do to the
// oracle. The cells have the way for a protocol.
func Prove(ctx context.Context, load func(Role) (*Bench, error)) []run.Evidence {
	var benches [roles]*Bench
	defer func() {
		for _, b := range benches {
			if b != nil {
				b.Close() //nolint:errcheck // what was shown was shown
			}
		}
	}()
	var all []run.Evidence
	for _, w := range Ways() {
		e := run.Evidence{Rows: []string{RowID}, Cell: run.Cell{Proto: w.Name, Verdict: "as-said"}}
		for r := range benches {
			if benches[r] != nil {
				continue
			}
			var err error
			if benches[r], err = load(Role(r)); err != nil {
				e.Failure = "the harness: " + err.Error()
			}
		}
		n := 0
		if e.Failure == "" {
			n, e.Failure = w.prove(ctx, benches)
		}
		e.Test = fmt.Sprintf("%d cut and twisted %s", n, w.Says)
		all = append(all, e)
	}
	return all
}

// prove returns how many frames it ran, and the first that went wrong.
func (w Way) prove(ctx context.Context, benches [roles]*Bench) (int, string) {
	n := 0
	for i, seed := range w.seeds() {
		if ctx.Err() != nil {
			return n, "the harness: " + context.Cause(ctx).Error()
		}
		if i%w.step != 0 {
			continue
		}
		for _, b := range Spoiled(seed) {
			c := w.cases(n, b)
			if !c.Runs() {
				continue
			}
			said, err := w.try(benches[c.Role], c)
			if err != nil {
				return n, fmt.Sprintf("the harness: %s: %v", c, err)
			}
			if said != "" {
				return n, fmt.Sprintf("%s: %s", c, said)
			}
			n++
		}
	}
	return n, ""
}
