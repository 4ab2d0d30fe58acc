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
	"slices"
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
	// Form is the form that the programs at the uplink have.
	Form Form
	// XDP is where at the uplink a program of the XDP form sits.
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
	// Policy judges the flows of Endpoints.
	Policy Policy
	// Services are those of the VPCs that Endpoints are in, in order of names.
	Services []Service
	// Outside are the services that clients outside of all VPCs reach at this host's
	// uplink, in order of names.
	Outside []OutsideService
	// MasqueradePorts are those that endpoints leave by with an address of the host; none:
	// [MasqueradePorts].
	MasqueradePorts Ports
}

// Ports are a range of ports, both ends included; the zero Ports are none.
type Ports struct{ First, Last uint16 }

// MasqueradePorts are those behind Linux's ip_local_port_range.
var MasqueradePorts = Ports{61000, 65535}

// MeetsOutside says whether the host has anything to do with who is outside of all VPCs.
func (h Host) MeetsOutside() bool {
	return len(h.Outside) > 0 || slices.ContainsFunc(h.VPCs, func(v VPC) bool { return v.Leaves })
}

// Peer is another host of the underlay.
type Peer struct {
	Name      string
	Addresses []netip.Addr
	// Down says that nothing is heard of the host: its roles are asked last.
	// Another host may hear of it.
	Down bool
}

// Place is an address inside a VPC.
type Place struct {
	VNI     uint32
	Address netip.Addr
}

// VPC is what a host knows of a tenant network.
type VPC struct {
	Name string
	// VNI is the 24-bit Geneve number.
	VNI uint32
	// Dividers are the names of the hosts that are asked about this VPC.
	Dividers []string
	// Divider says that this host can be asked, whether it is among Dividers
	// or not: the subnets of the VPC in Host.Subnets are complete.
	Divider bool
	// Leaves says that endpoints behind this host reach what is in no subnet of the VPC,
	// outside of all VPCs: with an address of the host (SNAT).
	Leaves bool
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
	// Bouncers are the names of the hosts that are asked about this subnet.
	Bouncers []string
	// Bouncer is this host's part in it. A host that is about to be asked, or
	// was until now, has a part and is not among Bouncers.
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
	// Ingress and Egress are names of sets in Host.Policy; "": not isolated.
	Ingress, Egress string
	// KeepEstablished lets flows that were accepted once go on when policy would
	// no longer accept them.
	KeepEstablished bool
	// MTU is the largest IP packet the endpoint may send, in bytes.
	MTU int
	// Form is the form that the program at the endpoint's port has.
	Form Form
	// XDP is where at the port a program of the XDP form sits.
	XDP XDP
	// Routes are what a host's own endpoint reaches by its gateways, sorted:
	// the host has other ways to everywhere else. Any other endpoint has none,
	// and sends everything to its gateways.
	Routes []netip.Prefix
}

// The identities that are the same in every network, by what they name. Others
// are greater than LastReservedIdentity; 0 is none.
const (
	// IdentityHost is every host itself, at its own endpoint.
	IdentityHost = 1
	// LastReservedIdentity leaves room for more of them.
	LastReservedIdentity = 15
)

// IsHost says that the endpoint is the host itself: its stack, and its own
// namespace.
func (e Endpoint) IsHost() bool { return e.Identity == IdentityHost }

// Is says that the endpoint is the one that another state has, wherever it lives and
// whatever is said of it there: same VPC, addresses and MAC.
func (e Endpoint) Is(other Endpoint) bool {
	return e.Name == other.Name && e.VNI == other.VNI && e.MAC == other.MAC && slices.Equal(e.Addresses, other.Addresses)
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
	// NextHops are the Ethernet addresses to reach underlay addresses by. A
	// peer whose address is missing cannot be sent to until it is there.
	NextHops map[netip.Addr]MAC
	// Outside are the Ethernet addresses of the next hops to the outside, by family: of
	// netip.IPv4Unspecified() and IPv6Unspecified(). Ways may say more of these too. A family
	// without one has no way to the outside, and nobody there is answered.
	Outside map[netip.Addr]MAC
	// Ways say more of how to reach some of these addresses.
	Ways map[netip.Addr]Way
}

// Way is what a route says of an underlay address; zero fields say that it is
// as for any other.
type Way struct {
	// Device is the interface index that packets leave by, DeviceMAC its
	// address: the uplink's, unless they are set.
	Device    uint32
	DeviceMAC MAC
	// MTU is the largest IP packet of the way, in bytes, where that is less
	// than the uplink's.
	MTU int
}
