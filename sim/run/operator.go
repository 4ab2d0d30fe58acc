// SPDX-License-Identifier: Apache-2.0

package run

import (
	"fmt"
	"slices"
	"time"

	"github.com/mizar-net/mizar/controlplane/ledger"
	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/controlplane/overlay"
	"github.com/mizar-net/mizar/sim/scenario"
)

// operator is what an operator remembers from one change of objects to the next.
type operator struct {
	ledger ledger.Ledger
	roles  overlay.Roles
}

// generations gives the endpoints of a set their generations. now is the time that
// the scenario has let pass.
func (o *operator) generations(set object.Set, now time.Duration) (object.Set, error) {
	given, next, err := o.ledger.Step(set, time.Time{}.Add(now))
	if err != nil {
		return object.Set{}, err
	}
	o.ledger = next
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

// place moves roles one step towards where they are to be, when all hosts hold
// the states of the last one.
func (o *operator) place(set object.Set) overlay.Roles {
	var hosts []string
	for _, h := range set.Hosts {
		hosts = append(hosts, h.Name)
	}
	o.roles = o.roles.Next(set, overlay.Progress{Live: hosts, Applied: hosts})
	return o.roles
}
