// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"time"

	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/sim/link"
	"github.com/mizar-net/mizar/sim/wire"
)

// SetCondition makes a host's condition what it says. A host that falls behind
// goes on with what it knows; one that is no longer behind catches up. What
// lossy or narrow links lose, the oracle can't say.
func (o *Oracle) SetCondition(host string, c wire.Condition) error {
	before := o.conditions[host]
	o.conditions[host] = c
	if before.Behind() && !c.Behind() {
		o.update(host)
	}
	return nil
}

// StepClock moves one host's clock forward.
func (o *Oracle) StepClock(host string, by time.Duration) { o.ahead[host] += by }

// silent says why nothing that an endpoint sends meets a program.
func (o *Oracle) silent(host, endpoint string) string {
	if o.conditions[host].Dead {
		return link.Dead
	}
	if known, ok := o.nodes[host].world.set.Endpoint(endpoint); !ok || known.Host != host {
		return link.NoPort
	}
	return ""
}

// unanswered says that nobody tells an endpoint where its neighbours are: its host does
// not hear it, or takes it for an earlier endpoint of that name.
func (o *Oracle) unanswered(e object.Endpoint) bool {
	known, _ := o.nodes[e.Host].set.Endpoint(e.Key())
	return o.silent(e.Host, e.Key()) != "" || known.MAC != e.MAC
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
