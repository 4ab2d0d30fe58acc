// SPDX-License-Identifier: Apache-2.0

package service

import (
	"math/bits"
	"net/netip"

	"github.com/mizar-net/mizar/controlplane/hash"
)

// Tuple is what a flow is told apart by: its five fields.
type Tuple struct {
	Source, Destination netip.AddrPort
	// Protocol is IP's number.
	Protocol uint8
}

// Hash spreads both words of the source's address, those of the destination's, and a word
// of the protocol and both ports. Words are of eight bytes as they lie in a packet, read as
// little-endian, IPv4 addresses as ::ffff:a.b.c.d; ports are read likewise:
//
//	protocol << 32 | destination port << 16 | source port
//
// The programs spread the same way.
func (t Tuple) Hash() uint32 {
	a, b := hash.Words(t.Source.Addr())
	c, d := hash.Words(t.Destination.Addr())
	ports := uint64(bits.ReverseBytes16(t.Destination.Port()))<<16 | uint64(bits.ReverseBytes16(t.Source.Port()))
	return hash.Spread(a, b, c, d, uint64(t.Protocol)<<32|ports)
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
