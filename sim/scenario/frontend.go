// SPDX-License-Identifier: Apache-2.0

package scenario

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/controlplane/object/strict"
	"github.com/mizar-net/mizar/sim/wire"
	"github.com/mizar-net/mizar/topology"
)

// Frontend is a service that somebody talks to, as it is when that begins.
type Frontend struct {
	// Service is the [object.Meta.Key] of the service.
	Service string
	// Addresses are the cluster addresses, at most one a family.
	Addresses []netip.Addr

	ports []corev1.ServicePort
}

// FrontendOf is a service as it is now.
func FrontendOf(s object.Service) *Frontend {
	f := &Frontend{Service: s.Key(), ports: s.Spec.Ports}
	texts := s.Spec.ClusterIPs
	if len(texts) == 0 {
		texts = []string{s.Spec.ClusterIP}
	}
	for _, text := range texts {
		if a, err := netip.ParseAddr(text); err == nil {
			f.Addresses = append(f.Addresses, a)
		}
	}
	return f
}

// ServiceMark begins the names of services among those of endpoints, as in a
// change: "Service/blue/web".
const ServiceMark = string(object.KindService) + "/"

// String is the name that people call the service by: "Service/web".
func (f *Frontend) String() string { return ServiceMark + Short(f.Service) }

// Addr is the cluster address of a family, 4 or 6.
func (f *Frontend) Addr(family int) (netip.Addr, bool) {
	for _, a := range f.Addresses {
		if isFamily(family)(a) {
			return a, true
		}
	}
	return netip.Addr{}, false
}

// target reads the name of an endpoint or a service, or an address.
func (d *decoder) target(v strict.Value) Target {
	if v.Present() && strings.HasPrefix(v.Node().Value, ServiceMark) {
		return Target{Service: d.frontend(v)}
	}
	endpoint, addr := d.peer(v)
	return Target{Endpoint: endpoint, Addr: addr}
}

// targetOrOutsider is target, and may be somebody outside.
func (d *decoder) targetOrOutsider(v strict.Value) Target {
	if !v.Present() || !strings.HasPrefix(v.Node().Value, topology.OutsideMark) {
		return d.target(v)
	}
	var known []string
	for _, o := range d.outside() {
		if known = append(known, o.Name); o.Name == v.Text() {
			return Target{Outsider: o.Name}
		}
	}
	unknown(v, "name outside", v.Text(), known)
	return Target{}
}

// frontend reads the name of a service that has cluster addresses.
func (d *decoder) frontend(v strict.Value) *Frontend {
	text := v.Text()
	s, ok := d.set.Service(strings.TrimPrefix(text, ServiceMark))
	if !ok {
		var known []string
		for _, s := range d.set.Services {
			known = append(known, ServiceMark+Short(s.Key()))
		}
		unknown(v, "service", text, known)
		return nil
	}
	f := FrontendOf(s)
	if len(f.Addresses) == 0 {
		v.FailGot(text+", which has no cluster address", "a service that has one, or an address")
	}
	return f
}

// portTo reads a port of whom a step talks to: a number, or the name of one of a
// service's. Nothing stands for the only one of a service, or port 7.
func (d *decoder) portTo(v strict.Value, to Target, protos ...wire.Proto) uint16 {
	if d.shape != nil {
		v.Text()
	}
	switch f := to.Service; {
	case v.IsText():
		return d.namedPort(v, f)
	case v.Present() || d.shape != nil:
		return uint16(v.Int(1, 65535))
	case f != nil && len(f.ports) == 1:
		return uint16(f.ports[0].Port)
	case f != nil && slices.ContainsFunc(protos, func(p wire.Proto) bool { return p != wire.ICMP }):
		v.FailGot("no port", fmt.Sprintf("one of the %d of %s", len(f.ports), f))
	}
	return 7
}

func (d *decoder) namedPort(v strict.Value, of *Frontend) uint16 {
	if of == nil {
		v.Fail("a number: only the ports of services have names")
		return 0
	}
	var known []string
	for _, p := range of.ports {
		if p.Name == v.Text() {
			return uint16(p.Port)
		}
		known = append(known, p.Name)
	}
	unknown(v, "port", v.Text(), known)
	return 0
}
