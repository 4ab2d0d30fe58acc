// SPDX-License-Identifier: Apache-2.0

package service

import (
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	"github.com/mizar-net/mizar/controlplane/object"
)

// world is what services are read against.
type world struct {
	set object.Set
	// vpcs are by name, subnets by that of their VPC.
	vpcs    map[string]object.VPC
	subnets map[string][]object.Subnet
	// vpcOf is the VPC's name by the subnet's.
	vpcOf map[string]string
	// labelled are the endpoints of a namespace that have a label of a value;
	// spaced are all of a namespace.
	labelled map[label][]*object.Endpoint
	spaced   map[string][]*object.Endpoint
	slices   map[string][]*object.EndpointSlice // by the key of their service
	at       map[place]*object.Endpoint
	hosts    map[netip.Addr]bool // by address of the underlay
}

// label is a label of a value in a namespace.
type label struct{ namespace, key, value string }

// place is an address in a VPC.
type place struct {
	vpc  string
	addr netip.Addr
}

func newWorld(set object.Set) *world {
	w := &world{
		set: set, vpcs: map[string]object.VPC{}, subnets: map[string][]object.Subnet{}, vpcOf: map[string]string{},
		labelled: map[label][]*object.Endpoint{}, spaced: map[string][]*object.Endpoint{},
		slices: map[string][]*object.EndpointSlice{},
	}
	if len(set.Services) == 0 {
		return w
	}
	for _, v := range set.VPCs {
		w.vpcs[v.Name] = v
	}
	for _, s := range set.Subnets {
		w.subnets[s.VPC] = append(w.subnets[s.VPC], s)
		w.vpcOf[s.Name] = s.VPC
	}
	for i := range set.EndpointSlices {
		s := &set.EndpointSlices[i]
		if key := s.Service(); key != "" && s.AddressType != discoveryv1.AddressTypeFQDN {
			w.slices[key] = append(w.slices[key], s)
		}
	}
	w.addEndpoints()
	return w
}

func (w *world) addEndpoints() {
	looked := map[string]bool{}
	for _, s := range w.set.Services {
		for key := range s.Spec.Selector {
			looked[key] = true
		}
	}
	for i := range w.set.Endpoints {
		e := &w.set.Endpoints[i]
		if e.Self {
			continue
		}
		w.spaced[e.Namespace] = append(w.spaced[e.Namespace], e)
		for key, value := range e.Labels {
			if looked[key] {
				l := label{e.Namespace, key, value}
				w.labelled[l] = append(w.labelled[l], e)
			}
		}
	}
}

// selected are the endpoints of a namespace that a selector selects, in order of keys;
// an empty one selects none.
func (w *world) selected(namespace string, selector map[string]string) []*object.Endpoint {
	var fewest []*object.Endpoint
	first := true
	for key, value := range selector {
		if some := w.labelled[label{namespace, key, value}]; first || len(some) < len(fewest) {
			fewest, first = some, false
		}
	}
	var all []*object.Endpoint
	for _, e := range fewest {
		if selects(selector, e.Labels) {
			all = append(all, e)
		}
	}
	return all
}

func selects(selector, labels map[string]string) bool {
	for key, value := range selector {
		if has, ok := labels[key]; !ok || has != value {
			return false
		}
	}
	return true
}

// endpoint is the endpoint that has an address in a VPC, hosts' own included; nil:
// none has.
func (w *world) endpoint(vpc string, addr netip.Addr) *object.Endpoint {
	if w.at == nil {
		w.at = map[place]*object.Endpoint{}
		for i := range w.set.Endpoints {
			e := &w.set.Endpoints[i]
			for _, a := range e.Addresses {
				w.at[place{w.vpcOf[e.Subnet], a}] = e
			}
		}
	}
	return w.at[place{vpc, addr}]
}

// isHost says that an address of the underlay is a host's own.
func (w *world) isHost(addr netip.Addr) bool {
	if w.hosts == nil {
		w.hosts = map[netip.Addr]bool{}
		for _, h := range w.set.Hosts {
			for _, a := range h.Addresses {
				w.hosts[a] = true
			}
		}
	}
	return w.hosts[addr]
}

// zone is that of a host: "": none is known.
func (w *world) zone(host string) string {
	h, _ := w.set.Host(host)
	return h.Labels[corev1.LabelTopologyZone]
}

// sliceConditions are those of slices that name no addresses.
func (w *world) sliceConditions() []object.Condition {
	var all []object.Condition
	for _, s := range w.set.EndpointSlices {
		if s.AddressType == discoveryv1.AddressTypeFQDN {
			all = append(all, object.Condition{
				Object: string(object.KindEndpointSlice) + "/" + s.Key(), At: s.At, Field: "addressType",
				Problem: "FQDN: packets go to addresses, not to names; the slice is as if it were not there",
			})
		}
	}
	return all
}
