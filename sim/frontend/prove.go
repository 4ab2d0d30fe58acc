// SPDX-License-Identifier: Apache-2.0

package frontend

import (
	"context"
	"errors"
	"fmt"

	"github.com/mizar-net/mizar/sim/run"
	"github.com/mizar-net/mizar/sim/wire"
)

// The rows of ACCEPTANCE that are proved.
const (
	SpreadRow   = "C2"
	MovesRow    = "C3"
	UnsummedRow = "C8"
	CrowdRow    = "C10"
	SCTPRow     = "C14"
)

// few and many are how many backends services have.
const (
	few  = 4
	many = 1024
)

// trial is one question to a network of a family and a protocol: what is wrong with it,
// or that the harness could not ask.
type trial func(ctx context.Context, n *network, family int, p wire.Proto, number uint8) (wrong string, err error)

// Spread gives evidence of how flows are spread. plant may break the wire.
func Spread(ctx context.Context, plant func(wire.Wire) wire.Wire) []run.Evidence {
	e := run.Evidence{Test: fmt.Sprintf("%d flows to %d backends", flows, few), Rows: []string{SpreadRow}, Cell: run.Cell{Verdict: "spread"}}
	return prove(ctx, plant, few, e, spread)
}

// Crowd gives evidence of a service of many backends. plant may break the wire.
func Crowd(ctx context.Context, plant func(wire.Wire) wire.Wire) []run.Evidence {
	e := run.Evidence{Test: fmt.Sprintf("a flow to each of %d backends", many), Rows: []string{CrowdRow}, Cell: run.Cell{Verdict: "deliver"}}
	return prove(ctx, plant, many, e, reachAll)
}

// Unsummed gives evidence of datagrams without a checksum, which only IPv4 has. plant may
// break the wire.
func Unsummed(ctx context.Context, plant func(wire.Wire) wire.Wire) []run.Evidence {
	e := run.Evidence{Test: "datagrams without a checksum", Rows: []string{UnsummedRow}, Cell: run.Cell{Verdict: "unsummed"}}
	return prove(ctx, plant, few, e, unsummed)
}

// prove asks for each family and protocol that the trial is about.
func prove(ctx context.Context, plant func(wire.Wire) wire.Wire, backends int, like run.Evidence, ask trial) []run.Evidence {
	n, err := open(ctx, backends, plant)
	var all []run.Evidence
	for _, family := range []int{4, 6} {
		for _, p := range protocols {
			e := like
			e.Cell.Family, e.Cell.Proto, e.Cell.Path, e.Cell.Wire = fmt.Sprintf("v%d", family), string(p.proto), "service", "testrun"
			if err == nil {
				e.Failure, err = ask(ctx, n, family, p.proto, p.number)
			}
			if errors.Is(err, errNotAsked) {
				err = nil
				continue
			}
			all = append(all, unproved(e, err))
		}
	}
	return n.proved(all)
}

// unproved is evidence that fails where the harness could not ask.
func unproved(e run.Evidence, err error) run.Evidence {
	if err != nil {
		e.Failure = "the harness: " + err.Error()
	}
	return e
}

// proved takes the network down, if there is one, and returns what it gave evidence of.
func (n *network) proved(all []run.Evidence) []run.Evidence {
	if n != nil {
		all[0] = unproved(all[0], n.Close())
	}
	return all
}

// errNotAsked says that a family and a protocol have nothing to do with a trial.
var errNotAsked = errors.New("there is nothing to ask")
