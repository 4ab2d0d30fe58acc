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

// Words are both halves of an address as it lies in a packet, read as little-endian, IPv4
// as ::ffff:a.b.c.d; struct addr_words in the programs.
func Words(addr netip.Addr) (high, low uint64) {
	bytes := addr.As16()
	return binary.LittleEndian.Uint64(bytes[:8]), binary.LittleEndian.Uint64(bytes[8:])
}

// Spread spreads five words over 32 bits; spread5 in the programs.
func Spread(a, b, c, d, e uint64) uint32 {
	h := a*0x9e3779b97f4a7c15 + b*0xbf58476d1ce4e5b9 + c*0x94d049bb133111eb + d*0xd6e8feb86659fd93 + e*0xa0761d6478bd642f
	h = (h ^ h>>32) * 0xe7037ed1a0b428db
	h = (h ^ h>>32) * 0x8ebc6af09c88c6e3
	return uint32(h >> 32)
}
