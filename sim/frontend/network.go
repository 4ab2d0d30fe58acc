// SPDX-License-Identifier: Apache-2.0

// Package frontend proves of services what takes more flows, or stranger datagrams, than a
// scenario has:
//
//	Spread     a thousand flows to four backends are spread as chance would have it (C2)
//	Crowd      each of a thousand backends is reached (C10)
//	Unsummed   who gives a datagram no checksum gets none (C8)
//	Moves      a backend that goes or comes moves about its own share of flows (C3)
//	SCTP       the checksum of SCTP follows the ports (C14)
package frontend

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/mizar-net/mizar/controlplane/compile"
	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/wire"
	"github.com/mizar-net/mizar/sim/wire/testrun"
)

// hosts are how many there are: the client's is the first, backends are behind all.
const hosts = 2

// The frontend's port, and the backends'.
const (
	port       = 80
	targetPort = 8080
)

const clientName = "x/client"

// The client's addresses, and the service's.
var (
	client   = map[int]netip.Addr{4: netip.MustParseAddr("10.0.0.10"), 6: netip.MustParseAddr("fd00::a")}
	frontend = map[int]netip.Addr{4: netip.MustParseAddr("172.20.0.1"), 6: netip.MustParseAddr("fd99::1")}
)

// protocols are what services are asked by.
var protocols = []struct {
	proto  wire.Proto
	number uint8
}{{wire.TCP, 6}, {wire.UDP, 17}}

// Sound leaves a wire as it is.
func Sound(w wire.Wire) wire.Wire { return w }

// network is a testrun wire with a service of some backends.
type network struct {
	wire.Wire
	pool   *testrun.Pool
	states []state.Host
	// sent counts flows.
	sent int
	// behind is what stands behind each service.
	behind map[asked][]wire.Backend
}

// asked is which service of the network is asked.
type asked struct {
	family int
	proto  wire.Proto
}

// open makes a network; plant may break its wire.
func open(ctx context.Context, backends int, plant func(wire.Wire) wire.Wire) (*network, error) {
	set, err := objects(backends)
	if err != nil {
		return nil, err
	}
	pool := &testrun.Pool{}
	n := &network{Wire: plant(testrun.New(pool.Make)), pool: pool, states: compile.Hosts(set), behind: map[asked][]wire.Backend{}}
	if err := n.Apply(ctx, n.states); err != nil {
		return nil, errors.Join(fmt.Errorf("apply a service of %d backends: %w", backends, err), n.Close())
	}
	return n, nil
}

// Close takes the network down.
func (n *network) Close() error { return errors.Join(n.Wire.Close(), n.pool.Close()) }

// ports are what a service of some backends is asked by; of many by two protocols alone:
// the maps of simulated hosts have no room for more.
func ports(backends int) []core.ServicePort {
	all := []core.ServicePort{
		{Name: "tcp", Port: port, TargetPort: intstr.FromInt32(targetPort), Protocol: core.ProtocolTCP},
		{Name: "udp", Port: port, TargetPort: intstr.FromInt32(targetPort), Protocol: core.ProtocolUDP},
	}
	if backends == many {
		return all
	}
	return append(all, core.ServicePort{Name: "sctp", Port: port, TargetPort: intstr.FromInt32(targetPort), Protocol: core.ProtocolSCTP})
}

// objects are a client and some backends of a service in one subnet of a VPC.
func objects(backends int) (object.Set, error) {
	app, roles := map[string]string{"app": "web"}, object.Placement{Hosts: []string{"h0"}}
	d := object.Draft{
		VPCs: []object.VPC{{Meta: object.Meta{Name: "red"}, VNI: 100, Dividers: roles}},
		Subnets: []object.Subnet{{
			Meta: object.Meta{Name: "s"}, VPC: "red", Bouncers: roles,
			CIDRs: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/16"), netip.MustParsePrefix("fd00::/64")},
		}},
		Endpoints: []object.Endpoint{{
			Meta: object.Meta{Name: "client", Namespace: "x"}, Subnet: "s", Host: "h0", Addresses: []netip.Addr{client[4], client[6]},
		}},
		Services: []object.Service{{Meta: object.Meta{Name: "web", Namespace: "x"}, Spec: core.ServiceSpec{
			Selector: app, ClusterIP: frontend[4].String(), ClusterIPs: []string{frontend[4].String(), frontend[6].String()},
			IPFamilies: []core.IPFamily{core.IPv4Protocol, core.IPv6Protocol},
			Ports:      ports(backends),
		}}},
	}
	for h := range hosts {
		d.Hosts = append(d.Hosts, object.Host{
			Meta: object.Meta{Name: fmt.Sprint("h", h)}, Addresses: []netip.Addr{netip.AddrFrom4([4]byte{192, 0, 2, byte(h + 1)})},
		})
	}
	for b := range backends {
		high, low := byte(b>>8)+1, byte(b)
		d.Endpoints = append(d.Endpoints, object.Endpoint{
			Meta: object.Meta{Name: fmt.Sprint("web-", b), Namespace: "x", Labels: app}, Subnet: "s", Host: fmt.Sprint("h", b%hosts),
			Addresses: []netip.Addr{
				netip.AddrFrom4([4]byte{10, 0, high, low}), netip.AddrFrom16([16]byte{0: 0xfd, 14: high, 15: low}),
			},
		})
	}
	set, err := object.New(d)
	if err != nil {
		return object.Set{}, fmt.Errorf("make a service of %d backends: %w", backends, err)
	}
	return set, nil
}

// service is the one of a family and a protocol, as the client's host has it.
func (n *network) service(family int, protocol uint8) (state.Service, error) {
	for _, s := range n.states[0].Services {
		if s.Protocol == protocol && s.Frontends[0].Addr() == frontend[family] {
			return s, nil
		}
	}
	return state.Service{}, fmt.Errorf("find the service of IPv%d and protocol %d among %d", family, protocol, len(n.states[0].Services))
}
