// SPDX-License-Identifier: Apache-2.0

package object

import (
	"cmp"
	"errors"
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// The limits of what can be written.
const (
	MinMTU     = 1400
	MaxMTU     = 65535
	DefaultMTU = 1500
	MaxVLAN    = 4094
	// MaxVNI is the greatest Geneve number (RFC 8926, 3.4).
	MaxVNI = 1<<24 - 1
	// MaxRoles is how many hosts can bounce one subnet, or divide one VPC.
	MaxRoles = 8
	// DefaultRoles is how many do when nothing is written.
	DefaultRoles = 2
)

// New checks a draft as a whole, fills in the defaults and sorts. The error
// joins an [*Error] for each thing wrong; the set is then empty.
func New(d Draft) (Set, error) {
	c := checker{
		draft: &d,
		set: Set{
			Hosts: slices.Clone(d.Hosts), VPCs: slices.Clone(d.VPCs),
			Subnets: slices.Clone(d.Subnets), Endpoints: slices.Clone(d.Endpoints),
			Namespaces: slices.Clone(d.Namespaces), Policies: slices.Clone(d.Policies),
			Services: slices.Clone(d.Services), EndpointSlices: slices.Clone(d.EndpointSlices),
		},
		hosts: map[string]*Host{}, vpcs: map[string]*VPC{},
		subnets: map[string]*Subnet{}, endpoints: map[string]*Endpoint{},
		namespaces: map[string]*Namespace{}, policies: map[string]*NetworkPolicy{},
		services: map[string]*Service{}, endpointSlices: map[string]*EndpointSlice{},
	}
	c.hostEndpoints()
	c.checkNames()
	c.checkHosts()
	c.checkVPCs()
	c.checkSubnets()
	c.checkEndpoints()
	c.checkNamespaces()
	c.checkPolicies()
	c.checkServices()
	if len(c.errs) > 0 {
		slices.SortStableFunc(c.errs, byPlace)
		return Set{}, errors.Join(c.errs...)
	}
	sortByKey(c.set.Hosts, Host.Key)
	sortByKey(c.set.VPCs, VPC.Key)
	sortByKey(c.set.Subnets, Subnet.Key)
	sortByKey(c.set.Endpoints, Endpoint.Key)
	sortByKey(c.set.Namespaces, Namespace.Key)
	sortByKey(c.set.Policies, NetworkPolicy.Key)
	sortByKey(c.set.Services, Service.Key)
	sortByKey(c.set.EndpointSlices, EndpointSlice.Key)
	c.set.Endpoints, c.set.Ended = split(c.set.Endpoints, Endpoint.Ended)
	return c.set, nil
}

// split takes those that out says out of a slice, which may be changed.
func split[T any](all []T, out func(T) bool) (kept, taken []T) {
	for _, one := range all {
		if out(one) {
			taken = append(taken, one)
		}
	}
	return slices.DeleteFunc(all, out), taken
}

func byPlace(a, b error) int {
	var x, y *Error
	if !errors.As(a, &x) || !errors.As(b, &y) {
		return 0
	}
	return cmp.Or(cmp.Compare(x.File, y.File), cmp.Compare(x.Line, y.Line))
}

// Draft returns the set's objects as a draft, to be changed and checked anew.
// Endpoints that hosts were made into are not written, and not in it.
func (s Set) Draft() Draft {
	return Draft{
		Hosts: slices.Clone(s.Hosts), VPCs: slices.Clone(s.VPCs), Subnets: slices.Clone(s.Subnets),
		Endpoints:  slices.DeleteFunc(slices.Concat(s.Endpoints, s.Ended), func(e Endpoint) bool { return e.Self }),
		Namespaces: slices.Clone(s.Namespaces), Policies: slices.Clone(s.Policies),
		Services: slices.Clone(s.Services), EndpointSlices: slices.Clone(s.EndpointSlices),
	}
}

// With returns the set after some objects were deleted, and then others added
// or replaced as a whole. Deleting what is not there is an error.
func (s Set) With(applied Draft, deleted ...Ref) (Set, error) {
	var errs []error
	gone := map[Ref]bool{}
	have := s.Draft()
	known := have.Refs()
	for _, ref := range deleted {
		if !slices.Contains(known, ref) {
			errs = append(errs, &Error{Object: ref.String(), Got: "an object to delete that does not exist", Want: "the kind and name of one that does"})
		}
		gone[ref] = true
	}
	for _, ref := range applied.Refs() {
		gone[ref] = true
	}
	next := have.Without(gone)
	next.Add(applied)
	set, err := New(next)
	if err = errors.Join(append(errs, err)...); err != nil {
		return Set{}, err
	}
	return set, nil
}

func sortByKey[T any](objects []T, key func(T) string) {
	slices.SortFunc(objects, func(a, b T) int { return cmp.Compare(key(a), key(b)) })
}

// Host returns the host of that name.
func (s Set) Host(name string) (Host, bool) { return find(s.Hosts, Host.Key, name) }

// VPC returns the VPC of that name.
func (s Set) VPC(name string) (VPC, bool) { return find(s.VPCs, VPC.Key, name) }

// Subnet returns the subnet of that name.
func (s Set) Subnet(name string) (Subnet, bool) { return find(s.Subnets, Subnet.Key, name) }

// Endpoint returns the endpoint of that name, which may leave the default
// namespace out.
func (s Set) Endpoint(name string) (Endpoint, bool) {
	return find(s.Endpoints, Endpoint.Key, EndpointKey(name))
}

// Namespace returns the namespace of that name. Every namespace exists: one that
// was not written has no labels but the implied one.
func (s Set) Namespace(name string) Namespace {
	if n, ok := find(s.Namespaces, Namespace.Key, name); ok {
		return n
	}
	return Namespace{Meta: Meta{Name: name, Labels: map[string]string{corev1.LabelMetadataName: name}}}
}

// Policy returns the network policy of that name, which may leave the default
// namespace out.
func (s Set) Policy(name string) (NetworkPolicy, bool) {
	return find(s.Policies, NetworkPolicy.Key, KindNetworkPolicy.Key(name))
}

// Service returns the service of that name, which may leave the default namespace
// out.
func (s Set) Service(name string) (Service, bool) {
	return find(s.Services, Service.Key, KindService.Key(name))
}

func find[T any](sorted []T, key func(T) string, name string) (T, bool) {
	i, ok := slices.BinarySearchFunc(sorted, name, func(o T, name string) int { return cmp.Compare(key(o), name) })
	if !ok {
		var none T
		return none, false
	}
	return sorted[i], true
}
