// SPDX-License-Identifier: Apache-2.0

// Package state says what one host must hold, as plain values.
//
// It is the arrow between objects and map entries: controlplane/compile makes
// it from the objects alone, dataplane/encode turns it into rows. It knows no
// map, no device index and no MAC address of the underlay; those are facts of
// the machine and are joined in by [Local].
package state

import (
	"net"
	"net/netip"
)

// MAC is an Ethernet address. The zero value means "none given".
type MAC [6]byte

// String is the address as people write it: "02:00:00:00:00:01".
func (m MAC) String() string { return net.HardwareAddr(m[:]).String() }

// MarshalText is String, for JSON and YAML.
func (m MAC) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// Host is everything that one host must hold. Slices are sorted (by name, or by
// VNI then address) and hold no duplicates, so equal states are deeply equal.
type Host struct {
	// Name is the host's own name among Peers.
	Name string
	// Addresses are the host's underlay addresses, at most one a family.
	Addresses []netip.Addr
	// MTU is the largest IP packet the underlay carries, in bytes.
	MTU int
	// VLAN is the 802.1Q tag of the underlay on the uplink; 0 means untagged.
	VLAN uint16
	// XDP is where at the uplink its program sits.
	XDP XDP
	// Peers are all hosts of the underlay but this one.
	Peers []Peer
	// VPCs are the VPCs that this host serves in any role.
	VPCs []VPC
	// Subnets are those with endpoints here, those this host is a bouncer of,
	// and, where it is a divider, every subnet of the VPC.
	Subnets []Subnet
	// Endpoints are those that live behind this host.
	Endpoints []Endpoint
	// Directory has the location of every endpoint address of each subnet
	// that this host is a bouncer of, its own endpoints included.
	Directory []Location
}

// Peer is another host of the underlay.
type Peer struct {
	Name      string
	Addresses []netip.Addr
	// Down says that nothing is heard of the host: its roles are asked last.
	// Another host may hear of it.
	Down bool
}

// VPC is what a host knows of a tenant network.
type VPC struct {
	Name string
	// VNI is the 24-bit Geneve number.
	VNI uint32
	// Dividers are the names of the live hosts that divide this VPC.
	Dividers []string
	// Divider says that this host is one of them and holds Routes: the
	// subnets of the VPC in Host.Subnets are then complete.
	Divider bool
}

// Subnet is what a host knows of a subnet.
type Subnet struct {
	Name string
	VNI  uint32
	// CIDRs are the subnet's prefixes, masked, at most one a family.
	CIDRs []netip.Prefix
	// Gateways are the gateway's addresses, one for each of CIDRs.
	Gateways []netip.Addr
	// GatewayMAC is the one MAC address that endpoints of the subnet see.
	GatewayMAC MAC
	// Bouncers are the names of the live hosts that bounce this subnet.
	Bouncers []string
	// Bouncer says whether this host is one of them.
	Bouncer Bouncer
}

// Bouncer is a host's part in a subnet's directory.
type Bouncer uint8

// The parts.
const (
	// NoBouncer holds none of it.
	NoBouncer Bouncer = iota
	// Filling is a bouncer whose Host.Directory is not complete yet: what it
	// misses may still exist.
	Filling
	// Complete is one that says with authority what does not exist.
	Complete
)

// Endpoint is an address behind this host.
type Endpoint struct {
	// Name is "namespace/name".
	Name   string
	VNI    uint32
	Subnet string
	// Addresses are the endpoint's own, at most one a family.
	Addresses []netip.Addr
	MAC       MAC
	// Identity is the 24-bit number that policy matches peers by; 0 until
	// the endpoint has been given one.
	Identity uint32
	// Generation tells successive users of one address apart: 1 to 255.
	Generation uint8
	// MTU is the largest IP packet the endpoint may send, in bytes.
	MTU int
	// Form is the form that the program at the endpoint's port has.
	Form Form
	// XDP is where at the port a program of the XDP form sits.
	XDP XDP
}

// Location says behind which host an endpoint address is.
type Location struct {
	VNI        uint32
	Address    netip.Addr
	Subnet     string
	Host       string
	Identity   uint32
	Generation uint8
}

// Local holds the facts of the machine that a state is joined with.
type Local struct {
	// UplinkIndex is the uplink's interface index, UplinkMAC its address.
	UplinkIndex uint32
	UplinkMAC   MAC
	// Ports are the interface indexes of the host side of each endpoint's
	// link, by endpoint name.
	Ports map[string]uint32
	// NextHops are the Ethernet addresses to reach underlay addresses by.
	NextHops map[netip.Addr]MAC
}
