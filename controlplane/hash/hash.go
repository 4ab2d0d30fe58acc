// SPDX-License-Identifier: Apache-2.0

// Package hash mixes as the programs do: bpf/include/hash.h has the same steps, and
// tests of the datapath hold the two equal.
package hash

import (
	"encoding/binary"
	"net/netip"
)

// Mix is the finaliser of MurmurHash3, fmix32 in the programs: it spreads every bit
// over all.
func Mix(h uint32) uint32 {
	h ^= h >> 16
	h *= 0x85ebca6b
	h ^= h >> 13
	h *= 0xc2b2ae35
	return h ^ h>>16
}

// Addr mixes the four 32-bit words of an address into a hash, in network order, IPv4
// as ::ffff:a.b.c.d; addr_hash in the programs.
func Addr(h uint32, addr netip.Addr) uint32 {
	bytes := addr.As16()
	for i := 0; i < len(bytes); i += 4 {
		h = Mix(h ^ binary.BigEndian.Uint32(bytes[i:]))
	}
	return h
}
