// SPDX-License-Identifier: Apache-2.0

package service

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"

	. "github.com/onsi/gomega"
	"pgregory.net/rapid"
)

// backendAt is the n-th of a VPC's addresses.
func backendAt(n int) netip.AddrPort {
	var at [4]byte
	binary.BigEndian.PutUint32(at[:], 10<<24+uint32(n))
	return netip.AddrPortFrom(netip.AddrFrom4(at), 8080)
}

// However backends come and go, few of them or many at a time, the tables that follow one
// another are those that are made anew.
func TestTablesThatFollowAreThoseMadeAnew(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		there := map[int]bool{}
		for n := range rapid.IntRange(129, 400).Draw(t, "backends") {
			there[3*n] = true
		}
		all := &tables{all: map[string]*table{}}
		for range rapid.IntRange(2, 6).Draw(t, "changes") {
			for range rapid.SampledFrom([]int{1, 1, 2, 5, 40}).Draw(t, "at once") {
				n := 3*rapid.IntRange(0, 420).Draw(t, "backend") + rapid.IntRange(0, 1).Draw(t, "new")
				there[n] = !there[n]
			}
			var backends []netip.AddrPort
			for n, is := range there {
				if is {
					backends = append(backends, backendAt(n))
				}
			}
			slices.SortFunc(backends, netip.AddrPort.Compare)
			if got := all.make(backends); !slices.Equal(got, Table(backends)) {
				t.Fatalf("the table of %d backends is another one than that made anew", len(backends))
			}
		}
	})
}

// A thousand backends are replaced one by one, so that what is remembered of each place
// runs out, and is drawn again.
func TestTablesFollowForLong(t *testing.T) {
	g := NewWithT(t)
	var backends []netip.AddrPort
	for n := range 1000 {
		backends = append(backends, backendAt(n))
	}
	d, began := &draws{}, map[*[depth]drawn]bool{}
	for n := range 300 {
		backends = append(slices.Clone(backends[1:]), backendAt(1000+n))
		got := d.table(backends)
		began[&d.first[0]] = true
		if n%20 == 0 {
			g.Expect(got).To(Equal(Table(backends)))
		}
	}
	g.Expect(len(began)).To(And(BeNumerically(">", 1), BeNumerically("<", 30)), "as often they were drawn")
}

// What is remembered is bounded, whatever services there are.
func TestFewDrawsAreRemembered(t *testing.T) {
	g := NewWithT(t)
	all := &tables{all: map[string]*table{}}
	var backends []netip.AddrPort
	for n := range 200 {
		backends = append(backends, backendAt(n))
	}
	for n := range 40 {
		other := slices.Clone(backends)
		for i := range other {
			other[i] = netip.AddrPortFrom(other[i].Addr(), uint16(1000+n))
		}
		all.make(other)
		all.make(other[1:])
	}
	g.Expect(all.recent).To(HaveLen(mostRecent))
	places := 0
	for _, d := range all.recent {
		g.Expect(d.places()).To(Equal(65536))
		places += d.places()
	}
	g.Expect(places).To(BeNumerically("<=", mostPlaces))
}
