// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"slices"

	"github.com/mizar-net/mizar/controlplane/object"
)

// move takes the flows of endpoints that have moved to their new hosts, where those they
// have with others of the old host stay too, and forgets those of endpoints that are no
// more. One that is relabelled is still the one that it
// was: its flows are judged again, and go on.
func (o *Oracle) move(before world) {
	for _, was := range before.set.Endpoints {
		is, lives := o.real.set.Endpoint(was.Key())
		lives = lives && is.MAC == was.MAC && before.vpcOf(was) == o.real.vpcOf(is) && slices.Equal(is.Addresses, was.Addresses)
		from := o.nodes[was.Host]
		if from == nil || lives && is.Host == was.Host {
			continue
		}
		for k, f := range from.flows {
			if !f.of(was) {
				continue
			}
			if to := o.nodes[is.Host]; lives && to != nil {
				to.flows[k] = to.joined(k, to.taking(f))
			}
			if nobody := f.leaving(was); nobody || !lives {
				delete(from.flows, k)
			}
		}
		for k, v := range from.views {
			if !v.of(k, before.vpcOf(was), was) {
				continue
			}
			if to := o.nodes[is.Host]; lives && to != nil {
				to.views[k] = v
			}
			delete(from.views, k)
		}
	}
}

// of says whether an end of the flow is an endpoint behind the host that tracks it.
func (f *flow) of(e object.Endpoint) bool {
	return slices.ContainsFunc(f.ends[:], func(end end) bool { return end.here != nil && end.here.Key() == e.Key() })
}

// of says whether an endpoint of a VPC has opened the view's flow.
func (v *face) of(k flowKey, vpc string, e object.Endpoint) bool {
	opener := k.high
	if v.low {
		opener = k.low
	}
	return k.vpc == vpc && slices.Contains(e.Addresses, opener.Addr())
}

// leaving takes an endpoint out of a flow, and says whether nobody is left.
func (f *flow) leaving(e object.Endpoint) bool {
	for i := range f.ends {
		if here := f.ends[i].here; here != nil && here.Key() == e.Key() {
			f.ends[i].here = nil
		}
	}
	return f.ends[0].here == nil && f.ends[1].here == nil
}

// taking is a flow as another host has it.
func (n *node) taking(f *flow) *flow {
	took := *f
	for i := range took.ends {
		took.ends[i].here = nil
		if e, ok := n.endpoints[place{n.vpcOf(*f.here()), took.ends[i].addr}]; ok && e.Host == n.name {
			took.ends[i].here = &e
		}
	}
	return &took
}

// joined is what a host has of a flow that comes with one of its ends: where it tracks
// it already, for the other end, both of them live there now.
func (n *node) joined(k flowKey, come *flow) *flow {
	held := n.flows[k]
	if held == nil || held.low != come.low {
		return come
	}
	joined := *held
	for i := range joined.ends {
		if joined.ends[i].here == nil && come.ends[i].here != nil {
			joined.ends[i], joined.sets[i], joined.rules[i] = come.ends[i], come.sets[i], come.rules[i]
		}
	}
	return &joined
}

// here is an endpoint of the flow behind the host that tracks it.
func (f *flow) here() *object.Endpoint {
	if f.ends[0].here != nil {
		return f.ends[0].here
	}
	return f.ends[1].here
}
