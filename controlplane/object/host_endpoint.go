// SPDX-License-Identifier: Apache-2.0

package object

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// hostEndpoints puts an endpoint into the set for each host that is one, in the
// place of those of an earlier set.
func (c *checker) hostEndpoints() {
	for _, e := range c.set.Endpoints {
		if e.Namespace == HostNamespace && !e.Self {
			c.fail(KindEndpoint, e.Meta, "metadata.namespace", HostNamespace+", the namespace of hosts", "another namespace; a host is made an endpoint by its own field endpoint")
		}
	}
	c.set.Endpoints = slices.DeleteFunc(c.set.Endpoints, func(e Endpoint) bool { return e.Self })
	for _, h := range c.set.Hosts {
		if h.Endpoint == nil {
			continue
		}
		c.set.Endpoints = append(c.set.Endpoints, Endpoint{
			Meta: Meta{Namespace: HostNamespace, Name: h.Name, At: h.At},
			Host: h.Name, Addresses: slices.Clone(h.Endpoint.Addresses), MAC: h.Endpoint.MAC,
			Form: h.Endpoint.Form, XDP: h.Endpoint.XDP, Self: true,
		})
	}
}

// failEndpoint makes the error for a field of an endpoint; that of a host is
// written at the host.
func (c *checker) failEndpoint(e *Endpoint, field, got, want string) {
	if !e.Self {
		c.fail(KindEndpoint, e.Meta, field, got, want)
		return
	}
	host := Meta{Name: e.Host, At: e.Meta.At}
	if rest, ok := strings.CutPrefix(field, "spec"); ok {
		field = "spec.endpoint" + rest
	}
	c.fail(KindHost, host, field, got, want)
}

// inDefault finds the subnet of the default VPC that a host's own endpoint is in.
func (c *checker) inDefault(e *Endpoint) bool {
	if c.defaultVPC == nil {
		c.failEndpoint(e, "spec", "a host that is an endpoint, and no default VPC", "a VPC with default: true")
		return false
	}
	var cidrs []netip.Prefix
	for i := range c.set.Subnets {
		s := &c.set.Subnets[i]
		if s.VPC != c.defaultVPC.Name {
			continue
		}
		if len(e.Addresses) > 0 && slices.ContainsFunc(s.CIDRs, func(p netip.Prefix) bool { return p.Contains(e.Addresses[0]) }) {
			e.Subnet = s.Name
			return true
		}
		cidrs = append(cidrs, s.CIDRs...)
	}
	if len(e.Addresses) > 0 {
		c.failEndpoint(e, "spec.addresses[0]", e.Addresses[0].String(),
			fmt.Sprintf("an address of a subnet of the default VPC %s, %v", c.defaultVPC.Name, cidrs))
	}
	return false
}
