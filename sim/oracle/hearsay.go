// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"reflect"

	"github.com/mizar-net/mizar/sim/oracle/judge"
)

// opener is the end that has opened a flow, for a reply. He has said himself who he is,
// which goes before what was learned of him, be it older or newer: policy lets through a
// reply to either of them. If he is not who he was, the packet is [wire.Packet.Outdated].
func (o *Oracle) opener(w *walk, f *flow, learned end) end {
	e := f.ends[0]
	e.here, e.heard, e.hearsay = nil, nil, learned.hearsay || !learned.known
	if learned.known {
		e.heard = &learned
	}
	if e.is = o.means(w, e.number); e.is != nil {
		e.party = e.is
		return e
	}
	if is, lives := o.real.endpoints[w.to()]; lives {
		party := o.real.party(is)
		e.is = &party
	}
	w.out.Outdated = e.is == nil || e.number != 0 || !reflect.DeepEqual(e.is, e.party) || w.out.Outdated
	return e
}

// means is who has the packet's destination, if he has that number: what it says, it says
// of all who have it.
func (o *Oracle) means(w *walk, number uint32) *judge.Party {
	is, lives := o.real.endpoints[w.to()]
	if !lives || number == 0 || is.Identity != number {
		return nil
	}
	party := o.real.party(is)
	return &party
}
