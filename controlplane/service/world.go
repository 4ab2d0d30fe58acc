// SPDX-License-Identifier: Apache-2.0

package service

import (
	"maps"
	"net/netip"
	"slices"

	discoveryv1 "k8s.io/api/discovery/v1"

	"github.com/mizar-net/mizar/controlplane/object"
)

// world is what services are read against. It remembers which of them has looked at what.
type world struct {
	network
	// endpoints are all, by key; spaced are those of a namespace, labelled those of one
	// that have a label of a value, of the keys that are looked at.
	endpoints map[string]*object.Endpoint
	spaced    map[string]map[string]*object.Endpoint
	labelled  map[label]map[string]*object.Endpoint
	looked    map[labelKey]int
	// inVPC counts the endpoints of a namespace by VPC.
	inVPC map[string]map[string]int
	at    map[place]*object.Endpoint
	// slices are by the key of their service, and their own; named are those that name
	// no addresses.
	slices map[string]map[string]*object.EndpointSlice
	named  map[string]*object.EndpointSlice
	// serviceOf is the service by the slice's key.
	serviceOf map[string]string
	// lookers are the services that something matters to.
	lookers map[cause]map[string]bool
}

// cause is what a service was made of, beside what is its own: one of these.
type cause struct {
	label label      // endpoints with a label
	addr  netip.Addr // the endpoint with an address
	key   string     // the endpoint of a key
	space string     // the VPCs of a namespace's endpoints
}

// label is a label of a value in a namespace.
type label struct{ namespace, key, value string }

type labelKey struct{ namespace, key string }

// place is an address in a VPC.
type place struct {
	vpc  string
	addr netip.Addr
}

func newWorld() *world {
	return &world{
		endpoints: map[string]*object.Endpoint{}, spaced: map[string]map[string]*object.Endpoint{}, labelled: map[label]map[string]*object.Endpoint{},
		looked: map[labelKey]int{}, inVPC: map[string]map[string]int{}, at: map[place]*object.Endpoint{},
		slices: map[string]map[string]*object.EndpointSlice{}, named: map[string]*object.EndpointSlice{}, serviceOf: map[string]string{}, lookers: map[cause]map[string]bool{},
	}
}

// put puts a value into a map of maps.
func put[K, L comparable, V any](into map[K]map[L]V, k K, l L, v V) {
	if into[k] == nil {
		into[k] = map[L]V{}
	}
	into[k][l] = v
}

// drop takes one out of a map of maps.
func drop[K, L comparable, V any](from map[K]map[L]V, k K, l L) {
	if delete(from[k], l); len(from[k]) == 0 {
		delete(from, k)
	}
}

// note remembers what a service has looked at, forget forgets it.
func (w *world) note(service string, causes map[cause]bool) {
	for c := range causes {
		put(w.lookers, c, service, true)
	}
}

func (w *world) forget(service string, causes map[cause]bool) {
	for c := range causes {
		drop(w.lookers, c, service)
	}
}

// add enters an endpoint, remove takes it out.
func (w *world) add(e *object.Endpoint) {
	w.endpoints[e.Key()] = e
	vpc := w.vpcOf[e.Subnet]
	for _, a := range e.Addresses {
		w.at[place{vpc, a}] = e
	}
	if e.Self {
		return
	}
	put(w.spaced, e.Namespace, e.Key(), e)
	put(w.inVPC, e.Namespace, vpc, w.inVPC[e.Namespace][vpc]+1)
	for key, value := range e.Labels {
		if w.looked[labelKey{e.Namespace, key}] > 0 {
			put(w.labelled, label{e.Namespace, key, value}, e.Key(), e)
		}
	}
}

func (w *world) remove(e *object.Endpoint) {
	delete(w.endpoints, e.Key())
	vpc := w.vpcOf[e.Subnet]
	for _, a := range e.Addresses {
		if w.at[place{vpc, a}] == e {
			delete(w.at, place{vpc, a})
		}
	}
	if e.Self {
		return
	}
	drop(w.spaced, e.Namespace, e.Key())
	if w.inVPC[e.Namespace][vpc]--; w.inVPC[e.Namespace][vpc] == 0 {
		drop(w.inVPC, e.Namespace, vpc)
	}
	for key, value := range e.Labels {
		drop(w.labelled, label{e.Namespace, key, value}, e.Key())
	}
}

// look enters the labels that a service selects by, unlook takes them out.
func (w *world) look(s *object.Service) {
	for key := range s.Spec.Selector {
		k := labelKey{s.Namespace, key}
		if w.looked[k]++; w.looked[k] > 1 {
			continue
		}
		for name, e := range w.spaced[s.Namespace] {
			if value, ok := e.Labels[key]; ok {
				put(w.labelled, label{s.Namespace, key, value}, name, e)
			}
		}
	}
}

func (w *world) unlook(s *object.Service) {
	for key := range s.Spec.Selector {
		k := labelKey{s.Namespace, key}
		if w.looked[k]--; w.looked[k] > 0 {
			continue
		}
		delete(w.looked, k)
		for _, e := range w.spaced[s.Namespace] {
			delete(w.labelled, label{s.Namespace, key, e.Labels[key]})
		}
	}
}

// concerned are the services that an endpoint matters to, old or new.
func (w *world) concerned(e *object.Endpoint, touch map[string]bool) {
	maps.Copy(touch, w.lookers[cause{key: e.Key()}])
	for _, a := range e.Addresses {
		maps.Copy(touch, w.lookers[cause{addr: a}])
	}
	if e.Self {
		return
	}
	for key, value := range e.Labels {
		maps.Copy(touch, w.lookers[cause{label: label{e.Namespace, key, value}}])
	}
}

// selected are the endpoints of a namespace that a selector selects; an empty one
// selects none.
func (r *reader) selected() []*object.Endpoint {
	if r.chosen != nil {
		return r.chosen
	}
	namespace, selector := r.service.Namespace, r.service.Spec.Selector
	var fewest map[string]*object.Endpoint
	for i, key := range slices.Sorted(maps.Keys(selector)) {
		l := label{namespace, key, selector[key]}
		if i == 0 { // whoever is selected has this one too
			r.causes[cause{label: l}] = true
		}
		if some := r.world.labelled[l]; i == 0 || len(some) < len(fewest) {
			fewest = some
		}
	}
	all := make([]*object.Endpoint, 0, len(fewest))
	for _, e := range fewest {
		if selects(selector, e.Labels) {
			all = append(all, e)
		}
	}
	r.chosen = all
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
func (r *reader) endpoint(vpc string, addr netip.Addr) *object.Endpoint {
	r.causes[cause{addr: addr}] = true
	return r.world.at[place{vpc, addr}]
}

// slices are those of the service, in order of keys.
func (r *reader) slices() []*object.EndpointSlice {
	all := r.world.slices[r.service.Key()]
	sorted := make([]*object.EndpointSlice, 0, len(all))
	for _, key := range slices.Sorted(maps.Keys(all)) {
		sorted = append(sorted, all[key])
	}
	return sorted
}

// sliceConditions are those of slices that name no addresses.
func (w *world) sliceConditions() []object.Condition {
	var all []object.Condition
	for _, key := range slices.Sorted(maps.Keys(w.named)) {
		s := w.named[key]
		all = append(all, object.Condition{
			Object: string(object.KindEndpointSlice) + "/" + s.Key(), At: s.At, Field: "addressType",
			Problem: string(discoveryv1.AddressTypeFQDN) + ": packets go to addresses, not to names; the slice is as if it were not there",
		})
	}
	return all
}
