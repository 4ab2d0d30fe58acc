// SPDX-License-Identifier: Apache-2.0

// Package object has what people write: hosts, VPCs, subnets and endpoints in
// the shape of Kubernetes objects, Kubernetes' own namespaces, network policies,
// services and endpoint slices, their strict decoding and their validation.
//
//	YAML ──Decode──► Draft ──New──► Set
//
// A [Draft] is what was written, a [Set] is valid as a whole and has all
// defaults filled in. Only a Set goes further.
package object

import (
	"net/netip"

	corev1 "k8s.io/api/core/v1"

	"github.com/mizar-net/mizar/dataplane/state"
)

// APIVersion is the group and version of Mizar's own objects.
const APIVersion = "mizar.dev/v1alpha1"

// Meta names an object. Hosts, VPCs, subnets and namespaces have no namespace;
// the default namespace of all others is "default".
type Meta struct {
	Name      string
	Namespace string
	Labels    map[string]string
	// Annotations are of Kubernetes' own objects alone.
	Annotations map[string]string
	// At says where the object was written.
	At Position
}

// Key is the name that is unique among objects of one kind: "namespace/name",
// or the name alone where there are no namespaces.
func (m Meta) Key() string {
	if m.Namespace == "" {
		return m.Name
	}
	return m.Namespace + "/" + m.Name
}

// Position is a place in a file, lines counted from 1.
type Position struct {
	File string
	Line int
}

// Host is a machine with an uplink and an agent.
type Host struct {
	Meta
	// Addresses are underlay addresses, one or two (one a family).
	Addresses []netip.Addr
	// MTU of the underlay in bytes; default 1500, 1400 to 65535.
	MTU int
	// VLAN of the underlay, 0 to 4094; default 0, untagged.
	VLAN uint16
	// Form is that of the programs at the uplink, xdp or tcx; default: xdp.
	Form state.Form
	// XDP is where at the uplink a program of the form xdp sits: native, generic,
	// offload or auto; default: native.
	XDP state.XDP
	// MasqueradePorts are those that flows leave by with an address of the host; default
	// [state.MasqueradePorts]. They must be none that the host's stack gives out by itself
	// (net.ipv4.ip_local_port_range), and no node ports.
	MasqueradePorts state.Ports
	// Endpoint makes the host itself an endpoint of the default VPC; nil: it
	// is none.
	Endpoint *HostEndpoint
}

// HostEndpoint is a host as an endpoint: its own device mizar0, by which it and
// the endpoints of the default VPC reach each other. [New] makes an [Endpoint]
// of it, which is named [HostEndpointKey].
type HostEndpoint struct {
	// Addresses are one or two, one a family, of one subnet of the default VPC,
	// as any endpoint's are.
	Addresses []netip.Addr
	// MAC is as any endpoint's.
	MAC [6]byte
	// Form and XDP are as any endpoint's, of the program at the port of mizar0.
	Form state.Form
	XDP  state.XDP
}

// HostNamespace is the namespace of the endpoints that are hosts; no other
// endpoint is in it.
const HostNamespace = "host"

// HostEndpointKey is the [Meta.Key] of a host's own endpoint.
func HostEndpointKey(host string) string { return HostNamespace + "/" + host }

// VPC is a tenant network.
type VPC struct {
	Meta
	// VNI is the 24-bit Geneve number, 1 to 16777215, unique.
	VNI uint32
	// Default says that hosts that are endpoints are in this VPC. One VPC is, or
	// none.
	Default bool
	// Dividers says where the VPC's dividers are; default: 2 hosts.
	Dividers Placement
	// Masquerade says that endpoints reach what is in no subnet of the VPC, outside of all
	// VPCs, with the address of their host (SNAT).
	Masquerade bool
}

// Subnet is a CIDR (v4, v6 or both) inside a VPC.
type Subnet struct {
	Meta
	VPC string
	// CIDRs are one or two prefixes, one a family; no two subnets of one
	// VPC overlap.
	CIDRs []netip.Prefix
	// Gateways have one address for each of CIDRs, inside of it; default:
	// the first address after the network's.
	Gateways []netip.Addr
	// Bouncers says where the subnet's bouncers are; default: 2 hosts.
	Bouncers Placement
}

// Placement says on which hosts a role is.
type Placement struct {
	// Count is how many hosts take the role, 1 to 8, chosen by rendezvous
	// hashing; fewer when there are fewer hosts.
	Count int
	// Hosts names the candidates; default: all hosts. With Hosts and no
	// Count, all of them take the role.
	Hosts []string
}

// Endpoint is an address behind a host.
type Endpoint struct {
	Meta
	Subnet string
	Host   string
	// Addresses are one or two, one a family, inside the subnet, unique in
	// the VPC, not the gateway, network or broadcast address.
	Addresses []netip.Addr
	// MAC is unicast and not the gateway's; default: 02:00 and four bytes
	// derived from VNI and first address.
	MAC [6]byte
	// Form is the form of the program at the endpoint's port, xdp or tcx;
	// default: xdp.
	Form state.Form
	// XDP is where at the port a program of the form xdp sits: native,
	// generic or auto; default: native.
	XDP state.XDP
	// Generation tells successive users of an address apart, 1 to 255; default:
	// derived from what tells them apart, so that two users may have the same
	// by chance. controlplane/ledger gives ones that differ for certain.
	Generation uint8
	// Ports are those that network policies may call by name. Each pair of name
	// and protocol is there once; they are in order of names, then of protocols.
	Ports []Port
	// Phase is how far the endpoint's life has come; default: running.
	Phase Phase
	// Identity is the number that policies match the endpoint by; 0: not given.
	// Only controlplane/identity sets it, and [New] takes it away.
	Identity uint32
	// Self says that the endpoint is its host. Only [New] sets it.
	Self bool
}

// Port is a port of an endpoint with a name, as a container's is.
type Port struct {
	Name string
	// Number is 1 to 65535.
	Number uint16
	// Protocol is TCP, UDP or SCTP; default: TCP.
	Protocol corev1.Protocol
}

// Phase is how far the life of an endpoint has come, in Kubernetes' words for
// pods.
type Phase string

// The phases. An endpoint that succeeded or failed has ended: its address is
// free, it is in [Set.Ended], and nothing is made of it.
const (
	Running   Phase = "Running"
	Succeeded Phase = "Succeeded"
	Failed    Phase = "Failed"
)

// Ended says that the endpoint is no more, although its object is.
func (e Endpoint) Ended() bool { return e.Phase == Succeeded || e.Phase == Failed }

// Set is a valid collection of objects, each slice sorted by key.
type Set struct {
	Hosts     []Host
	VPCs      []VPC
	Subnets   []Subnet
	Endpoints []Endpoint
	// Namespaces are those that were written; see [Set.Namespace] for all others.
	Namespaces []Namespace
	Policies   []NetworkPolicy
	Services   []Service
	// EndpointSlices name the backends of services.
	EndpointSlices []EndpointSlice
	// Ended are the endpoints that have ended. They keep their names, and are
	// nothing else.
	Ended []Endpoint
}
