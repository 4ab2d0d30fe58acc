// SPDX-License-Identifier: Apache-2.0

package scenario

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/controlplane/object/strict"
	"github.com/mizar-net/mizar/sim/wire"
	"github.com/mizar-net/mizar/topology"
)

// outsiders reads who is on the underlay and in no overlay:
//
//	outside: {ext: {addresses: [198.51.100.7, "2001:db8:ffff::7"]}}
//
// They are on one segment of the underlay, and named "outside/ext" in steps.
func (d *decoder) outsiders(v strict.Value, u *topology.Underlay) {
	taken, segment := map[netip.Addr]string{}, ""
	for _, e := range v.Entries() {
		o := topology.Outsider{Name: topology.OutsideMark + e.Key}
		addresses := e.Value.Fields("addresses").Required("addresses", "one or two addresses, one a family")
		for _, one := range addresses.List() {
			a := one.Addr()
			if !a.IsValid() {
				continue
			}
			on, _, ok := u.Of(a)
			_, twice := o.Address(a)
			switch owner := taken[a]; {
			case owner != "":
				one.FailGot(fmt.Sprintf("%s, an address of %s", a, owner), "one of its own")
			case twice:
				one.Fail("one address a family")
			case u.Routed() && !ok:
				one.Fail("an address of one of the segments " + strings.Join(segmentNames(*u), ", "))
			case segment != "" && on.Name != segment:
				one.FailGot(fmt.Sprintf("%s of segment %s", a, on.Name), "addresses of one segment, which is "+segment)
			}
			taken[a], segment = o.Name, on.Name
			o.Addresses = append(o.Addresses, a)
		}
		u.Outside = append(u.Outside, o)
	}
	slices.SortFunc(u.Outside, func(a, b topology.Outsider) int { return strings.Compare(a.Name, b.Name) })
}

// apart checks that nobody outside has what is a host's, or can't be understood by one.
func (d *decoder) apart(set object.Set, at strict.Value) {
	for _, h := range set.Hosts {
		for _, o := range d.outside() {
			if slices.ContainsFunc(o.Addresses, func(a netip.Addr) bool { return slices.Contains(h.Addresses, a) }) {
				at.FailGot(fmt.Sprintf("%s with an address of host %s", o.Name, h.Name), "addresses of its own")
			}
		}
		if h.VLAN != 0 && len(d.outside()) > 0 {
			at.FailGot(fmt.Sprintf("VLAN %d of host %s", h.VLAN, h.Name), "an untagged underlay, because who is outside knows no tags")
		}
	}
}

func (d *decoder) outside() []topology.Outsider { return d.ground.Outside }

// sender reads the name of an endpoint or of somebody outside.
func (d *decoder) sender(v strict.Value) string {
	var others []string
	for _, o := range d.outside() {
		if v.Present() && v.Node().Value == o.Name {
			return o.Name
		}
		others = append(others, o.Name)
	}
	return d.endpointOr(v, others...)
}

// visit reads how a probe comes from outside: to a host that has the address, or that it
// is given to.
func (d *decoder) visit(v, via strict.Value, p *Probe) {
	if _, ok := d.ground.Outsider(p.From); !ok {
		if via.Present() && d.shape == nil {
			via.FailGot("via beside an endpoint", "via only beside somebody outside")
		}
		return
	}
	if p.To.Endpoint != "" || p.To.Service != nil || p.To.Outsider != "" {
		v.FailGot("a probe from outside to "+p.To.String(), "to: the address of a host, or of a service, and its port")
	}
	if slices.Contains(p.Protos, wire.ICMP) {
		v.FailGot("icmp from outside", "tcp or udp: nothing else is served there")
	}
	if p.Via = d.host(via); p.Via != "" {
		return
	}
	for _, h := range d.set.Hosts {
		if slices.Contains(h.Addresses, p.To.Addr) {
			p.Via = h.Name
		}
	}
	if p.Via == "" {
		v.FailGot(fmt.Sprintf("%s, which is no host's address", p.To), "via: the host that gets what is sent there")
	}
}
