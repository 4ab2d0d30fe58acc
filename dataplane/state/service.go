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
