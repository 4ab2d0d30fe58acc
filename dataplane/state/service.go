// SPDX-License-Identifier: Apache-2.0

package state

import (
	"net/netip"
	"time"
)

// Service is a set of backends that one or more frontends choose from: one port, one
// protocol and one family of a Kubernetes Service, as one host sees it.
type Service struct {
	// Name tells services apart: "namespace/name:port/family", and what else makes
	// sets of backends differ.
	Name string
	VNI  uint32
	// Protocol is IP's number: 6 TCP, 17 UDP, 132 SCTP.
	Protocol uint8
	// Frontends are the virtual addresses and ports, sorted. None of them is
	// another service's.
	Frontends []netip.AddrPort
	// Backends are what stands behind them, sorted, without duplicates; none: packets
	// to the frontends are refused.
	Backends []netip.AddrPort
	// Table has the places that hashes of flows choose from: indexes in Backends, all
	// of which occur. It is empty if Backends is.
	Table []uint16
	// Affinity is how long after its last new flow a client's next one goes to the same
	// backend, in whole seconds; 0: each flow chooses for itself.
	Affinity time.Duration
}

// OutsideService is what clients outside choose backends from: one port, protocol and
// family of a Kubernetes Service, as they reach it at one host.
type OutsideService struct {
	// Name tells it apart from all others, and from those of [Service].
	Name string
	// VNI is that of the VPC that the backends are in.
	VNI uint32
	// Protocol is as a [Service]'s.
	Protocol uint8
	// Frontends are addresses of the underlay that packets to this host have, with
	// ports, sorted. None of them is another service's.
	Frontends []netip.AddrPort
	// Backends are sorted by address and port; none: packets to the frontends are
	// dropped.
	Backends []OutsideBackend
	// Table is as a [Service]'s.
	Table []uint16
	// Alike says that all flows of a client choose alike.
	Alike bool
	// Ranges are where clients come from, sorted, without duplicates; packets of others
	// are dropped. None: from anywhere.
	Ranges []netip.Prefix
}

// OutsideBackend is an endpoint behind a service, and where it lives: that is not learned,
// for a host may serve a VPC that it has no other part in.
type OutsideBackend struct {
	At netip.AddrPort
	// Host is where the endpoint lives, Generation that of its address's user.
	Host       string
	Generation uint8
}
