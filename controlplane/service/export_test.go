// SPDX-License-Identifier: Apache-2.0

package service

import "net/netip"

// Settle is what becomes of a table in which places have the owners that are given.
func Settle(backends []netip.AddrPort, owner func(place int) uint16) []uint16 {
	t := newDraw(backends)
	for p := range t.places {
		t.places[p] = owner(p)
	}
	t.settle()
	return t.places
}
