// SPDX-License-Identifier: Apache-2.0

package service

import (
	"math/bits"
	"net/netip"
	"slices"

	"github.com/mizar-net/mizar/controlplane/hash"
)

const (
	// MaxBackends is how many backends a service can have: places are 16 bits wide.
	MaxBackends = 1 << 16
	// Few is up to how many backends share the smallest table of several.
	Few = 16
	// Share is how many places a backend has at least, on average.
	Share = 64
	// growth is how many times larger each table is than the one before, and how
	// many times more backends share it.
	growth = 8
)

// Table returns the places of a service's backends: for each, the index of the one
// that it belongs to. Hashes of flows are spread over places evenly (see [Tuple.Place]).
// It depends on nothing but what the backends are, which must be sorted and without
// duplicates, at most [MaxBackends].
//
// The backends take turns in drawing places, and who draws a place first has it;
// record 0001 says what was measured. All backends occur. When one of n goes, its
// places go to others, and of the others' at most 0.5/n change hands; none up to
// [Few] backends.
func Table(backends []netip.AddrPort) []uint16 {
	switch len(backends) {
	case 0:
		return nil
	case 1:
		return []uint16{0}
	}
	t := newDraw(backends)
	for round := uint32(0); t.left > 0; round++ {
		t.turn(round)
	}
	t.settle()
	return t.places
}

// drawer is a backend that draws places: the sequence is its own.
type drawer struct {
	first, step uint32
	index       uint16
}

// draw is a table that is being filled.
type draw struct {
	places []uint16
	taken  []bool
	left   int
	// shift makes places of hashes: the size is a power of 2.
	shift int
	// whole is where the blocks begin that are drawn as one; they end with the table.
	whole int
	// drawers are in an order of their own, so that addresses win nothing.
	drawers []drawer
}

func newDraw(backends []netip.AddrPort) *draw {
	size, whole := shape(len(backends))
	t := &draw{
		places: make([]uint16, size), taken: make([]bool, size), left: size, shift: newShift(size),
		whole: whole, drawers: make([]drawer, len(backends)),
	}
	for i, b := range backends {
		t.drawers[i] = drawerOf(b, i)
	}
	slices.SortFunc(t.drawers, func(a, b drawer) int { return a.compare(b) })
	return t
}

// newShift is what makes places of hashes where there are so many.
func newShift(size int) int { return 33 - bits.Len(uint(size)) }

func drawerOf(b netip.AddrPort, index int) drawer {
	return drawer{first: hashOf(1, b), step: hashOf(2, b) | 1, index: uint16(index)}
}

// hashOf is a hash of a backend; those of two seeds have nothing to do with each
// other.
func hashOf(seed uint32, b netip.AddrPort) uint32 {
	return hash.Mix(hash.Addr(seed, b.Addr()) ^ uint32(b.Port()))
}

// shape is how large the table for n backends is, and where the blocks begin that are
// drawn as a whole: nowhere in the smallest. The blocks of any other, sixteen places
// each, are the places of the one before it; while backends become sixteen times more,
// one place after the other is parted from its block.
func shape(n int) (size, whole int) {
	most := Few
	if n <= most {
		return most * Share, most * Share
	}
	for n > most*growth {
		most *= growth
	}
	size = most * growth * Share
	return size, int(uint64(size) * logarithm(n, most) / uint64(bits.Len(growth)-1) >> 32)
}

// logarithm is that of n/d to the base 2, times 2^32; n is at least d. Hosts
// must agree on it to the last bit, which floating point doesn't promise.
func logarithm(n, d int) uint64 {
	const one = 1 << 32
	x, log := uint64(n)<<32/uint64(d), uint64(0)
	for ; x >= 2*one; x >>= 1 {
		log += one
	}
	for bit := uint64(one / 2); bit > 0; bit >>= 1 {
		high, low := bits.Mul64(x, x)
		if x = high<<32 | low>>32; x >= 2*one {
			x >>= 1
			log += bit
		}
	}
	return log
}

// turn lets each backend draw once.
func (t *draw) turn(round uint32) {
	taken, drawers, shift := t.taken, t.drawers, t.shift&31
	for i := range drawers {
		d := &drawers[i]
		p := int(hash.Mix(d.first+round*d.step) >> shift)
		if taken[p] && p/growth != t.whole/growth {
			continue // which is what most find, in the end
		}
		if t.whole < len(taken) {
			t.take(p, d.index)
		} else {
			t.give(p, p+1, d.index)
		}
	}
}

// take gives a place to a backend unless it is taken, or what is whole of the block
// that it is in. Of the block that is just being divided it gives both, so that the rest
// of that has the owner that all of it had.
func (t *draw) take(place int, backend uint16) {
	if place < t.whole {
		t.give(place, place+1, backend)
	}
	if first := place &^ (growth - 1); first+growth > t.whole {
		t.give(max(first, t.whole), first+growth, backend)
	}
}

// give gives places to a backend unless they are taken; those from first to end are
// always given together.
func (t *draw) give(first, end int, backend uint16) {
	if t.taken[first] {
		return
	}
	for p := first; p < end; p++ {
		t.places[p], t.taken[p] = backend, true
	}
	t.left -= end - first
}

// settle gives a place to each backend that has none, which hardly happens: the first
// that it draws of a backend that has others.
func (t *draw) settle() {
	counts := make([]int, len(t.drawers))
	for _, b := range t.places {
		counts[b]++
	}
	for i := range t.drawers {
		d := &t.drawers[i]
		for round := uint32(0); counts[d.index] == 0; round++ {
			if p := d.draws(round, t.shift); counts[t.places[p]] > 1 {
				counts[t.places[p]]--
				counts[d.index]++
				t.places[p] = d.index
			}
		}
	}
}
