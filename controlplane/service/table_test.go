// SPDX-License-Identifier: Apache-2.0

package service_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	. "github.com/onsi/gomega"
	"pgregory.net/rapid"

	"github.com/mizar-net/mizar/controlplane/service"
)

// some are n backends, as endpoints come: addresses close to each other, one port.
func some(n int, seed uint64) []netip.AddrPort {
	r := rand.New(rand.NewPCG(seed, 0))
	base, all := r.Uint32(), map[netip.AddrPort]bool{}
	for len(all) < n {
		at := base + r.Uint32N(uint32(4*n))
		all[netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(at >> 16), byte(at >> 8), byte(at)}), 8080)] = true
	}
	var out []netip.AddrPort
	for b := range all {
		out = append(out, b)
	}
	slices.SortFunc(out, netip.AddrPort.Compare)
	return out
}

// counts are how many places each backend has.
func counts(table []uint16, backends int) []int {
	all := make([]int, backends)
	for _, b := range table {
		all[b]++
	}
	return all
}

// moved is how much of all that hashes hit changes hands between two backends that are
// both there before and after one goes.
func moved(all []netip.AddrPort, gone int) float64 {
	rest := slices.Delete(slices.Clone(all), gone, gone+1)
	before, after := service.Table(all), service.Table(rest)
	size, changed := max(len(before), len(after)), 0
	for p := range size {
		was, is := all[before[p*len(before)/size]], rest[after[p*len(after)/size]]
		if was != all[gone] && was != is {
			changed++
		}
	}
	return float64(changed) / float64(size)
}

// Whoever comes or goes, what it had or gets is one share; what others lose to each
// other may be half of one more.
func TestHardlyAnythingMovesBetweenOthers(t *testing.T) {
	check := func(t interface{ Errorf(string, ...any) }, n, gone int, seed uint64) {
		if part := moved(some(n, seed), gone); part > 0.5/float64(n) || (n <= service.Few && part > 0) {
			t.Errorf("%d backends less one: %.3f of a share moved between others", n, part*float64(n))
		}
	}
	for _, n := range []int{2, 3, service.Few, service.Few + 1, 8 * service.Few, 8*service.Few + 1, 64 * service.Few, 64*service.Few + 1} {
		check(t, n, n/3, 1)
	}
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(2, 700).Draw(t, "backends")
		check(t, n, rapid.IntRange(0, n-1).Draw(t, "gone"), rapid.Uint64().Draw(t, "seed"))
	})
}

func TestEveryBackendHasItsShareOfPlaces(t *testing.T) {
	for _, c := range []struct {
		backends, size int
		// least and most are the bounds of shares, as parts of an even one.
		least, most float64
	}{
		{1, 1, 1, 1},
		{2, 1024, 0.85, 1.15},
		{16, 1024, 0.6, 1.5},
		{17, 8192, 0.6, 1.5},
		{128, 8192, 0.5, 1.6},
		{129, 65536, 0.4, 1.7},
		{1024, 65536, 0.4, 1.8},
		{10000, 4194304, 0.25, 2.5},
	} {
		t.Run(fmt.Sprint(c.backends), func(t *testing.T) {
			g := NewWithT(t)
			table := service.Table(some(c.backends, 7))
			g.Expect(table).To(HaveLen(c.size))
			all := counts(table, c.backends)
			even := float64(c.size) / float64(c.backends)
			g.Expect(float64(slices.Min(all)) / even).To(BeNumerically(">=", c.least))
			g.Expect(float64(slices.Max(all)) / even).To(BeNumerically("<=", c.most))
		})
	}
	NewWithT(t).Expect(service.Table(nil)).To(BeEmpty())
}

func TestTablesAreOfTheBackendsAlone(t *testing.T) {
	g := NewWithT(t)
	g.Expect(service.Table(some(100, 3))).To(Equal(service.Table(some(100, 3))))
	g.Expect(service.Table(some(100, 3))).NotTo(Equal(service.Table(some(100, 4))))
	other := some(10, 3)
	for i := range other {
		other[i] = netip.AddrPortFrom(other[i].Addr(), 8081)
	}
	g.Expect(service.Table(some(10, 3))).NotTo(Equal(service.Table(other)), "ports tell backends apart")
	six := []netip.AddrPort{netip.MustParseAddrPort("[fd00::1]:80"), netip.MustParseAddrPort("[fd00::2]:80")}
	g.Expect(counts(service.Table(six), 2)).To(HaveEach(BeNumerically("~", 512, 90)))
}

// A backend that drew nothing gets a place of one that has several.
func TestNobodyIsLeftWithoutAPlace(t *testing.T) {
	g := NewWithT(t)
	table := service.Settle(some(20, 1), func(place int) uint16 { return uint16(place % 10) })
	all := counts(table, 20)
	g.Expect(all).To(HaveEach(BeNumerically(">", 0)))
	for _, n := range all[10:] {
		g.Expect(n).To(Equal(1))
	}
}
