// SPDX-License-Identifier: Apache-2.0

package service

import (
	"cmp"
	"maps"
	"net/netip"
	"reflect"
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	"github.com/mizar-net/mizar/controlplane/object"
)

// network is what all services may depend on, and hardly ever changes.
type network struct {
	// all are the VPCs in order, vpcs by name, subnets by the name of their VPC.
	all     []object.VPC
	vpcs    map[string]object.VPC
	subnets map[string][]object.Subnet
	// vpcOf is the VPC's name by the subnet's.
	vpcOf map[string]string
	// spaces are the VPCs that namespaces name, zones those of hosts.
	spaces, zones map[string]string
	// hosts are the addresses of the underlay that are hosts' own.
	hosts map[netip.Addr]bool
}

func networkOf(set object.Set) network {
	n := network{
		vpcs: map[string]object.VPC{}, subnets: map[string][]object.Subnet{}, vpcOf: map[string]string{},
		spaces: map[string]string{}, zones: map[string]string{}, hosts: map[netip.Addr]bool{},
	}
	for _, v := range set.VPCs {
		v.Meta = object.Meta{Name: v.Name}
		n.all, n.vpcs[v.Name] = append(n.all, v), v
	}
	for _, s := range set.Subnets {
		n.subnets[s.VPC] = append(n.subnets[s.VPC], object.Subnet{Meta: object.Meta{Name: s.Name}, VPC: s.VPC, CIDRs: s.CIDRs})
		n.vpcOf[s.Name] = s.VPC
	}
	for _, s := range set.Namespaces {
		if vpc, written := s.Annotations[object.AnnotationVPC]; written {
			n.spaces[s.Name] = vpc
		}
	}
	for _, h := range set.Hosts {
		if zone := h.Labels[corev1.LabelTopologyZone]; zone != "" {
			n.zones[h.Name] = zone
		}
		for _, a := range h.Addresses {
			n.hosts[a] = true
		}
	}
	return n
}

// Sync makes the compiler hold the services of a set of objects and nothing else. It
// compares all of it; who is told of single changes need not.
func (c *Compiler) Sync(set object.Set) {
	if n := networkOf(set); !reflect.DeepEqual(n, c.world.network) {
		c.setNetwork(n)
	}
	replace(c.world.endpoints, set.Endpoints, object.Endpoint.Key, c.setEndpoint, c.deleteEndpoint)
	held := maps.Clone(c.world.named)
	for _, some := range c.world.slices {
		maps.Copy(held, some)
	}
	replace(held, set.EndpointSlices, object.EndpointSlice.Key, c.setSlice, c.deleteSlice)
	replace(c.services, set.Services, object.Service.Key, c.setService, c.deleteService)
	c.settle()
}

// replace deletes what is held and is not among all, and sets those.
func replace[V, T any](held map[string]V, all []T, key func(T) string, set func(*T), remove func(string)) {
	there := make(map[string]bool, len(all))
	for _, one := range all {
		there[key(one)] = true
	}
	for _, name := range slices.Collect(maps.Keys(held)) {
		if !there[name] {
			remove(name)
		}
	}
	for i := range all {
		set(&all[i])
	}
}

// setNetwork touches all services, and enters all endpoints anew.
func (c *Compiler) setNetwork(n network) {
	w := c.world
	all := slices.Collect(maps.Values(w.endpoints))
	for _, e := range all {
		w.remove(e)
	}
	w.network = n
	for _, e := range all {
		w.add(e)
	}
	for key := range c.services {
		c.touched[key] = true
	}
}

// SetEndpoint adds an endpoint, or puts it in the place of the one of its key. What it
// refers to must not be changed afterwards; so with the others.
func (c *Compiler) SetEndpoint(e object.Endpoint) {
	c.setEndpoint(&e)
	c.settle()
}

// DeleteEndpoint takes an endpoint away, if there is one of that key.
func (c *Compiler) DeleteEndpoint(key string) {
	c.deleteEndpoint(key)
	c.settle()
}

func (c *Compiler) setEndpoint(e *object.Endpoint) {
	was := c.world.endpoints[e.Key()]
	if was != nil && was.Subnet == e.Subnet && was.Host == e.Host && was.Self == e.Self && was.Generation == e.Generation && slices.Equal(was.Addresses, e.Addresses) &&
		maps.Equal(was.Labels, e.Labels) && slices.Equal(was.Ports, e.Ports) {
		return
	}
	own := *e // the others of its set may go
	c.exchange(was, &own)
}

func (c *Compiler) deleteEndpoint(key string) {
	if was := c.world.endpoints[key]; was != nil {
		c.exchange(was, nil)
	}
}

// exchange puts one endpoint in the place of another of its key; nil is none.
func (c *Compiler) exchange(was, is *object.Endpoint) {
	namespace := cmp.Or(was, is).Namespace
	vpcs := slices.Sorted(maps.Keys(c.world.inVPC[namespace]))
	if was != nil {
		c.world.concerned(was, c.touched)
		c.world.remove(was)
	}
	if is != nil {
		c.world.concerned(is, c.touched)
		c.world.add(is)
	}
	if !slices.Equal(vpcs, slices.Sorted(maps.Keys(c.world.inVPC[namespace]))) {
		maps.Copy(c.touched, c.world.lookers[cause{space: namespace}])
	}
}

// SetSlice adds an endpoint slice, or puts it in the place of the one of its key.
func (c *Compiler) SetSlice(s object.EndpointSlice) {
	c.setSlice(&s)
	c.settle()
}

// DeleteSlice takes an endpoint slice away, if there is one of that key.
func (c *Compiler) DeleteSlice(key string) {
	c.deleteSlice(key)
	c.settle()
}

func (c *Compiler) setSlice(s *object.EndpointSlice) {
	key, service := s.Key(), s.Service()
	if was := c.world.slices[service][key]; was != nil && was.At == s.At && was.AddressType == s.AddressType &&
		reflect.DeepEqual(was.Ports, s.Ports) && reflect.DeepEqual(was.Endpoints, s.Endpoints) {
		return
	}
	c.deleteSlice(key)
	own := *s
	switch {
	case s.AddressType == discoveryv1.AddressTypeFQDN:
		c.world.named[key] = &own
	case service != "":
		put(c.world.slices, service, key, &own)
		c.world.serviceOf[key] = service
		c.touched[service] = true
	}
}

func (c *Compiler) deleteSlice(key string) {
	delete(c.world.named, key)
	if service, ok := c.world.serviceOf[key]; ok {
		drop(c.world.slices, service, key)
		delete(c.world.serviceOf, key)
		c.touched[service] = true
	}
}

// SetService adds a service, or puts it in the place of the one of its key.
func (c *Compiler) SetService(s object.Service) {
	c.setService(&s)
	c.settle()
}

// DeleteService takes a service away, if there is one of that key.
func (c *Compiler) DeleteService(key string) {
	c.deleteService(key)
	c.settle()
}

func (c *Compiler) setService(s *object.Service) {
	key := s.Key()
	one := c.services[key]
	if one == nil {
		one = &compiled{}
		c.services[key] = one
	} else {
		was := one.service
		if was.At == s.At && maps.Equal(was.Annotations, s.Annotations) && reflect.DeepEqual(was.Spec, s.Spec) && reflect.DeepEqual(was.Status, s.Status) {
			return
		}
		c.world.unlook(was)
	}
	own := *s
	one.service = &own
	c.world.look(s)
	c.touched[key] = true
}

func (c *Compiler) deleteService(key string) {
	one := c.services[key]
	if one == nil {
		return
	}
	delete(c.services, key)
	c.world.unlook(one.service)
	c.world.forget(key, one.causes)
	c.contest(key, one.claims, nil)
	c.retire(one)
}
