// SPDX-License-Identifier: Apache-2.0

package service

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/mizar-net/mizar/controlplane/object"
)

// reader reads one service.
type reader struct {
	world   *world
	service *object.Service
	// claims are the services that ask for a frontend; claimed those that this one asks
	// for, causes what else it has looked at.
	claims  map[frontend]map[string]bool
	claimed map[frontend]bool
	causes  map[cause]bool

	// in is the VPC that the service is in.
	in         object.VPC
	conditions []object.Condition
	// chosen are the endpoints that the service selects, once somebody has asked.
	chosen []*object.Endpoint
	// ranges are where clients of the load balancer come from; none: from anywhere.
	ranges []netip.Prefix
	// gates are those that the service has for clients outside.
	gates []*gate
}

// frontend is an address and port in a VPC, and a protocol; VNI 0 is the outside, where
// the unspecified address stands for those of all hosts.
type frontend struct {
	vni      uint32
	protocol corev1.Protocol
	at       netip.AddrPort
}

func (r *reader) fail(field, problem string) {
	r.conditions = append(r.conditions, object.Condition{
		Object: string(object.KindService) + "/" + r.service.Key(), At: r.service.At, Field: field, Problem: problem,
	})
}

// failSlice tells what is wrong with a slice of the service, once for all ports.
func (r *reader) failSlice(s *object.EndpointSlice, field, problem string) {
	c := object.Condition{Object: string(object.KindEndpointSlice) + "/" + s.Key(), At: s.At, Field: field, Problem: problem}
	if !slices.Contains(r.conditions, c) {
		r.conditions = append(r.conditions, c)
	}
}

// local says that clients of the cluster addresses get backends of their own host.
func (r *reader) local() bool {
	return value(r.service.Spec.InternalTrafficPolicy, corev1.ServiceInternalTrafficPolicyCluster) == corev1.ServiceInternalTrafficPolicyLocal
}

// read makes the choices of the service: for each port and family, and where backends
// are local to a host, one for the cluster addresses and one for all others.
func (r *reader) read() []*choice {
	spec := &r.service.Spec
	if spec.Type == corev1.ServiceTypeExternalName || spec.ClusterIP == corev1.ClusterIPNone {
		return nil
	}
	var ok bool
	if r.in, ok = r.vpc(); !ok {
		return nil
	}
	r.undone()
	cluster := r.clusterAddresses()
	others, ranged := r.otherAddresses()
	var all []*choice
	for i := range spec.Ports {
		port := &spec.Ports[i]
		backends := r.backends(port)
		for _, family := range []int{4, 6} {
			own := of(backends, family, func(b backend) netip.Addr { return b.addr.Addr() })
			if len(own) > MaxBackends {
				r.fail("spec.ports", fmt.Sprintf("port %s has %d backends of IPv%d; those beyond %d in order of addresses are left out", portName(port), len(own), family, MaxBackends))
			}
			add := func(addrs []netip.Addr, reach reach) {
				if one := r.choice(port, of(addrs, family, self)); one != nil {
					one.name, one.backends, one.reach = r.name(port, family, reach), own, reach
					all = append(all, one)
				}
			}
			for _, one := range []*gate{r.gate(port, family, of(others, family, self), own), r.rangedGate(port, family, of(ranged, family, self), own)} {
				if one != nil {
					r.gates = append(r.gates, one)
				}
			}
			if r.local() {
				add(cluster, hostOnly)
				add(others, r.distribution())
			} else {
				add(slices.Concat(cluster, others), r.distribution())
			}
		}
	}
	return all
}

func self(a netip.Addr) netip.Addr { return a }

// of are those that have an address of a family, which may be all; they are only read.
func of[T any](all []T, family int, addr func(T) netip.Addr) []T {
	is := func(one T) bool { return addr(one).Is4() == (family == 4) }
	if !slices.ContainsFunc(all, func(one T) bool { return !is(one) }) {
		return all
	}
	var out []T
	for _, one := range all {
		if is(one) {
			out = append(out, one)
		}
	}
	return out
}

// name tells a choice from all others: "namespace/name:port/family", then "/udp" or
// "/sctp", then "/local".
func (r *reader) name(port *corev1.ServicePort, family int, reach reach) string {
	name := fmt.Sprintf("%s:%d/%d%s", r.service.Key(), port.Port, family, protocols[protocol(port)].suffix)
	if reach == hostOnly {
		name += "/local"
	}
	return name
}

// protocols are by name: IP's number, and what names of choices have of it.
var protocols = map[corev1.Protocol]struct {
	number uint8
	suffix string
}{
	corev1.ProtocolTCP:  {6, ""},
	corev1.ProtocolUDP:  {17, "/udp"},
	corev1.ProtocolSCTP: {132, "/sctp"},
}

func protocol(port *corev1.ServicePort) corev1.Protocol {
	return cmp.Or(port.Protocol, corev1.ProtocolTCP)
}

// portName is how people find a port: by name, or by number.
func portName(port *corev1.ServicePort) string { return cmp.Or(port.Name, fmt.Sprint(port.Port)) }

// choice is one with the frontends that no service before has; nil: there are none.
func (r *reader) choice(port *corev1.ServicePort, addrs []netip.Addr) *choice {
	one := &choice{vni: r.in.VNI, protocol: protocols[protocol(port)].number, affinity: r.affinity()}
	for _, addr := range addrs {
		at := netip.AddrPortFrom(addr, uint16(port.Port))
		key := frontend{r.in.VNI, protocol(port), at}
		if r.claimed[key] {
			continue // written twice
		}
		r.claimed[key] = true
		if owner := r.owner(key); owner == r.service.Key() {
			one.frontends = append(one.frontends, at)
		} else {
			r.fail("spec.ports", fmt.Sprintf("%s/%s is a frontend of service %s of the same VPC, which is before this one in order of names and keeps it", at, protocol(port), owner))
		}
	}
	if len(one.frontends) == 0 {
		return nil
	}
	slices.SortFunc(one.frontends, netip.AddrPort.Compare)
	return one
}

// owner is the first service, in order of names, that asks for a frontend.
func (r *reader) owner(at frontend) string {
	owner := r.service.Key()
	for other := range r.claims[at] {
		owner = min(owner, other)
	}
	return owner
}
