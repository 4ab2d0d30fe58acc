// SPDX-License-Identifier: Apache-2.0

package identity

import (
	"maps"
	"slices"

	"github.com/mizar-net/mizar/controlplane/object"
)

// Giver gives numbers to endpoints one by one, between the steps of a ledger, as
// the next step would: policies must be those of the last one. It is for one
// goroutine at a time.
type Giver struct {
	step step
}

// Giver returns one that starts where the ledger is.
func (l Ledger) Giver() *Giver {
	g := &Giver{step{
		last: l.last, limit: Last, lookedSince: maps.Clone(l.looked), looked: slices.Sorted(maps.Keys(l.looked)),
		current: map[string]*entry{}, taken: map[uint32]bool{},
	}}
	g.step.remember(l)
	return g
}

// Give returns the identity of an endpoint of a VPC. Its namespace has the labels.
// fresh says that nobody had it before. An error is a [*NoneLeft].
func (g *Giver) Give(vpc string, e *object.Endpoint, labels map[string]string) (i Identity, fresh bool, err error) {
	is := described(vpc, e, labels, g.step.looked)
	key := is.key()
	found := g.step.current[key]
	if found == nil {
		if found = g.step.make(is); found == nil {
			return Identity{}, false, &NoneLeft{Endpoints: []string{e.Key()}}
		}
		g.step.current[key], fresh = found, true
	}
	return found.Identity, fresh, nil
}

// Ledger returns the ledger to be given to the next step.
func (g *Giver) Ledger() Ledger { return g.step.next() }
