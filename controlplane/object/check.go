// SPDX-License-Identifier: Apache-2.0

package object

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"

	"github.com/mizar-net/mizar/controlplane/object/strict"
)

// checker makes a set of a draft: it checks one kind after another and fills
// in the defaults that later kinds build on.
type checker struct {
	draft *Draft
	set   Set
	errs  []error

	// Of several objects with one name, the first.
	hosts     map[string]*Host
	vpcs      map[string]*VPC
	subnets   map[string]*Subnet
	endpoints map[string]*Endpoint

	namespaces map[string]*Namespace
	policies   map[string]*NetworkPolicy

	services       map[string]*Service
	endpointSlices map[string]*EndpointSlice
	// defaultVPC is the first VPC that says so.
	defaultVPC *VPC
}

func (c *checker) fail(kind Kind, meta Meta, field, got, want string) {
	c.errs = append(c.errs, c.draft.fail(kind, meta, field, got, want))
}

func (c *checker) checkNames() {
	index(c, KindHost, c.set.Hosts, c.hosts, func(o *Host) Meta { return o.Meta })
	index(c, KindVPC, c.set.VPCs, c.vpcs, func(o *VPC) Meta { return o.Meta })
	index(c, KindSubnet, c.set.Subnets, c.subnets, func(o *Subnet) Meta { return o.Meta })
	index(c, KindEndpoint, c.set.Endpoints, c.endpoints, func(o *Endpoint) Meta { return o.Meta })
	index(c, KindNamespace, c.set.Namespaces, c.namespaces, func(o *Namespace) Meta { return o.Meta })
	index(c, KindNetworkPolicy, c.set.Policies, c.policies, func(o *NetworkPolicy) Meta { return o.Meta })
	index(c, KindService, c.set.Services, c.services, func(o *Service) Meta { return o.Meta })
	index(c, KindEndpointSlice, c.set.EndpointSlices, c.endpointSlices, func(o *EndpointSlice) Meta { return o.Meta })
}

func index[T any](c *checker, kind Kind, objects []T, byKey map[string]*T, meta func(*T) Meta) {
	for i := range objects {
		m := meta(&objects[i])
		if first, ok := byKey[m.Key()]; ok {
			c.fail(kind, m, "metadata.name", "a name that is taken"+writtenAt(meta(first)), "a name of its own for each "+string(kind))
			continue
		}
		byKey[m.Key()] = &objects[i]
	}
}

// writtenAt tells where another object is: " (at a.yaml:3)".
func writtenAt(m Meta) string {
	if m.At.File == "" {
		return ""
	}
	return fmt.Sprintf(" (at %s:%d)", m.At.File, m.At.Line)
}

func (c *checker) checkHosts() {
	taken := map[netip.Addr]string{}
	for i := range c.set.Hosts {
		h := &c.set.Hosts[i]
		fail := func(field, got, want string) { c.fail(KindHost, h.Meta, field, got, want) }
		if h.MTU == 0 {
			h.MTU = DefaultMTU
		}
		if h.MTU < MinMTU || h.MTU > MaxMTU {
			fail("spec.mtu", strconv.Itoa(h.MTU), fmt.Sprintf("%d to %d", MinMTU, MaxMTU))
		}
		if h.VLAN > MaxVLAN {
			fail("spec.vlan", strconv.Itoa(int(h.VLAN)), fmt.Sprintf("0 to %d", MaxVLAN))
		}
		onePerFamily("spec.addresses", h.Addresses, fail)
		for j, addr := range h.Addresses {
			field := fmt.Sprintf("spec.addresses[%d]", j)
			if !Carried(netip.PrefixFrom(addr, addr.BitLen())) {
				fail(field, addr.String(), "a unicast address that can be routed")
			}
			if other, ok := taken[addr]; ok {
				fail(field, fmt.Sprintf("%s, the address of host %s", addr, other), "an address of its own for each host")
			}
			taken[addr] = h.Name
		}
	}
	c.checkReach()
}

// checkReach finds hosts that cannot talk to each other for want of a common
// family.
func (c *checker) checkReach() {
	only := func(four bool) (names []*Host) {
		for i := range c.set.Hosts {
			h := &c.set.Hosts[i]
			if len(h.Addresses) > 0 && !slices.ContainsFunc(h.Addresses, func(a netip.Addr) bool { return a.Is4() != four }) {
				names = append(names, h)
			}
		}
		return names
	}
	four, six := only(true), only(false)
	if len(four) == 0 {
		return
	}
	for _, h := range six {
		c.fail(KindHost, h.Meta, "spec.addresses", "IPv6 alone, while host "+four[0].Name+" has IPv4 alone", "a family that every other host has")
	}
}

func (c *checker) checkVPCs() {
	taken := map[uint32]string{}
	for i := range c.set.VPCs {
		v := &c.set.VPCs[i]
		if v.VNI < 1 || v.VNI > MaxVNI {
			c.fail(KindVPC, v.Meta, "spec.vni", strconv.FormatUint(uint64(v.VNI), 10), fmt.Sprintf("1 to %d", MaxVNI))
		} else if other, ok := taken[v.VNI]; ok {
			c.fail(KindVPC, v.Meta, "spec.vni", fmt.Sprintf("%d, the VNI of VPC %s", v.VNI, other), "a VNI of its own for each VPC")
		} else {
			taken[v.VNI] = v.Name
		}
		if v.Default {
			if first := c.defaultVPC; first != nil {
				c.fail(KindVPC, v.Meta, "spec.default", "a second default VPC beside "+first.Name+writtenAt(first.Meta), "one default VPC, or none")
			} else {
				c.defaultVPC = v
			}
		}
		v.Dividers = c.placement(KindVPC, v.Meta, "spec.dividers", v.Dividers)
	}
}

// placement checks which hosts take a role and fills in how many.
func (c *checker) placement(kind Kind, meta Meta, field string, p Placement) Placement {
	seen := map[string]bool{}
	for i, name := range p.Hosts {
		at := fmt.Sprintf("%s.hosts[%d]", field, i)
		if _, ok := c.hosts[name]; !ok {
			c.fail(kind, meta, at, strict.Quote(name), "the name of a host")
		}
		if seen[name] {
			c.fail(kind, meta, at, strict.Quote(name)+" a second time", "each host once")
		}
		seen[name] = true
	}
	if p.Count == 0 {
		p.Count = DefaultRoles
		if len(p.Hosts) > 0 {
			p.Count = len(p.Hosts)
		}
		if p.Count > MaxRoles {
			c.fail(kind, meta, field+".hosts", fmt.Sprintf("%d hosts and no count", p.Count), fmt.Sprintf("at most %d hosts, or a count of at most %d", MaxRoles, MaxRoles))
		}
	}
	if p.Count < 1 || p.Count > MaxRoles {
		c.fail(kind, meta, field+".count", strconv.Itoa(p.Count), fmt.Sprintf("1 to %d", MaxRoles))
	}
	p.Hosts = slices.Sorted(slices.Values(p.Hosts))
	return p
}

// onePerFamily wants one or two valid addresses, not two of a family.
func onePerFamily(field string, addrs []netip.Addr, fail func(field, got, want string)) {
	if len(addrs) == 0 || len(addrs) > 2 {
		fail(field, fmt.Sprintf("%d addresses", len(addrs)), "one or two, one a family")
	}
	for i, addr := range addrs {
		if !addr.IsValid() || addr.Is4In6() || addr.Zone() != "" {
			fail(fmt.Sprintf("%s[%d]", field, i), addr.String(), "an IPv4 or IPv6 address")
		}
	}
	if len(addrs) == 2 && addrs[0].Is4() == addrs[1].Is4() {
		fail(field+"[1]", addrs[1].String()+", a second address of one family", "one address a family")
	}
}
