// SPDX-License-Identifier: Apache-2.0

package service

import (
	"fmt"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/mizar-net/mizar/controlplane/object"
)

// backend is an address and port behind a service, and how it is doing.
type backend struct {
	addr netip.AddrPort
	// host is the host that it is at, zone the zone; "": none that is known.
	host, zone string
	// ready ones are chosen from; where there are none, from the draining: those
	// that serve although they terminate.
	ready, draining bool
}

// usable are the addresses of the backends that are chosen from: sorted, each once,
// at most [MaxBackends].
func usable(all []backend) []netip.AddrPort {
	pick := func(good func(*backend) bool) []netip.AddrPort {
		var out []netip.AddrPort
		for i := range all {
			if !good(&all[i]) {
				continue
			}
			if out == nil {
				out = make([]netip.AddrPort, 0, len(all)-i)
			}
			out = append(out, all[i].addr)
		}
		slices.SortFunc(out, netip.AddrPort.Compare)
		out = slices.Compact(out)
		return out[:min(len(out), MaxBackends)]
	}
	if ready := pick(func(b *backend) bool { return b.ready }); len(ready) > 0 {
		return ready
	}
	return pick(func(b *backend) bool { return b.draining })
}

// backends are those of one port, of both families.
func (r *reader) backends(port *corev1.ServicePort) []backend {
	if all := r.slices(); len(all) > 0 {
		return r.fromSlices(all, port)
	}
	return r.fromEndpoints(port)
}

// fromSlices are the backends that slices name. Of the addresses of one endpoint, which
// are all alike, the first counts.
func (r *reader) fromSlices(all []*object.EndpointSlice, port *corev1.ServicePort) []backend {
	var out []backend
	for _, s := range all {
		number, ok := slicePort(s, port)
		if !ok {
			continue
		}
		for i, e := range s.Endpoints {
			if len(e.Addresses) == 0 {
				continue
			}
			addr, problem := parse(e.Addresses[0])
			if problem != "" {
				r.failSlice(s, fmt.Sprintf("endpoints[%d].addresses[0]", i), fmt.Sprintf("%s %s; it is left out", e.Addresses[0], problem))
				continue
			}
			b := r.condition(e.Conditions)
			b.addr = netip.AddrPortFrom(addr, number)
			b.host, b.zone = r.where(addr, &e)
			out = append(out, b)
		}
	}
	return out
}

// slicePort is the number that a slice has for a port of the service, by its name and
// protocol.
func slicePort(s *object.EndpointSlice, port *corev1.ServicePort) (uint16, bool) {
	for _, p := range s.Ports {
		if value(p.Name, "") == port.Name && value(p.Protocol, corev1.ProtocolTCP) == protocol(port) && p.Port != nil {
			return uint16(*p.Port), true
		}
	}
	return 0, false
}

// condition says how an endpoint is doing. What is not said is well: ready, and
// serving if ready.
func (r *reader) condition(c discoveryv1.EndpointConditions) backend {
	ready := value(c.Ready, true)
	return backend{
		ready:    ready || r.service.Spec.PublishNotReadyAddresses,
		draining: value(c.Serving, ready) && value(c.Terminating, false),
	}
}

// where is the host and the zone of an endpoint of a slice: those of the endpoint that
// has the address, or else what the slice says. Hints count for more.
func (r *reader) where(addr netip.Addr, of *discoveryv1.Endpoint) (host, zone string) {
	if !r.local() && r.distribution() == everywhere {
		return "", "" // nobody asks
	}
	host, zone = value(of.NodeName, ""), value(of.Zone, "")
	if e := r.endpoint(r.in.Name, addr); e != nil {
		host = e.Host
	}
	if zone == "" {
		zone = r.world.zones[host]
	}
	if of.Hints != nil && len(of.Hints.ForZones) > 0 {
		zone = of.Hints.ForZones[0].Name
	}
	return host, zone
}

// fromEndpoints are the endpoints of the service's VPC that its selector selects. One
// that has no port of the name that the service asks for is none of them.
func (r *reader) fromEndpoints(port *corev1.ServicePort) []backend {
	all := r.selected()
	out := make([]backend, 0, len(all))
	selected, named := 0, 0
	for _, e := range all {
		if r.world.vpcOf[e.Subnet] != r.in.Name {
			continue
		}
		selected++
		number, ok := endpointPort(e, port)
		if !ok {
			continue
		}
		named++
		for _, addr := range e.Addresses {
			out = append(out, backend{addr: netip.AddrPortFrom(addr, number), host: e.Host, zone: r.world.zones[e.Host], ready: true})
		}
	}
	if selected > 0 && named == 0 {
		r.fail("spec.ports", fmt.Sprintf("port %s has the target %q, and none of the endpoints has a port of that name with the protocol %s; it has no backends",
			portName(port), port.TargetPort.StrVal, protocol(port)))
	}
	return out
}

// endpointPort is the number of an endpoint's port that the service's leads to.
func endpointPort(e *object.Endpoint, port *corev1.ServicePort) (uint16, bool) {
	switch {
	case port.TargetPort.Type == intstr.String && port.TargetPort.StrVal != "":
		i := slices.IndexFunc(e.Ports, func(p object.Port) bool {
			return p.Name == port.TargetPort.StrVal && p.Protocol == protocol(port)
		})
		if i < 0 {
			return 0, false
		}
		return e.Ports[i].Number, true
	case port.TargetPort.IntVal != 0:
		return uint16(port.TargetPort.IntVal), true
	}
	return uint16(port.Port), true
}

// value is what a pointer points to, or what is so when nothing is said.
func value[T any](p *T, unsaid T) T {
	if p == nil {
		return unsaid
	}
	return *p
}
