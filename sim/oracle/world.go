// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"net/netip"
	"slices"

	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/controlplane/overlay"
	"github.com/mizar-net/mizar/controlplane/service"
	"github.com/mizar-net/mizar/sim/oracle/judge"
)

// world is the objects, as a packet asks about them.
type world struct {
	set       object.Set
	endpoints map[place]object.Endpoint
	// bouncers are the hosts to ask by subnet, dividers by VPC; holders are all that
	// have the role, be they asked or not.
	bouncers, dividers map[string][]string
	holders            map[overlay.Role][]string
	policies           []judge.Policy
	services           *service.Compiler
}

// newWorld is a set with roles as they are; nil: over all hosts.
func newWorld(set object.Set, roles overlay.Roles) world {
	w := world{
		set: set, endpoints: map[place]object.Endpoint{},
		bouncers: map[string][]string{}, dividers: map[string][]string{},
		holders: map[overlay.Role][]string{}, policies: policies(set), services: service.Compile(set),
	}
	if roles == nil {
		var hosts []string
		for _, h := range set.Hosts {
			hosts = append(hosts, h.Name)
		}
		roles = overlay.Place(set, hosts)
	}
	for role, h := range roles {
		w.holders[role] = h.All()
		if role.Kind == overlay.Divider {
			w.dividers[role.Of] = h.Asked
		} else {
			w.bouncers[role.Of] = h.Asked
		}
	}
	for _, e := range set.Endpoints {
		for _, addr := range e.Addresses {
			w.endpoints[place{w.vpcOf(e), addr}] = e
		}
	}
	return w
}

func (w world) vpcOf(e object.Endpoint) string {
	s, _ := w.set.Subnet(e.Subnet)
	return s.VPC
}

// behind returns the endpoint with an address if it is behind that host.
func (w world) behind(host string, at place) (object.Endpoint, bool) {
	e, ok := w.endpoints[at]
	return e, ok && e.Host == host
}

// subnet returns the subnet of a VPC that an address lies in.
func (w world) subnet(at place) (object.Subnet, bool) {
	for _, s := range w.set.Subnets {
		if s.VPC == at.vpc && holds(s, at.addr) {
			return s, true
		}
	}
	return object.Subnet{}, false
}

// holds says whether an address lies in a subnet.
func holds(s object.Subnet, addr netip.Addr) bool {
	return slices.ContainsFunc(s.CIDRs, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// generation tells successive users of an address apart.
func generation(e object.Endpoint) uint8 { return e.Generation }

func (w world) bounces(host, subnet string) bool {
	return slices.Contains(w.holders[overlay.Role{Kind: overlay.Bouncer, Of: subnet}], host)
}

func (w world) divides(host, vpc string) bool {
	return slices.Contains(w.holders[overlay.Role{Kind: overlay.Divider, Of: vpc}], host)
}

// serves says whether a host has any part in a VPC.
func (w world) serves(host, vpc string) bool {
	if w.divides(host, vpc) {
		return true
	}
	for _, s := range w.set.Subnets {
		if s.VPC == vpc && w.bounces(host, s.Name) {
			return true
		}
	}
	return slices.ContainsFunc(w.set.Endpoints, func(e object.Endpoint) bool {
		return e.Host == host && w.vpcOf(e) == vpc
	})
}
