// SPDX-License-Identifier: Apache-2.0

package run

import (
	"net/netip"

	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/wire"
)

// world is the objects and states of the moment, by name.
type world struct {
	set       object.Set
	hosts     map[string]*object.Host
	endpoints map[string]*object.Endpoint
	subnets   map[string]*object.Subnet
	vnis      map[string]uint32    // by VPC
	gateways  map[string]state.MAC // by subnet
	frontends map[frontend]bool
}

// frontend is where a service is reached in a VPC.
type frontend struct {
	vni      uint32
	protocol uint8
	at       netip.AddrPort
}

func newWorld(set object.Set, states []state.Host) world {
	w := world{
		set: set, hosts: map[string]*object.Host{}, endpoints: map[string]*object.Endpoint{},
		subnets: map[string]*object.Subnet{}, vnis: map[string]uint32{}, gateways: map[string]state.MAC{},
		frontends: map[frontend]bool{},
	}
	for i := range set.Hosts {
		w.hosts[set.Hosts[i].Key()] = &set.Hosts[i]
	}
	for i := range set.Endpoints {
		w.endpoints[set.Endpoints[i].Key()] = &set.Endpoints[i]
	}
	for i := range set.Subnets {
		w.subnets[set.Subnets[i].Key()] = &set.Subnets[i]
	}
	for _, v := range set.VPCs {
		w.vnis[v.Key()] = v.VNI
	}
	for _, h := range states {
		for _, s := range h.Subnets {
			w.gateways[s.Name] = s.GatewayMAC
		}
		for _, s := range h.Services {
			for _, at := range s.Frontends {
				w.frontends[frontend{s.VNI, s.Protocol, at}] = true
			}
		}
	}
	return w
}

// vni is the number of the VPC that an endpoint is in.
func (w world) vni(e *object.Endpoint) uint32 { return w.vnis[w.subnets[e.Subnet].VPC] }

// at is the endpoint of a VPC that has the address; nil when none has.
func (w world) at(vni uint32, a netip.Addr) *object.Endpoint {
	for i := range w.set.Endpoints {
		e := &w.set.Endpoints[i]
		if own, ok := address(e, familyOf(a)); ok && own == a && w.vni(e) == vni {
			return e
		}
	}
	return nil
}

// served says that a service is reached by a protocol, address and port.
func (w world) served(vni uint32, proto wire.Proto, at netip.AddrPort) bool {
	number := map[wire.Proto]uint8{wire.TCP: 6, wire.UDP: 17}[proto]
	return w.frontends[frontend{vni, number, at}]
}

// address is the endpoint's own of a family.
func address(e *object.Endpoint, family int) (netip.Addr, bool) {
	for _, a := range e.Addresses {
		if familyOf(a) == family {
			return a, true
		}
	}
	return netip.Addr{}, false
}
