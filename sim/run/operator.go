// SPDX-License-Identifier: Apache-2.0

package run

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/mizar-net/mizar/controlplane/compile"
	"github.com/mizar-net/mizar/controlplane/identity"
	"github.com/mizar-net/mizar/controlplane/ledger"
	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/controlplane/overlay"
	"github.com/mizar-net/mizar/sim/scenario"
)

// operator is what an operator remembers from one change of objects to the next.
type operator struct {
	identities identity.Ledger
	// book has the identities of the last step.
	book   identity.Book
	ledger ledger.Ledger
	roles  overlay.Roles
}

// generations gives the endpoints of a set their identities and generations. now is
// the time that the scenario has let pass.
func (o *operator) generations(set object.Set, now time.Duration) (object.Set, error) {
	at := time.Unix(0, 0).Add(now)
	book, identities, err := o.identities.Step(set, at)
	if err != nil {
		return object.Set{}, err
	}
	given, next, err := o.ledger.Step(book.Give(set), at)
	if err != nil {
		return object.Set{}, err
	}
	o.book, o.identities, o.ledger = book, identities, next
	return given, nil
}

// delete lets the users of addresses go whose objects a change deletes, so that one
// that it makes anew is another.
func (o *operator) delete(set object.Set, c *scenario.Change, now time.Duration) error {
	set.Endpoints = slices.DeleteFunc(slices.Clone(set.Endpoints), func(e object.Endpoint) bool {
		return slices.Contains(c.Deleted, object.Ref{Kind: object.KindEndpoint, Key: e.Key()}.String())
	})
	if _, err := o.generations(set, now); err != nil {
		return fmt.Errorf("delete %v: %w", c.Deleted, err)
	}
	return nil
}

// place moves roles one step towards where they are to be, and says whether any
// moved. dead are the hosts that it believes to be dead: their roles go to others.
// behind are those that do not hold the states of the last step, and are waited for.
func (o *operator) place(set object.Set, dead []string, behind func(host string) bool) bool {
	p := overlay.Progress{Live: compile.View{Dead: dead}.Living(set)}
	for _, h := range set.Hosts {
		if !behind(h.Name) {
			p.Applied = append(p.Applied, h.Name)
		}
	}
	before := o.roles
	o.roles = before.Next(set, p)
	return !maps.EqualFunc(before, o.roles, overlay.Holders.Equal)
}
