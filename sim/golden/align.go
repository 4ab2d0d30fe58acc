// SPDX-License-Identifier: Apache-2.0

package golden

import "slices"

// pair is a golden frame and the emitted one that stands for it. One of them
// is nil where a packet was lost or is extra.
type pair struct {
	want, got *item
	// moved says that it came out of its place.
	moved bool
}

// The costs of an alignment. A packet that was changed costs less than one lost
// and another put in, unless nearly all of it is different.
const (
	costChanged = 8  // the packet itself, at most this for all fields that differ
	costOther   = 3  // another packet in its place …
	costField   = 1  // … for each field that differs
	fieldsAlike = 8  // … or this for nearly the same bytes, read as something else
	costGap     = 10 // lost, or extra
	costNever   = 2*costGap + 1
	// window bounds the work: longer lists are aligned piece by piece.
	window = 1500
)

// align finds the way with the fewest differences from one list to the other:
// edit distance, by the keys of packets. A packet that came out of its place is
// one pair.
func align(want, got []item) []pair {
	var pairs []pair
	for len(want) > 0 && len(got) > 0 && want[0].equal(got[0]) {
		pairs = append(pairs, pair{want: &want[0], got: &got[0]})
		want, got = want[1:], got[1:]
	}
	var tail []pair
	for len(want) > 0 && len(got) > 0 && want[len(want)-1].equal(got[len(got)-1]) {
		tail = append(tail, pair{want: &want[len(want)-1], got: &got[len(got)-1]})
		want, got = want[:len(want)-1], got[:len(got)-1]
	}
	counts := balance(want, got)
	for len(want) > 0 || len(got) > 0 {
		w, g := min(window, len(want)), min(window, len(got))
		pairs = append(pairs, distance(want[:w], got[:g], counts)...)
		want, got = want[w:], got[g:]
	}
	slices.Reverse(tail)
	return reorder(append(pairs, tail...))
}

// balance counts each packet: golden ones more, emitted ones less.
func balance(want, got []item) map[identity]int {
	counts := map[identity]int{}
	for _, i := range want {
		counts[i.identity]++
	}
	for _, i := range got {
		counts[i.identity]--
	}
	return counts
}

// cost of letting an emitted frame stand for a golden one. A packet that is
// there elsewhere does not stand for another.
func cost(w, g *item, counts map[identity]int) int {
	different := w.different(*g)
	switch {
	case w.same(*g):
		return min(costField*different, costChanged)
	case g.err != nil:
		return costGap
	case counts[w.identity] <= 0 || counts[g.identity] >= 0:
		return costNever
	case g.err == nil && w.err == nil && w.packet.Key().In(0) == g.packet.Key().In(0):
		return costOther // out of its tunnel, in another VPC
	case alike(w.Bytes, g.Bytes):
		different = min(different, fieldsAlike)
	}
	return min(costOther+costField*different, costNever)
}

// alike says that two frames have most bytes in common, all but a few or at
// their ends.
func alike(a, b []byte) bool {
	const few = 4
	least := min(len(a), len(b))
	head, tail, different := 0, 0, 0
	for head < least && a[head] == b[head] {
		head++
	}
	for tail < least-head && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	for i := range least {
		if a[i] != b[i] {
			different++
		}
	}
	return len(a) == len(b) && different <= few || head+tail > least*2/3
}

// distance aligns two lists by Wagner and Fischer.
func distance(want, got []item, counts map[identity]int) []pair {
	n, m := len(want), len(got)
	least := make([][]int32, n+1)
	for i := range least {
		least[i] = make([]int32, m+1)
		for j := range least[i] {
			switch {
			case i == 0:
				least[i][j] = int32(j * costGap)
			case j == 0:
				least[i][j] = int32(i * costGap)
			default:
				least[i][j] = min(least[i-1][j]+costGap, least[i][j-1]+costGap,
					least[i-1][j-1]+int32(cost(&want[i-1], &got[j-1], counts)))
			}
		}
	}
	var pairs []pair
	for n > 0 || m > 0 {
		switch {
		case n > 0 && m > 0 && least[n][m] == least[n-1][m-1]+int32(cost(&want[n-1], &got[m-1], counts)):
			n, m = n-1, m-1
			pairs = append(pairs, pair{want: &want[n], got: &got[m]})
		case n > 0 && least[n][m] == least[n-1][m]+costGap:
			n--
			pairs = append(pairs, pair{want: &want[n]})
		default:
			m--
			pairs = append(pairs, pair{got: &got[m]})
		}
	}
	slices.Reverse(pairs)
	return pairs
}

// reorder joins a packet that was lost in one place with itself in another.
func reorder(pairs []pair) []pair {
	for i := range pairs {
		if pairs[i].got != nil {
			continue
		}
		j := slices.IndexFunc(pairs, func(p pair) bool {
			return p.want == nil && p.got != nil && p.got.same(*pairs[i].want)
		})
		if j >= 0 {
			pairs[i].got, pairs[i].moved = pairs[j].got, true
			pairs[j].got = nil
		}
	}
	return slices.DeleteFunc(pairs, func(p pair) bool { return p.want == nil && p.got == nil })
}

// settle puts the emitted frames of unordered groups into the golden order;
// they keep the places that they have among other frames.
func settle(want, got []item, groups []Group) []item {
	out := slices.Clone(got)
	for _, g := range groups {
		var places []int
		var members []item
		for _, w := range want {
			if !g.has(w) {
				continue
			}
			if i := best(w, out, places); i >= 0 {
				places, members = append(places, i), append(members, out[i])
			}
		}
		slices.Sort(places)
		for i, place := range places {
			out[place] = members[i]
		}
	}
	return out
}

func (g Group) has(w item) bool {
	return (g.Port == "" || g.Port == w.port) && (len(g.Packets) == 0 || slices.Contains(g.Packets, w.number))
}

// best is the place of the frame most like the golden one among those that
// carry its packet and are not taken; -1 for none.
func best(w item, got []item, taken []int) int {
	at, least := -1, costNever
	for i := range got {
		if !w.same(got[i]) || slices.Contains(taken, i) {
			continue
		}
		different := w.different(got[i])
		if at < 0 || different < least {
			at, least = i, different
		}
	}
	return at
}
