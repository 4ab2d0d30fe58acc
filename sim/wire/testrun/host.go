// SPDX-License-Identifier: Apache-2.0

package testrun

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/link"
	"github.com/mizar-net/mizar/sim/wire"
	"github.com/mizar-net/mizar/topology"
)

const (
	// uplinkPort is the number of every host's uplink.
	uplinkPort = 1
	// firstPort is the number of a host's first endpoint port.
	firstPort = 100
)

// host is a machine and its place on the underlay.
type host struct {
	name    string
	machine Machine
	mac     state.MAC
	// state is what the host is meant to hold; while it is behind, its machine
	// holds an earlier one.
	state state.Host
	// segment of the underlay that the uplink is on.
	segment string
	// ports are the numbers of the endpoints' ports, by endpoint name, as the
	// machine knows them.
	ports     map[string]uint32
	condition wire.Condition
	// in and out are the directions of its link, lost what was lost outside of
	// programs, by reason.
	in, out *link.Line
	lost    map[string]uint64
	// ahead is how far its clock is before the others'.
	ahead time.Duration
}

// endpoint is an endpoint and its stack's configuration.
type endpoint struct {
	state.Endpoint
	host   *host
	subnet state.Subnet
}

// nobody is the MAC that frames to an address without a host go to.
var nobody = state.MAC{0x02, 0x4d, 0x48, 0xff, 0xff, 0xff}

// outside are the next hops to the outside of a host that serves it: of the families that
// it has addresses of. Whoever is outside is on every segment.
func outside(s state.Host) map[netip.Addr]state.MAC {
	all := map[netip.Addr]state.MAC{}
	for _, a := range s.Addresses {
		switch {
		case len(s.Outside) == 0:
		case a.Is4():
			all[netip.IPv4Unspecified()] = topology.OutsideMAC
		default:
			all[netip.IPv6Unspecified()] = topology.OutsideMAC
		}
	}
	return all
}

// uplinkMAC is the address of the n-th host's uplink, from 1.
func uplinkMAC(n int) state.MAC {
	return state.MAC{0x02, 0x4d, 0x48, byte(n >> 16), byte(n >> 8), byte(n)}
}

// renumber returns the ports of a state: those it had, and the lowest free
// numbers for new endpoints.
func (h *host) renumber(s state.Host) map[string]uint32 {
	ports := map[string]uint32{}
	taken := map[uint32]bool{}
	for _, e := range s.Endpoints {
		if n, ok := h.ports[e.Name]; ok {
			ports[e.Name] = n
			taken[n] = true
		}
	}
	next := uint32(firstPort)
	for _, e := range s.Endpoints {
		if _, ok := ports[e.Name]; ok {
			continue
		}
		for taken[next] {
			next++
		}
		ports[e.Name] = next
		taken[next] = true
	}
	return ports
}

// portName is the endpoint behind a port's number.
func (h *host) portName(number uint32) (string, bool) {
	for name, n := range h.ports {
		if n == number {
			return name, true
		}
	}
	return "", false
}

// endpoints returns the endpoints of a host, each with its subnet.
func (h *host) endpoints() ([]*endpoint, error) {
	var all []*endpoint
	for _, e := range h.state.Endpoints {
		i := slices.IndexFunc(h.state.Subnets, func(s state.Subnet) bool { return s.Name == e.Subnet })
		if i < 0 {
			return nil, fmt.Errorf("endpoint %s of host %s: the state has no subnet %s", e.Name, h.name, e.Subnet)
		}
		all = append(all, &endpoint{Endpoint: e, host: h, subnet: h.state.Subnets[i]})
	}
	return all, nil
}

// address is the endpoint's own address of a family.
func (e *endpoint) address(family netip.Addr) (netip.Addr, error) {
	for _, a := range e.Addresses {
		if a.Is4() == family.Is4() {
			return a, nil
		}
	}
	return netip.Addr{}, fmt.Errorf("endpoint %s has no address of the family of %s (it has %v)", e.Name, family, e.Addresses)
}

// neighbour is whom the endpoint's stack gives packets to an address to: the
// address itself in the own subnet, else the gateway.
func (e *endpoint) neighbour(to netip.Addr) (netip.Addr, error) {
	for i, p := range e.subnet.CIDRs {
		switch {
		case p.Addr().Is4() != to.Is4():
			continue
		case p.Contains(to):
			return to, nil
		case i < len(e.subnet.Gateways):
			return e.subnet.Gateways[i], nil
		}
	}
	return netip.Addr{}, fmt.Errorf("endpoint %s: its subnet %s has no gateway of the family of %s", e.Name, e.subnet.Name, to)
}
