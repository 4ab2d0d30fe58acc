// SPDX-License-Identifier: Apache-2.0

// Package crowd makes states of one host with as many rows as one likes, to see
// what they cost: VPCs, hosts, endpoints behind the host, and the directory of a
// bouncer. Everything is numbered from 0, and numbers mean the same in a small
// crowd and in a large one.
//
//	VPC v       VNI 100 + v, with three subnets of the same addresses in each VPC
//	home        10.0.0.0/12,  fd00:a::/64   where the host's endpoints live
//	bounced     10.64.0.0/10, fd00:b::/64   the host has the directory of it
//	divided     10.16.0.0/12, fd00:c::/64   the host knows only who bounces it
//	endpoint n  in VPC n % VPCs, with an address of both families
package crowd

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/mizar-net/mizar/dataplane/state"
)

// VNI is that of the first VPC.
const VNI = 100

// Host is the name of the host whose state it is.
const Host = "host"

// Port is the interface index of endpoint 0's port, and the uplink's: those of
// the others follow. The kernel runs programs without devices as if frames came
// from the loopback, which is 1.
const Port = 1

// Gateway is the MAC address of every gateway.
var Gateway = state.MAC{0x02, 0x4d, 0x5a, 0, 0, VNI}

// Crowd is how many there are.
type Crowd struct {
	// Family is that of the underlay, and of the directory's addresses: 4 or
	// 6.
	Family int
	// VPCs and Hosts are at least 1; Hosts are the others.
	VPCs, Hosts int
	// Endpoints live behind the host, Directory is rows of its directory.
	Endpoints, Directory int
	// Guard is what policy says of endpoint 0.
	Guard Guard
	// Services are those of the first VPC, with ten backends each, which are among the
	// first of Elsewhere.
	Services int
	// Strangers are underlay addresses of more hosts, behind the others.
	Strangers []netip.Addr
}

// at is the n-th address after one of a family.
func at(family, n int, v4, v6 string) netip.Addr {
	if family == 4 {
		b := netip.MustParseAddr(v4).As4()
		binary.BigEndian.PutUint32(b[:], binary.BigEndian.Uint32(b[:])+uint32(n))
		return netip.AddrFrom4(b)
	}
	b := netip.MustParseAddr(v6).As16()
	binary.BigEndian.PutUint32(b[12:], binary.BigEndian.Uint32(b[12:])+uint32(n))
	return netip.AddrFrom16(b)
}

// Endpoint is the address of an endpoint behind the host.
func Endpoint(family, n int) netip.Addr { return at(family, n, "10.0.0.16", "fd00:a::10") }

// Elsewhere is an address of the endpoints' subnet behind another host.
func Elsewhere(family, n int) netip.Addr { return at(family, n, "10.8.0.0", "fd00:a::1:0") }

// Located is the address of the n-th row of the directory.
func Located(family, n int) netip.Addr { return at(family, n, "10.64.0.16", "fd00:b::10") }

// Divided is an address of the subnet that others bounce.
func Divided(family, n int) netip.Addr { return at(family, n, "10.16.0.16", "fd00:c::10") }

// Peer is the underlay address of another host.
func Peer(family, n int) netip.Addr { return at(family, n, "192.0.2.2", "2001:db8::2") }

// Own is the host's underlay address.
func Own(family int) netip.Addr { return at(family, 0, "192.0.2.1", "2001:db8::1") }

// PeerName is the name of another host.
func PeerName(n int) string { return fmt.Sprintf("p%06d", n) }

// MAC is that of an endpoint behind the host.
func MAC(n int) state.MAC { return state.MAC{0x02, 0, 0, 0, byte(n >> 8), byte(n)} }

// State is what the host must hold, on a machine that has it all.
func (c Crowd) State() (state.Host, state.Local) {
	h := state.Host{Name: Host, Addresses: []netip.Addr{Own(c.Family)}, MTU: 1500}
	l := state.Local{
		UplinkIndex: Port, UplinkMAC: state.MAC{2, 1},
		Ports: make(map[string]uint32, c.Endpoints), NextHops: make(map[netip.Addr]state.MAC, c.Hosts),
	}
	c.peers(&h, &l)
	for v := range c.VPCs {
		h.VPCs = append(h.VPCs, state.VPC{Name: fmt.Sprintf("vpc%05d", v), VNI: VNI + uint32(v), Dividers: []string{Host}, Divider: true})
		h.Subnets = append(h.Subnets, c.subnets(v)...)
	}
	for n := range c.Endpoints {
		name := fmt.Sprintf("crowd/e%05d", n)
		h.Endpoints = append(h.Endpoints, state.Endpoint{
			Name: name, VNI: VNI + uint32(n%c.VPCs), Subnet: subnetName("home", n%c.VPCs), MAC: MAC(n), MTU: 1400,
			Addresses: []netip.Addr{Endpoint(4, n), Endpoint(6, n)},
		})
		l.Ports[name] = uint32(Port + n)
	}
	c.Guard.Fill(&h)
	h.Services = Services(c.Family, c.Services, func(n int) netip.Addr { return Elsewhere(c.Family, n) })
	h.Directory = make([]state.Location, c.Directory)
	for n := range h.Directory {
		h.Directory[n] = state.Location{
			VNI: VNI + uint32(n%c.VPCs), Address: Located(c.Family, n), Subnet: subnetName("bounced", n%c.VPCs), Host: PeerName(n % c.Hosts),
		}
	}
	return h, l
}

func (c Crowd) peers(h *state.Host, l *state.Local) {
	add := func(n int, a netip.Addr) {
		h.Peers = append(h.Peers, state.Peer{Name: PeerName(n), Addresses: []netip.Addr{a}})
		l.NextHops[a] = state.MAC{2, 1, 0, 0, byte(n >> 8), byte(n)}
	}
	for n := range c.Hosts {
		add(n, Peer(c.Family, n))
	}
	for i, a := range c.Strangers {
		add(c.Hosts+i, a)
	}
}

func subnetName(kind string, v int) string { return fmt.Sprintf("%s%05d", kind, v) }

// subnets are the three of a VPC.
func (c Crowd) subnets(v int) []state.Subnet {
	others := []string{PeerName(0), PeerName(1 % c.Hosts)}
	if c.Hosts == 1 {
		others = others[:1]
	}
	with := func(kind, v4, v6 string, bouncers ...string) state.Subnet {
		p4, p6 := netip.MustParsePrefix(v4), netip.MustParsePrefix(v6)
		return state.Subnet{
			Name: subnetName(kind, v), VNI: VNI + uint32(v), GatewayMAC: Gateway, Bouncers: bouncers,
			CIDRs: []netip.Prefix{p4, p6}, Gateways: []netip.Addr{p4.Addr().Next(), p6.Addr().Next()},
		}
	}
	bounced := with("bounced", "10.64.0.0/10", "fd00:b::/64", Host)
	bounced.Bouncer = state.Complete
	return []state.Subnet{
		bounced,
		with("divided", "10.16.0.0/12", "fd00:c::/64", others...),
		with("home", "10.0.0.0/12", "fd00:a::/64", others...),
	}
}
