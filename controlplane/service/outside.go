// SPDX-License-Identifier: Apache-2.0

package service

import (
	"fmt"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/dataplane/state"
)

// gate is what clients outside have in common who come to one port of a service by one
// protocol and family.
type gate struct {
	name     string
	vni      uint32
	protocol uint8
	family   int
	// node is the number of the node port, at every host; 0: there is none.
	node uint16
	// frontends are those that are the same at every host.
	frontends []netip.AddrPort
	backends  []located
	reach     reach
	// ranges are where clients come from; none: from anywhere.
	ranges []netip.Prefix
	alike  bool
	// made is what was made for hosts, by name; of a gate that is the same for all by "".
	made map[string]*madeGate
}

// madeGate are the backends that hosts choose from which have them alike.
type madeGate struct {
	backends []state.OutsideBackend
	table    *table
}

// toldGates is what a host was told that has some addresses: gates, and what they are there.
type toldGates struct {
	host      string
	addresses []netip.Addr
	gates     []*gate
	all       []state.OutsideService
}

// located is a backend that is an endpoint.
type located struct {
	backend
	generation uint8
}

// Outside is what a host must hold for clients outside that come to it, in order of names:
// the services of all VPCs that have node ports, external addresses or those of a load
// balancer. What it returns is never changed again.
func (c *Compiler) Outside(h object.Host) []state.OutsideService {
	c.asked = true
	before := c.lastGates
	if before.host != h.Name || !slices.Equal(before.addresses, h.Addresses) {
		before = toldGates{host: h.Name, addresses: h.Addresses}
	}
	now := toldGates{host: h.Name, addresses: h.Addresses}
	if len(c.gates) > 0 {
		now.gates, now.all = make([]*gate, 0, len(c.gates)), make([]state.OutsideService, 0, len(c.gates))
	}
	for _, g := range c.gates {
		s, told := before.take(g)
		if !told {
			s = c.outside(g, h)
		}
		if len(s.Frontends) > 0 {
			now.gates, now.all = append(now.gates, g), append(now.all, *s)
		}
	}
	c.lastGates = now
	if len(now.all) == 0 {
		return nil
	}
	return now.all
}

// take is what a gate was said to be, if it was; it is asked for gates in order of names.
func (t *toldGates) take(g *gate) (s *state.OutsideService, told bool) {
	for len(t.gates) > 0 && t.gates[0] != g && t.gates[0].name <= g.name {
		t.gates, t.all = t.gates[1:], t.all[1:]
	}
	if len(t.gates) == 0 || t.gates[0] != g {
		return nil, false
	}
	return &t.all[0], true
}

// outside is a gate as a host has it.
func (c *Compiler) outside(g *gate, h object.Host) *state.OutsideService {
	m := c.locate(g, h.Name)
	s := state.OutsideService{
		Name: g.name, VNI: g.vni, Protocol: g.protocol, Alike: g.alike, Ranges: g.ranges,
		Frontends: slices.Clone(g.frontends), Backends: m.backends, Table: m.table.places,
	}
	for _, a := range h.Addresses {
		if g.node != 0 && a.Is4() == (g.family == 4) {
			s.Frontends = append(s.Frontends, netip.AddrPortFrom(a, g.node))
		}
	}
	slices.SortFunc(s.Frontends, netip.AddrPort.Compare)
	return &s
}

// locate are the backends that a host chooses from, with where they are, and their table.
func (c *Compiler) locate(g *gate, host string) *madeGate {
	by := host
	if g.reach == everywhere {
		by = ""
	}
	if m := g.made[by]; m != nil {
		return m
	}
	at := make(map[netip.AddrPort]located, len(g.backends))
	plain := make([]backend, 0, len(g.backends))
	for _, b := range g.backends {
		at[b.addr] = b
		plain = append(plain, b.backend)
	}
	m := &madeGate{table: c.tables.use(usable(g.reach.within(plain, host, c.world.zones[host])))}
	for _, a := range m.table.backends {
		m.backends = append(m.backends, state.OutsideBackend{At: a, Host: at[a].host, Generation: at[a].generation})
	}
	g.made[by] = m
	return m
}

// gate is that of a port and a family; nil: nobody outside comes there. Addresses are
// those of the service that are of no VPC, and that everybody may come to.
func (r *reader) gate(port *corev1.ServicePort, family int, addrs []netip.Addr, backends []backend) *gate {
	g := r.newGate(port, family)
	if r.hasNodePort(port) && r.speaks(family) && r.claim(port, netip.AddrPortFrom(unspecified(family), uint16(port.NodePort))) {
		g.node = uint16(port.NodePort)
	}
	return r.opened(g, port, addrs, backends)
}

// rangedGate is that of a load balancer's addresses that are not for everybody.
func (r *reader) rangedGate(port *corev1.ServicePort, family int, addrs []netip.Addr, backends []backend) *gate {
	g := r.newGate(port, family)
	g.name, g.ranges = g.name+"/ranges", r.ranges
	return r.opened(g, port, addrs, backends)
}

func (r *reader) newGate(port *corev1.ServicePort, family int) *gate {
	g := &gate{
		name: fmt.Sprintf("%s:%d/%d%s/outside", r.service.Key(), port.Port, family, protocols[protocol(port)].suffix),
		vni:  r.in.VNI, protocol: protocols[protocol(port)].number, family: family,
		reach: r.distribution(), alike: r.affinity() > 0, made: map[string]*madeGate{},
	}
	if r.service.Spec.ExternalTrafficPolicy == corev1.ServiceExternalTrafficPolicyLocal {
		g.reach = hostOnly
	}
	return g
}

// opened is a gate with the frontends at some addresses, and its backends; nil: it has no
// frontend.
func (r *reader) opened(g *gate, port *corev1.ServicePort, addrs []netip.Addr, backends []backend) *gate {
	for _, a := range addrs {
		at := netip.AddrPortFrom(a, uint16(port.Port))
		if r.world.hosts[a] {
			r.fail("spec.ports", fmt.Sprintf("%s/%s is of a host's own address; clients outside of the VPC are not served there", at, protocol(port)))
		} else if !slices.Contains(g.frontends, at) && r.claim(port, at) {
			g.frontends = append(g.frontends, at)
		}
	}
	if g.node == 0 && len(g.frontends) == 0 {
		return nil
	}
	g.backends = r.locate(backends)
	return g
}

// hasNodePort says that the service's type has node ports; the number may be left over
// from another type.
func (r *reader) hasNodePort(port *corev1.ServicePort) bool {
	kind := r.service.Spec.Type
	return port.NodePort != 0 && (kind == corev1.ServiceTypeNodePort || kind == corev1.ServiceTypeLoadBalancer)
}

// speaks says that the service is of a family: by what is written, or by its cluster
// addresses; of both, where nothing says it.
func (r *reader) speaks(family int) bool {
	spec := &r.service.Spec
	families := slices.Clone(spec.IPFamilies)
	for _, text := range append(slices.Clone(spec.ClusterIPs), spec.ClusterIP) {
		if addr, err := netip.ParseAddr(text); err == nil && addr.Is4() {
			families = append(families, corev1.IPv4Protocol)
		} else if err == nil {
			families = append(families, corev1.IPv6Protocol)
		}
	}
	want := corev1.IPv6Protocol
	if family == 4 {
		want = corev1.IPv4Protocol
	}
	return len(families) == 0 || slices.Contains(families, want)
}

// unspecified stands for the addresses of all hosts of a family.
func unspecified(family int) netip.Addr {
	if family == 4 {
		return netip.IPv4Unspecified()
	}
	return netip.IPv6Unspecified()
}

// claim takes a frontend for the service, unless one before has it, of whatever VPC.
func (r *reader) claim(port *corev1.ServicePort, at netip.AddrPort) bool {
	key := frontend{0, protocol(port), at}
	r.claimed[key] = true
	owner := r.owner(key)
	if owner != r.service.Key() {
		r.fail("spec.ports", fmt.Sprintf("%s/%s is a frontend of service %s for clients outside, which is before this one in order of names and keeps it", at, protocol(port), owner))
	}
	return owner == r.service.Key()
}

// locate are those of the backends that are endpoints: only of these is it known where
// they are.
func (r *reader) locate(backends []backend) []located {
	var all []located
	for _, b := range backends {
		e := r.endpoint(r.in.Name, b.addr.Addr())
		if e == nil {
			r.fail("spec.ports", fmt.Sprintf("backend %s is no endpoint; clients outside are not led there", b.addr))
			continue
		}
		b.host = e.Host
		all = append(all, located{b, e.Generation})
	}
	return all
}
