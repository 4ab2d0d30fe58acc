// SPDX-License-Identifier: Apache-2.0

package service

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/mizar-net/mizar/controlplane/object"
)

// clusterAddresses are the service's own.
func (r *reader) clusterAddresses() []netip.Addr {
	spec := &r.service.Spec
	if len(spec.ClusterIPs) > 0 {
		return r.addresses("spec.clusterIPs", spec.ClusterIPs)
	}
	if spec.ClusterIP != "" {
		return r.address(nil, "spec.clusterIP", spec.ClusterIP)
	}
	r.fail("spec.clusterIP", "is not written, and nobody here gives out addresses; the service has no cluster address")
	return nil
}

// otherAddresses are external ones, and those that a load balancer was given; where these
// are for clients of some ranges, apart from the others, even if they are external too.
func (r *reader) otherAddresses() (all, ranged []netip.Addr) {
	all = r.addresses("spec.externalIPs", r.service.Spec.ExternalIPs)
	if len(r.service.Spec.LoadBalancerSourceRanges) == 0 {
		return r.balancerAddresses(all), nil
	}
	if r.ranges = r.sourceRanges(); len(r.ranges) == 0 {
		r.fail(sourceRanges, "have no prefix that clients could come from; the addresses of the load balancer are not served")
		return all, nil
	}
	ranged = r.balancerAddresses(nil)
	return slices.DeleteFunc(all, func(a netip.Addr) bool { return slices.Contains(ranged, a) }), ranged
}

const sourceRanges = "spec.loadBalancerSourceRanges"

// sourceRanges are the prefixes that clients of the load balancer come from, sorted. What
// is none is left out: who should have come from there does not.
func (r *reader) sourceRanges() []netip.Prefix {
	var all []netip.Prefix
	for i, text := range r.service.Spec.LoadBalancerSourceRanges {
		p, err := netip.ParsePrefix(strings.TrimSpace(text))
		if err != nil || p.Addr().Is4In6() {
			r.fail(fmt.Sprintf("%s[%d]", sourceRanges, i), text+" is no prefix that packets could come from; it is left out")
			continue
		}
		all = append(all, p.Masked())
	}
	for _, s := range r.world.subnets[r.in.Name] {
		for _, cidr := range s.CIDRs {
			if slices.ContainsFunc(all, cidr.Overlaps) {
				r.fail(sourceRanges, fmt.Sprintf("have clients in %s of subnet %s of the service's VPC; they are not served at the load balancer's addresses, but at the cluster's", cidr, s.Name))
			}
		}
	}
	slices.SortFunc(all, func(a, b netip.Prefix) int {
		return cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Bits(), b.Bits()))
	})
	return slices.Compact(all)
}

// balancerAddresses adds those that a load balancer was given. Those of one that sends
// packets on to node ports or endpoints itself are not the service's here.
func (r *reader) balancerAddresses(all []netip.Addr) []netip.Addr {
	for i, g := range r.service.Status.LoadBalancer.Ingress {
		if g.IP != "" && value(g.IPMode, corev1.LoadBalancerIPModeVIP) == corev1.LoadBalancerIPModeVIP {
			all = r.address(all, fmt.Sprintf("status.loadBalancer.ingress[%d].ip", i), g.IP)
		}
	}
	return all
}

// addresses reads those of a field that can be frontends.
func (r *reader) addresses(field string, texts []string) []netip.Addr {
	var all []netip.Addr
	for i, text := range texts {
		all = r.address(all, fmt.Sprintf("%s[%d]", field, i), text)
	}
	return all
}

// address adds one to others, if it can be a frontend.
func (r *reader) address(all []netip.Addr, field, text string) []netip.Addr {
	addr, problem := parse(text)
	if problem == "" {
		problem = r.inside(addr)
	}
	if problem != "" {
		r.fail(field, fmt.Sprintf("%s %s; it is not served", text, problem))
		return all
	}
	return append(all, addr)
}

// parse reads an address, and says what is wrong with it if packets cannot go there.
func parse(text string) (addr netip.Addr, problem string) {
	addr, err := netip.ParseAddr(text)
	switch {
	case err != nil:
		return addr, "is no address"
	case addr.Is4In6():
		return addr, "is an IPv4 address in the form of IPv6, which no packet has"
	case !object.Carried(netip.PrefixFrom(addr, addr.BitLen())):
		return addr, "is no unicast address that can be routed"
	}
	return addr, ""
}

// inside says what is wrong with an address that is in a subnet of the service's VPC.
// Services are looked up before subnets: it would be taken away from whoever has it
// now or gets it later, and endpoints of the subnet would look for it on their link.
func (r *reader) inside(addr netip.Addr) string {
	for _, s := range r.world.subnets[r.in.Name] {
		for _, cidr := range s.CIDRs {
			if cidr.Contains(addr) {
				return fmt.Sprintf("is in %s of subnet %s of its VPC, and is for endpoints", cidr, s.Name)
			}
		}
	}
	return ""
}

// affinity is how long a client keeps a backend; 0: it does not.
func (r *reader) affinity() time.Duration {
	if r.service.Spec.SessionAffinity != corev1.ServiceAffinityClientIP {
		return 0
	}
	seconds := corev1.DefaultClientIPServiceAffinitySeconds
	if c := r.service.Spec.SessionAffinityConfig; c != nil && c.ClientIP != nil {
		seconds = value(c.ClientIP.TimeoutSeconds, seconds)
	}
	return time.Duration(seconds) * time.Second
}

// undone tells what the service asks for that is not done yet.
func (r *reader) undone() {
	if r.service.Spec.HealthCheckNodePort != 0 {
		r.fail("spec.healthCheckNodePort", "is not answered yet")
	}
}
