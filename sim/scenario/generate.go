// SPDX-License-Identifier: Apache-2.0

package scenario

import (
	"fmt"
	"net/netip"

	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/sim/wire"
)

// Size says how large a generated network is.
type Size struct {
	Hosts, Endpoints int
	// Wires to run on; default: testrun and veth.
	Wires []string
}

// Limits of a generated network: what its addresses have room for.
const (
	maxHosts     = 4000
	maxEndpoints = 16000
)

// The shape of a generated network: two VPCs with the same addresses, four
// subnets each.
const (
	generatedVPCs    = 2
	generatedSubnets = 4
)

// Generate makes a scenario of a size. Endpoints are spread over hosts, VPCs
// and subnets in turn; each pings one other of its VPC, every tenth speaks all
// protocols in both families, and at the end nothing was dropped. The same
// size makes the same scenario.
func Generate(size Size) (*Scenario, error) {
	if size.Hosts < 1 || size.Hosts > maxHosts || size.Endpoints < 2*generatedVPCs || size.Endpoints > maxEndpoints {
		return nil, fmt.Errorf("generate a network of %d hosts and %d endpoints: want 1 to %d hosts, %d to %d endpoints",
			size.Hosts, size.Endpoints, maxHosts, 2*generatedVPCs, maxEndpoints)
	}
	set, err := object.New(size.draft())
	if err != nil {
		return nil, fmt.Errorf("generate a network: %w", err)
	}
	s := &Scenario{
		Name:  fmt.Sprintf("generated-%d-%d", size.Hosts, size.Endpoints),
		Title: fmt.Sprintf("%d hosts, %d endpoints", size.Hosts, size.Endpoints),
		Wires: size.Wires, Objects: set, Steps: size.steps(),
	}
	if len(s.Wires) == 0 {
		s.Wires = wireNames
	}
	return s, nil
}

func (z Size) draft() object.Draft {
	var d object.Draft
	for h := range z.Hosts {
		d.Hosts = append(d.Hosts, object.Host{
			Meta:      object.Meta{Name: hostName(h)},
			Addresses: []netip.Addr{netip.AddrFrom4([4]byte{172, 16, byte(h >> 8), byte(h)}).Next()},
		})
	}
	for v := range generatedVPCs {
		d.VPCs = append(d.VPCs, object.VPC{Meta: object.Meta{Name: vpcName(v)}, VNI: uint32(100 + v)})
		for s := range generatedSubnets {
			d.Subnets = append(d.Subnets, object.Subnet{
				Meta: object.Meta{Name: subnetName(v, s)}, VPC: vpcName(v),
				CIDRs: []netip.Prefix{
					netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(s), 0, 0}), 16),
					netip.PrefixFrom(netip.AddrFrom16([16]byte{0xfd, 15: 0, 7: byte(s)}), 64),
				},
			})
		}
	}
	for e := range z.Endpoints {
		d.Endpoints = append(d.Endpoints, z.endpoint(e))
	}
	return d
}

// endpoint is the n-th endpoint: VPCs take turns first, then subnets, then
// hosts.
func (z Size) endpoint(n int) object.Endpoint {
	v, s := n%generatedVPCs, n/generatedVPCs%generatedSubnets
	last := n/(generatedVPCs*generatedSubnets) + 2 // after the gateway
	return object.Endpoint{
		Meta:   object.Meta{Name: endpointName(n), Namespace: object.DefaultNamespace},
		Subnet: subnetName(v, s), Host: hostName(n / generatedVPCs % z.Hosts),
		Addresses: []netip.Addr{
			netip.AddrFrom4([4]byte{10, byte(s), byte(last >> 8), byte(last)}),
			netip.AddrFrom16([16]byte{0xfd, 7: byte(s), 14: byte(last >> 8), 15: byte(last)}),
		},
	}
}

func (z Size) steps() []Step {
	const (
		far      = 7 * generatedVPCs // another host and subnet of the same VPC
		echoPort = 7
	)
	var steps []Step
	for n := range z.Endpoints {
		to := (n + far) % (z.Endpoints / generatedVPCs * generatedVPCs)
		if to == n || to%generatedVPCs != n%generatedVPCs {
			continue
		}
		p := Probe{
			Protos: []wire.Proto{wire.ICMP}, Family: 4, Count: 2, Port: echoPort,
			From: object.EndpointKey(endpointName(n)), To: Target{Endpoint: object.EndpointKey(endpointName(to))},
			Expect: Expect{Verdict: Deliver},
		}
		if n%10 == 0 {
			p.Protos, p.Family = []wire.Proto{wire.ICMP, wire.TCP, wire.UDP}, 0
		}
		steps = append(steps, Step{Name: fmt.Sprintf("%s reaches %s", endpointName(n), endpointName(to)), Probe: &p})
	}
	return append(steps, Step{Name: "nothing was dropped", Assert: &Assert{Only: true}})
}

func hostName(n int) string      { return fmt.Sprintf("h%d", n) }
func vpcName(n int) string       { return fmt.Sprintf("vpc%d", n) }
func endpointName(n int) string  { return fmt.Sprintf("e%d", n) }
func subnetName(v, s int) string { return fmt.Sprintf("%s-%d", vpcName(v), s) }
