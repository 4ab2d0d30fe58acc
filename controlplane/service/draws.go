// SPDX-License-Identifier: Apache-2.0

package service

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/mizar-net/mizar/controlplane/hash"
)

const (
	// depth is how many backends are remembered that have drawn a place.
	depth = 4
	// farthest is how many backends may differ for a table to be made of another one.
	farthest = 16
	// lastRound is the last that can be remembered.
	lastRound = 1<<16 - 1
)

// draws remember who has drawn each place of a table, so that the next table, of nearly
// the same backends, costs only what those draw that differ. It has as many backends and
// is as large as [Table] makes it, and what it says is the same.
//
//	place p: (round 3, b) (round 5, a) (round 5, c)    the first of them has p;
//	                                                   b goes: then it is a's
//
// Of each place the first draws are known, [depth] at most. Where more have been made
// (cut), those behind the last that is known are not; when none is left there, all have to
// be made again.
type draws struct {
	backends []netip.AddrPort
	// order are the backends in the order of their turns, slots where each is in
	// first.
	order []turner
	// rounds is how many have been drawn by all.
	rounds uint32
	first  [][depth]drawn
	known  []uint8
	cut    []bool
	shift  int
	// whole is where the blocks begin that are drawn as one; see [draw].
	whole int
	// left counts the places, and blocks of them, that nobody has drawn.
	left int
	free []uint16 // slots
}

// turner is a drawer that has a slot: a number that stays its own.
type turner struct {
	drawer
	at   netip.AddrPort
	slot uint16
}

// drawn is a draw of a place.
type drawn struct{ round, slot uint16 }

// remembered says whether so many backends have draws that are worth it, and not too large
// to be remembered.
func remembered(backends int) bool {
	return backends > Few*growth && backends <= Few*growth*growth*growth
}

// places are how many it has.
func (d *draws) places() int { return len(d.first) }

// table is that of the backends, which are sorted: made of what has been drawn, or anew.
func (d *draws) table(backends []netip.AddrPort) []uint16 {
	size, whole := shape(len(backends))
	if size != d.places() || !d.follow(backends, whole) {
		d.begin(backends, size, whole)
	}
	if !d.finish() {
		d.first = nil // next time it begins anew
		return Table(backends)
	}
	return d.owners()
}

// begin forgets all draws.
func (d *draws) begin(backends []netip.AddrPort, size, whole int) {
	*d = draws{
		backends: backends, first: make([][depth]drawn, size), known: make([]uint8, size), cut: make([]bool, size),
		shift: newShift(size), whole: whole, left: units(size, whole),
	}
	for i, at := range backends {
		d.order = append(d.order, turner{drawerOf(at, i), at, uint16(i)})
	}
	slices.SortFunc(d.order, func(a, b turner) int { return a.compare(b.drawer) })
}

// units are the places and blocks that have an owner each: places before `whole`, and what
// is whole of each block from there on.
func units(size, whole int) int {
	return whole + (size-whole+growth-1)/growth
}

// follow takes the draws out of backends that have gone, and puts those in of others;
// false: it would have to know more.
func (d *draws) follow(backends []netip.AddrPort, whole int) bool {
	gone, come, near := apart(d.backends, backends)
	if !near {
		return false
	}
	for _, at := range gone {
		i := slices.IndexFunc(d.order, func(t turner) bool { return t.at == at })
		if !d.forget(d.order[i]) {
			return false
		}
		d.free = append(d.free, d.order[i].slot)
		d.order = slices.Delete(d.order, i, i+1)
	}
	d.backends, d.whole = backends, whole
	d.number()
	for _, at := range come {
		i, _ := slices.BinarySearchFunc(backends, at, netip.AddrPort.Compare)
		t := turner{drawerOf(at, i), at, d.slot()}
		place, _ := slices.BinarySearchFunc(d.order, t.drawer, func(a turner, b drawer) int { return a.compare(b) })
		d.order = slices.Insert(d.order, place, t)
		d.remember(t)
	}
	d.left = 0
	for p := 0; p < d.places(); p += d.unit(p) {
		if !d.owned(p) {
			d.left++
		}
	}
	return true
}

// number gives backends the indexes that they have now.
func (d *draws) number() {
	for i := range d.order {
		index, _ := slices.BinarySearchFunc(d.backends, d.order[i].at, netip.AddrPort.Compare)
		d.order[i].index = uint16(index)
	}
}

// slot is one that nobody has.
func (d *draws) slot() uint16 {
	if n := len(d.free); n > 0 {
		slot := d.free[n-1]
		d.free = d.free[:n-1]
		return slot
	}
	return uint16(len(d.order))
}

// forget takes out what a backend has drawn; false: of some place nobody is known any
// more who has.
func (d *draws) forget(t turner) bool {
	for round := range d.rounds {
		p := t.draws(round, d.shift)
		known := d.first[p][:d.known[p]]
		kept := slices.DeleteFunc(known, func(one drawn) bool { return one.slot == t.slot })
		d.known[p] = uint8(len(kept))
		if len(kept) == 0 && d.cut[p] {
			return false
		}
	}
	return true
}

// remember puts in what a backend draws in the rounds that all others have.
func (d *draws) remember(t turner) {
	slots := make([]drawer, len(d.order)+len(d.free))
	for _, one := range d.order {
		slots[one.slot] = one.drawer
	}
	for round := range d.rounds {
		p := t.draws(round, d.shift)
		list, n := &d.first[p], int(d.known[p])
		at := n
		for at > 0 && before(drawn{uint16(round), t.slot}, list[at-1], slots) {
			at--
		}
		switch {
		case at == n && (d.cut[p] || n == depth):
			d.cut[p] = true // behind what is known
			continue
		case n == depth:
			d.cut[p] = true
		default:
			d.known[p]++
		}
		copy(list[at+1:], list[at:])
		list[at] = drawn{uint16(round), t.slot}
	}
}

// before says which of two draws of a place was the first; it is not the same backend's
// twice in a round.
func before(a, b drawn, slots []drawer) bool {
	if a.round != b.round {
		return a.round < b.round
	}
	return slots[a.slot].compare(slots[b.slot]) < 0
}

// finish draws on until every place has an owner; false: it takes too long.
func (d *draws) finish() bool {
	for ; d.left > 0; d.rounds++ {
		if d.rounds > lastRound {
			return false
		}
		for i := range d.order {
			p := d.order[i].draws(d.rounds, d.shift)
			n := d.known[p]
			if d.cut[p] {
				continue // which is what most find, in the end
			}
			if n == depth {
				d.cut[p] = true
				continue
			}
			if n == 0 {
				d.own(p)
			}
			d.first[p][n] = drawn{uint16(d.rounds), d.order[i].slot}
			d.known[p]++
		}
	}
	return true
}

// own counts what gets its owner by the first draw of a place.
func (d *draws) own(p int) {
	if p < d.whole {
		d.left--
	}
	if block := p &^ (growth - 1); block+growth > d.whole && !d.drawnBlock(block) {
		d.left--
	}
}

// unit is how many places belong to the one that begins at p.
func (d *draws) unit(p int) int {
	if p < d.whole {
		return 1
	}
	return growth - p%growth
}

// owned says whether somebody has drawn the place or block that begins at p.
func (d *draws) owned(p int) bool {
	if p < d.whole {
		return d.known[p] > 0
	}
	return d.drawnBlock(p &^ (growth - 1))
}

// drawnBlock says whether somebody has drawn a place of a block.
func (d *draws) drawnBlock(block int) bool {
	return slices.ContainsFunc(d.known[block:block+growth], func(n uint8) bool { return n > 0 })
}

// owners is the table.
func (d *draws) owners() []uint16 {
	t := draw{places: make([]uint16, d.places()), shift: d.shift, drawers: make([]drawer, len(d.order))}
	slots := make([]drawer, len(d.order)+len(d.free))
	for i, one := range d.order {
		t.drawers[i], slots[one.slot] = one.drawer, one.drawer
	}
	for p := 0; p < len(t.places); {
		n := d.unit(p)
		first := d.first[p][0]
		if p >= d.whole {
			first = d.firstOf(p&^(growth-1), slots)
		}
		for end := p + n; p < end; p++ {
			t.places[p] = slots[first.slot].index
		}
	}
	t.settle()
	return t.places
}

// firstOf is the first draw of a place of a block.
func (d *draws) firstOf(block int, slots []drawer) drawn {
	var first drawn
	found := false
	for p := block; p < block+growth; p++ {
		if d.known[p] > 0 && (!found || before(d.first[p][0], first, slots)) {
			first, found = d.first[p][0], true
		}
	}
	return first
}

// apart are the backends that have gone and come, where these are few.
func apart(was, is []netip.AddrPort) (gone, come []netip.AddrPort, near bool) {
	for len(was)+len(is) > 0 && len(gone)+len(come) <= farthest {
		order := 0
		switch {
		case len(was) == 0:
			order = 1
		case len(is) == 0:
			order = -1
		case was[0] != is[0]:
			order = was[0].Compare(is[0])
		}
		switch {
		case order < 0:
			gone, was = append(gone, was[0]), was[1:]
		case order > 0:
			come, is = append(come, is[0]), is[1:]
		default:
			was, is = was[1:], is[1:]
		}
	}
	return gone, come, len(gone)+len(come) <= farthest
}

// draws is the place that a backend draws in a round.
func (d *drawer) draws(round uint32, shift int) int {
	return int(hash.Mix(d.first+round*d.step) >> (shift & 31))
}

// compare is the order of turns.
func (d *drawer) compare(b drawer) int {
	return cmp.Or(cmp.Compare(d.first, b.first), cmp.Compare(d.step, b.step), cmp.Compare(d.index, b.index))
}
