// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"net/netip"

	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/sim/wire"
)

// said is type and code of the ICMP and the ICMPv6 error for each reason that an
// endpoint is told.
var said = map[string][2][2]uint8{
	ttl:        {{11, 0}, {3, 0}},
	mtu:        {{3, 4}, {2, 0}},
	noEndpoint: {{3, 1}, {1, 3}},
	noSubnet:   {{3, 0}, {1, 0}},
	gateway:    {{3, 3}, {1, 4}},
	noService:  {{3, 3}, {1, 4}},
	noBackend:  {{3, 3}, {1, 4}},
}

// refuse tells an endpoint behind this very host that its packet goes nowhere.
func (o *Oracle) refuse(w *walk, n *node, e object.Endpoint, reason string, most int) {
	w.drop(reason)
	if !w.silent && spend(n.errors, e.Key(), o.now(n.name), errorEvery, errorAhead) {
		o.tell(w, n, e, reason, most)
	}
}

// turnDown sends a question back to the host that asks: it goes nowhere.
func (o *Oracle) turnDown(w *walk, n *node, opt option, reason string, most int) {
	if !n.knows(opt.host) || !o.fitsBack(w, n, opt.host) {
		w.drop(reason)
		return
	}
	answer := option{kind: refused, token: opt.token, reason: reason, mtu: most}
	if reason != noSubnet || !n.masquerades(w) {
		w.drop(reason)
	}
	o.arrive(w, opt.host, answer)
}

// complain is what the host that asked does with a refusal.
func (o *Oracle) complain(w *walk, n *node, opt option) {
	row := n.paths[w.to()]
	e, lives := n.behind(n.name, w.from())
	switch {
	case row.token != opt.token || !lives:
		w.drop(refusal)
	case opt.reason == noSubnet && n.mayLeave(w) && (row.state == asked || row.state == beyond):
		row.state, row.since = beyond, o.now(n.name)
		n.paths[w.to()] = row
		o.goAbroad(w, n, false)
	case row.state != asked:
		w.drop(refusal)
	case w.silent:
		w.drop(opt.reason)
	case !spend(n.errors, e.Key(), o.now(n.name), errorEvery, errorAhead):
		w.drop(budget)
	default:
		if opt.reason == noSubnet && n.masquerades(w) {
			w.drop(opt.reason) // nobody else knows that it ends here
		}
		o.tell(w, n, e, opt.reason, opt.mtu)
	}
}

// tell lets the gateway of an endpoint's subnet send it an ICMP error.
func (o *Oracle) tell(w *walk, n *node, e object.Endpoint, reason string, most int) {
	s, _ := n.set.Subnet(e.Subnet)
	r := &wire.Refusal{}
	family := 0
	if w.src.Is6() {
		family = 1
	}
	if r.From, _ = ofFamily(s.Gateways, w.src); r.From == (netip.Addr{}) {
		return
	}
	r.Type, r.Code = said[reason][family][0], said[reason][family][1]
	if reason == mtu {
		r.MTU = most
		if family == 1 {
			r.MTU = max(most, least6)
		}
	}
	w.out.Refused = r
}
