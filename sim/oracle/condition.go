// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"time"

	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/sim/link"
	"github.com/mizar-net/mizar/sim/wire"
)

// SetCondition makes a host's condition what it says. A host that falls behind
// goes on with the objects of now; one that is no longer behind catches up. What
// lossy or narrow links lose, the oracle can't say.
func (o *Oracle) SetCondition(host string, c wire.Condition) error {
	before := o.conditions[host]
	o.conditions[host] = c
	switch {
	case c.Behind() && !before.Behind():
		o.behind[host] = o.real
	case !c.Behind() && before.Behind():
		delete(o.conditions, host)
		err := o.Apply(o.real.set) // against the host's own view
		o.conditions[host] = c
		delete(o.behind, host)
		return err
	}
	return nil
}

// StepClock moves one host's clock forward.
func (o *Oracle) StepClock(host string, by time.Duration) { o.ahead[host] += by }

// view is the world as a host knows it.
func (o *Oracle) view(host string) world {
	if w, ok := o.behind[host]; ok {
		return w
	}
	return o.real
}

// as makes the packet meet the rules of one host: its world and its clock.
func (o *Oracle) as(host string) { o.world, o.now = o.view(host), o.time+o.ahead[host] }

// silent says why nothing that an endpoint sends meets a program.
func (o *Oracle) silent(e object.Endpoint) string {
	if o.conditions[e.Host].Dead {
		return link.Dead
	}
	if known, ok := o.view(e.Host).set.Endpoint(e.Key()); !ok || known.Host != e.Host {
		return link.NoPort
	}
	return ""
}

// broken is the host whose link does not carry from one to the other; "" for
// none.
func (o *Oracle) broken(from, to string) string {
	for _, host := range []string{from, to} {
		if o.conditions[host].Carrying().Down {
			return host
		}
	}
	return ""
}
