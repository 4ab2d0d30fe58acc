// SPDX-License-Identifier: Apache-2.0

package frame

import (
	"encoding/binary"
	"math/bits"
)

// OuterPort is the outer UDP source port that an inner packet must get: the
// entropy of its five fields, of three for fragments. ICMP and other
// protocols without ports count as port 0.
func OuterPort(inner Layer) uint16 {
	words := func(b []byte) (x uint32) {
		for i := 0; i+4 <= len(b); i += 4 {
			x ^= binary.BigEndian.Uint32(b[i:])
		}
		return x
	}
	h := words(mapped(inner.Src)) ^ bits.RotateLeft32(words(mapped(inner.Dst)), 16)
	h ^= bits.RotateLeft32(uint32(inner.Proto), 8)
	if !inner.Fragment {
		h ^= uint32(inner.SrcPort)<<16 | uint32(inner.DstPort)
	}
	return 49152 | uint16(mix(h)&0x3fff)
}

// mix is the finaliser of MurmurHash3 (fmix32).
func mix(h uint32) uint32 {
	h ^= h >> 16
	h *= 0x85ebca6b
	h ^= h >> 13
	h *= 0xc2b2ae35
	return h ^ h>>16
}
