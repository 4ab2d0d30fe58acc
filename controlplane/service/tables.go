// SPDX-License-Identifier: Apache-2.0

package service

import (
	"net/netip"
	"slices"
)

// tables keeps tables by what they are of, as long as somebody uses them, and what the last
// ones of many backends were made of.
type tables struct {
	all map[string]*table
	// recent are of backends that had a table made lately, the last one at the end. Those
	// that were followed by others nearly alike have draws.
	recent []*draws
}

const (
	// mostRecent are how many there are, mostPlaces how many places they remember.
	mostRecent = 16
	mostPlaces = 1 << 20
)

// table is one with its backends.
type table struct {
	key      string
	backends []netip.AddrPort
	places   []uint16
	users    int
}

// use returns the table of some backends, which are sorted; give it back. Equal ones are
// the same.
func (t *tables) use(backends []netip.AddrPort) *table {
	if len(backends) == 0 {
		return &table{}
	}
	key := make([]byte, 0, 18*len(backends))
	for _, b := range backends {
		key, _ = b.AppendBinary(key)
	}
	found, ok := t.all[string(key)]
	if !ok {
		found = &table{key: string(key), backends: backends, places: t.make(backends)}
		t.all[found.key] = found
	}
	found.users++
	return found
}

// giveBack forgets a table that nobody uses any more.
func (t *tables) giveBack(one *table) {
	if one.users--; one.users == 0 {
		delete(t.all, one.key)
	}
}

// make makes a table, of what one of nearly the same backends was made of, where there was
// one.
func (t *tables) make(backends []netip.AddrPort) []uint16 {
	if !remembered(len(backends)) {
		return Table(backends)
	}
	for i, d := range t.recent {
		if _, _, near := apart(d.backends, backends); near {
			t.recent = append(slices.Delete(t.recent, i, i+1), d)
			places := d.table(backends)
			t.limit()
			return places
		}
	}
	t.recent = append(t.recent, &draws{backends: backends})
	t.limit()
	return Table(backends)
}

// limit forgets what is least recent.
func (t *tables) limit() {
	places := 0
	for i, d := range slices.Backward(t.recent) {
		if places += d.places(); len(t.recent)-i > mostRecent || places > mostPlaces && i < len(t.recent)-1 {
			t.recent = slices.Delete(t.recent, 0, i+1)
			return
		}
	}
}
