// SPDX-License-Identifier: Apache-2.0

package service_test

import (
	"math"
	"math/bits"
	"net/netip"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/controlplane/service"
)

func tuple(src string, sport uint16, dst string, dport uint16, protocol uint8) service.Tuple {
	return service.Tuple{
		Source: netip.AddrPortFrom(netip.MustParseAddr(src), sport), Destination: netip.AddrPortFrom(netip.MustParseAddr(dst), dport), Protocol: protocol,
	}
}

// What the programs must find too.
func TestHashesAreWhatTheyWere(t *testing.T) {
	for _, c := range []struct {
		tuple service.Tuple
		hash  uint32
	}{
		{tuple("10.0.0.10", 40000, "10.96.0.1", 80, 6), 0xb79703f0},
		{tuple("10.0.0.10", 40000, "10.96.0.1", 80, 17), 0x2f58173d},
		{tuple("fd00::10", 40000, "fd96::1", 443, 6), 0xb22e1a05},
		{tuple("0.0.0.0", 0, "0.0.0.0", 0, 0), 0x9ce219d2},
	} {
		NewWithT(t).Expect(c.tuple.Hash()).To(Equal(c.hash), "%v", c.tuple)
	}
}

func TestAFlowChoosesOneBackendAndKeepsIt(t *testing.T) {
	g := NewWithT(t)
	table := service.Table(some(7, 1))
	flow := tuple("10.0.0.10", 40000, "10.96.0.1", 80, 6)
	g.Expect(service.Choose(table, flow)).To(And(BeNumerically(">=", 0), BeNumerically("<", 7), Equal(service.Choose(table, flow))))
	g.Expect(service.Choose(table, flow)).To(Equal(int(table[flow.Place(len(table))])))
	g.Expect(service.Choose([]uint16{0}, flow)).To(Equal(0))
	g.Expect(service.Choose(nil, flow)).To(Equal(-1))
}

// Flows that differ in one thing, one after the other, spread over places as chance
// would have it: chi-square, at one in ten thousand.
func TestFlowsSpread(t *testing.T) {
	const flows, places = 16000, 1000
	for name, nth := range map[string]func(i int) service.Tuple{
		"source ports":      func(i int) service.Tuple { return tuple("10.0.0.10", uint16(40000+i), "10.96.0.1", 80, 6) },
		"destination ports": func(i int) service.Tuple { return tuple("10.0.0.10", 40000, "10.96.0.1", uint16(i), 17) },
		"IPv4 sources": func(i int) service.Tuple {
			s := tuple("10.0.0.0", 40000, "10.96.0.1", 80, 6)
			s.Source = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 40000)
			return s
		},
		"IPv6 destinations": func(i int) service.Tuple {
			s := tuple("fd00::1", 40000, "fd96::1", 80, 6)
			s.Destination = netip.AddrPortFrom(netip.AddrFrom16([16]byte{0: 0xfd, 6: byte(i >> 8), 15: byte(i)}), 80)
			return s
		},
		"ports of both, alike": func(i int) service.Tuple { return tuple("10.0.0.10", uint16(i), "10.0.0.10", uint16(i), 132) },
	} {
		var seen [places]int
		for i := range flows {
			seen[nth(i).Place(places)]++
		}
		chi := 0.0
		for _, n := range seen {
			d := float64(n) - flows/places
			chi += d * d / (flows / places)
		}
		// The normal approximation of Wilson and Hilferty for 999 degrees.
		const df, z = places - 1, 3.72
		limit := df * math.Pow(1-2.0/(9*df)+z*math.Sqrt(2.0/(9*df)), 3)
		if chi > limit {
			t.Errorf("%s: chi-square %.0f, at most %.0f", name, chi, limit)
		}
	}
}

// Each bit of a tuple changes half of the hash, and any bit of it.
func TestEveryBitMatters(t *testing.T) {
	g := NewWithT(t)
	base := tuple("10.0.0.10", 40000, "10.96.0.1", 80, 6)
	all, n := uint32(0), 0
	for bit := range 8 * 4 {
		src, dst := base.Source.Addr().As4(), base.Destination.Addr().As4()
		src[bit/8] ^= 1 << (bit % 8)
		dst[bit/8] ^= 1 << (bit % 8)
		for _, other := range []service.Tuple{
			{Source: netip.AddrPortFrom(netip.AddrFrom4(src), 40000), Destination: base.Destination, Protocol: 6},
			{Source: base.Source, Destination: netip.AddrPortFrom(netip.AddrFrom4(dst), 80), Protocol: 6},
			{Source: base.Source, Destination: base.Destination, Protocol: 6 ^ 1<<(bit%8)},
			{Source: netip.AddrPortFrom(base.Source.Addr(), 40000^1<<(bit%16)), Destination: base.Destination, Protocol: 6},
			{Source: base.Source, Destination: netip.AddrPortFrom(base.Destination.Addr(), 80^1<<(bit%16)), Protocol: 6},
		} {
			changed := base.Hash() ^ other.Hash()
			g.Expect(bits.OnesCount32(changed)).To(BeNumerically(">=", 5), "%v", other)
			all |= changed
			n += bits.OnesCount32(changed)
		}
	}
	g.Expect(all).To(Equal(^uint32(0)))
	g.Expect(float64(n) / (32 * 5)).To(BeNumerically("~", 16, 1))
}
