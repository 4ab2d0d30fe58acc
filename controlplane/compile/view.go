// SPDX-License-Identifier: Apache-2.0

package compile

import (
	"fmt"
	"slices"

	"github.com/mizar-net/mizar/controlplane/identity"
	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/controlplane/overlay"
	"github.com/mizar-net/mizar/dataplane/state"
)

// View is what is believed and done at one moment, beyond the objects. In the
// zero View every host is alive and every role where it is to be: its states are
// those of [Hosts].
type View struct {
	// Dead are the hosts that the control plane believes to be dead: roles
	// go to others. When all are dead, none is taken to be.
	Dead []string
	// Roles say who holds roles on the way to where they are to be; nil:
	// placed over the hosts that are not dead.
	Roles overlay.Roles
	// Live is what hosts believe of each other.
	Live Live
	// Identities are the numbers that a ledger gave; nil: none is kept, and the
	// numbers are those of [identity.Fresh].
	Identities *identity.Book
	// Partial are directories that are not complete yet.
	Partial []Partial
}

// Partial is the directory of a bouncer that has not heard of every endpoint.
type Partial struct {
	Host, Subnet string
	// Known are the keys of the endpoints it has heard of.
	Known []string
}

// Hosts returns the states of all hosts, in order of names.
func (v View) Hosts(set object.Set) []state.Host {
	n := newNetwork(set, v)
	n.judge(nil)
	states := make([]state.Host, len(set.Hosts))
	for i, h := range set.Hosts {
		states[i] = n.host(h)
	}
	Mark(states, v.Live)
	return states
}

// Host returns the state of the host of that name.
func (v View) Host(set object.Set, name string) (state.Host, error) {
	h, ok := set.Host(name)
	if !ok {
		return state.Host{}, fmt.Errorf("compile the state of host %q: there is no such host", name)
	}
	n := newNetwork(set, v)
	n.judge(&h)
	one := n.host(h)
	Mark([]state.Host{one}, v.Live)
	return one, nil
}

// Conditions are what of policies and services cannot be done as it was written.
func (v View) Conditions(set object.Set) []object.Condition {
	n := newNetwork(set, v)
	n.judge(nil)
	return slices.Concat(n.policies.Conditions(), n.services.Conditions())
}

// Living are the names of the hosts that are not dead, or of all when all are.
func (v View) Living(set object.Set) []string {
	var all, living []string
	for _, h := range set.Hosts {
		all = append(all, h.Name)
		if !slices.Contains(v.Dead, h.Name) {
			living = append(living, h.Name)
		}
	}
	if len(living) == 0 {
		return all
	}
	return living
}

// roles says who holds roles in the view.
func (v View) roles(set object.Set) overlay.Roles {
	if v.Roles != nil {
		return v.Roles
	}
	return overlay.Place(set, v.Living(set))
}

// part is a holder's part in the directory of a subnet, and whether it has heard
// of an endpoint.
func (v View) part(host, subnet string) (state.Bouncer, func(object.Endpoint) bool) {
	for _, p := range v.Partial {
		if p.Host == host && p.Subnet == subnet {
			return state.Filling, func(e object.Endpoint) bool { return slices.Contains(p.Known, e.Key()) }
		}
	}
	return state.Complete, func(object.Endpoint) bool { return true }
}
