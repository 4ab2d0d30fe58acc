// SPDX-License-Identifier: Apache-2.0

package service

import (
	"net/netip"

	"github.com/mizar-net/mizar/controlplane/hash"
)

// Tuple is what a flow is told apart by: its five fields.
type Tuple struct {
	Source, Destination netip.AddrPort
	// Protocol is IP's number.
	Protocol uint8
}

// Hash mixes the protocol, the four 32-bit words of the source's address, those of
// the destination's, and both ports as one word, the source's the upper half. Words are
// in network order, IPv4 addresses as ::ffff:a.b.c.d:
//
//	h = protocol
//	h = fmix32(h ^ word)    for each of the eight words of addresses
//	h = fmix32(h ^ (source port << 16 | destination port))
//
// The programs mix the same way.
func (t Tuple) Hash() uint32 {
	h := hash.Addr(hash.Addr(uint32(t.Protocol), t.Source.Addr()), t.Destination.Addr())
	return hash.Mix(h ^ (uint32(t.Source.Port())<<16 | uint32(t.Destination.Port())))
}

// OfClient is the tuple that all flows of a client to a frontend have in common: what
// chooses for a client that keeps its backend.
func (t Tuple) OfClient() Tuple {
	t.Source = netip.AddrPortFrom(t.Source.Addr(), 0)
	return t
}

// Place is where a flow finds its backend in a table of a size, which is at least 1:
// hash*size >> 32.
func (t Tuple) Place(size int) int {
	return int(uint64(t.Hash()) * uint64(size) >> 32)
}

// Choose returns the index of the backend that a flow is given, -1 when there is none.
func Choose(table []uint16, t Tuple) int {
	if len(table) == 0 {
		return -1
	}
	return int(table[t.Place(len(table))])
}
