// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"net/netip"
	"slices"
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

// neighbour is whom an endpoint gives packets to: of its subnet, or a gateway.
type neighbour struct {
	endpoint string
	addr     netip.Addr
}

// finds says whether an endpoint's stack knows where its neighbour on the way to an
// address is, or is told. Nobody tells where its host does not hear it, or takes it for an
// earlier endpoint of that name.
func (o *Oracle) finds(e object.Endpoint, to netip.Addr) bool {
	at := neighbour{endpoint: e.Key()} // of a family, all that are not of the subnet are behind one gateway
	own, _ := o.real.set.Subnet(e.Subnet)
	if slices.ContainsFunc(own.CIDRs, func(p netip.Prefix) bool { return p.Contains(to) }) {
		at.addr = to
	} else if to.Is4() {
		at.addr = netip.IPv4Unspecified()
	}
	known, _ := o.nodes[e.Host].set.Endpoint(e.Key())
	if o.silent(e.Host, e.Key()) == "" && known.MAC == e.MAC {
		o.neighbours[at] = true
	}
	return o.neighbours[at]
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
