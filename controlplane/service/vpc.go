// SPDX-License-Identifier: Apache-2.0

package service

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/mizar-net/mizar/controlplane/object"
)

const mend = "; the service is not served until this is mended"

// vpc is the VPC that the service is in; false, and a condition, when there is none.
func (r *reader) vpc() (object.VPC, bool) {
	s := r.service
	if name, written := s.Annotations[object.AnnotationVPC]; written {
		v, ok := r.world.vpcs[name]
		if !ok {
			r.fail("metadata.annotations."+object.AnnotationVPC, fmt.Sprintf("%q, which is no VPC", name)+mend)
		}
		return v, ok
	}
	if name, written := r.world.spaces[s.Namespace]; written {
		v, ok := r.world.vpcs[name]
		if !ok {
			r.fail("", fmt.Sprintf("is in VPC %q, as the annotation %s of its namespace says, and there is no such VPC", name, object.AnnotationVPC)+mend)
		}
		return v, ok
	}
	for _, among := range []func() []string{r.backendVPCs, r.namespaceVPCs} {
		if name, ok := one(among()); ok {
			return r.world.vpcs[name], true
		}
	}
	for _, v := range r.world.all {
		if v.Default || len(r.world.all) == 1 {
			return v, true
		}
	}
	r.fail("", "is in no VPC that could be told: its endpoints are in none or in several, and no VPC is the default; the annotation "+
		object.AnnotationVPC+" names one"+mend)
	return object.VPC{}, false
}

// one is the only name there is, however often.
func one(names []string) (string, bool) {
	for _, name := range names {
		if name != names[0] {
			return "", false
		}
	}
	if len(names) == 0 {
		return "", false
	}
	return names[0], true
}

// backendVPCs are those of the endpoints behind the service: of each that its slices
// name by reference or by address, or that it selects.
func (r *reader) backendVPCs() []string {
	var names []string
	add := func(name string) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	all := r.slices()
	for _, s := range all {
		for _, e := range s.Endpoints {
			if ref := e.TargetRef; ref != nil && ref.Kind == "Pod" {
				key := object.Meta{Namespace: s.Namespace, Name: ref.Name}.Key()
				r.causes[cause{key: key}] = true
				if one := r.world.endpoints[key]; one != nil {
					add(r.world.vpcOf[one.Subnet])
					continue
				}
			}
			for _, name := range r.vpcsWith(e.Addresses) {
				add(name)
			}
		}
	}
	if len(all) == 0 {
		for _, e := range r.selected() {
			add(r.world.vpcOf[e.Subnet])
		}
	}
	return names
}

// vpcsWith are the VPCs in which endpoints have any of some addresses.
func (r *reader) vpcsWith(addrs []string) []string {
	var names []string
	for _, text := range addrs {
		addr, err := netip.ParseAddr(text)
		if err != nil {
			continue
		}
		for _, v := range r.world.all {
			if r.endpoint(v.Name, addr) != nil {
				names = append(names, v.Name)
			}
		}
	}
	return names
}

func (r *reader) namespaceVPCs() []string {
	r.causes[cause{space: r.service.Namespace}] = true
	return slices.Collect(maps.Keys(r.world.inVPC[r.service.Namespace]))
}
