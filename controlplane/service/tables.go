// SPDX-License-Identifier: Apache-2.0

package service

import "net/netip"

// tables keeps tables by what they are of, as long as somebody uses them.
type tables map[string]*table

// table is one with its backends.
type table struct {
	key      string
	backends []netip.AddrPort
	places   []uint16
	users    int
}

// use returns the table of some backends, which are sorted; give it back. Equal ones are
// the same.
func (t tables) use(backends []netip.AddrPort) *table {
	if len(backends) == 0 {
		return &table{}
	}
	key := make([]byte, 0, 18*len(backends))
	for _, b := range backends {
		key, _ = b.AppendBinary(key)
	}
	found, ok := t[string(key)]
	if !ok {
		found = &table{key: string(key), backends: backends, places: Table(backends)}
		t[found.key] = found
	}
	found.users++
	return found
}

// giveBack forgets a table that nobody uses any more.
func (t tables) giveBack(one *table) {
	if one.users--; one.users == 0 {
		delete(t, one.key)
	}
}
