// SPDX-License-Identifier: Apache-2.0

package object

import (
	"cmp"
	"errors"
	"slices"
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
		},
		hosts: map[string]*Host{}, vpcs: map[string]*VPC{},
		subnets: map[string]*Subnet{}, endpoints: map[string]*Endpoint{},
	}
	c.hostEndpoints()
	c.checkNames()
	c.checkHosts()
	c.checkVPCs()
	c.checkSubnets()
	c.checkEndpoints()
	if len(c.errs) > 0 {
		slices.SortStableFunc(c.errs, byPlace)
		return Set{}, errors.Join(c.errs...)
	}
	sortByKey(c.set.Hosts, Host.Key)
	sortByKey(c.set.VPCs, VPC.Key)
	sortByKey(c.set.Subnets, Subnet.Key)
	sortByKey(c.set.Endpoints, Endpoint.Key)
	return c.set, nil
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
		Endpoints: slices.DeleteFunc(slices.Clone(s.Endpoints), func(e Endpoint) bool { return e.Self }),
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
	next := Draft{
		Hosts:     without(s.Hosts, KindHost, Host.Key, gone),
		VPCs:      without(s.VPCs, KindVPC, VPC.Key, gone),
		Subnets:   without(s.Subnets, KindSubnet, Subnet.Key, gone),
		Endpoints: without(s.Endpoints, KindEndpoint, Endpoint.Key, gone),
	}
	next.Add(applied)
	set, err := New(next)
	if err = errors.Join(append(errs, err)...); err != nil {
		return Set{}, err
	}
	return set, nil
}

func without[T any](objects []T, kind Kind, key func(T) string, gone map[Ref]bool) []T {
	var kept []T
	for _, o := range objects {
		if !gone[Ref{kind, key(o)}] {
			kept = append(kept, o)
		}
	}
	return kept
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

func find[T any](sorted []T, key func(T) string, name string) (T, bool) {
	i, ok := slices.BinarySearchFunc(sorted, name, func(o T, name string) int { return cmp.Compare(key(o), name) })
	if !ok {
		var none T
		return none, false
	}
	return sorted[i], true
}
