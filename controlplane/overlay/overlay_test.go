// SPDX-License-Identifier: Apache-2.0

package overlay_test

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	. "github.com/onsi/gomega"
	"pgregory.net/rapid"

	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/controlplane/overlay"
)

var names = rapid.SliceOfNDistinct(rapid.StringMatching(`[a-z][a-z0-9-]{0,8}[a-z0-9]`), 1, 12, rapid.ID[string])

func pairs(t *rapid.T) overlay.Pair {
	address := func(label string) netip.Addr {
		if rapid.Bool().Draw(t, label+" is v4") {
			return netip.AddrFrom4([4]byte(rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, label)))
		}
		return netip.AddrFrom16([16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, label)))
	}
	return overlay.Pair{VNI: rapid.Uint32Range(1, object.MaxVNI).Draw(t, "vni"), Src: address("src"), Dst: address("dst")}
}

func TestChooseDependsOnNoOrderAndMovesOnlyWhatItMust(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		hosts, pair := names.Draw(t, "hosts"), pairs(t)
		chosen := overlay.Choose(hosts, pair)
		g.Expect(hosts).To(ContainElement(chosen))

		turned := slices.Clone(hosts)
		slices.Reverse(turned)
		g.Expect(overlay.Choose(turned, pair)).To(Equal(chosen))

		gone := rapid.SampledFrom(hosts).Draw(t, "gone")
		rest := slices.DeleteFunc(slices.Clone(hosts), func(h string) bool { return h == gone })
		if gone != chosen {
			g.Expect(overlay.Choose(rest, pair)).To(Equal(chosen), "a pair moved whose host stayed")
		}
	})
}

func TestPlacementMovesOnlyWhatTheLostHostHad(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		hosts := names.Draw(t, "hosts")
		s := object.Subnet{
			Meta:     object.Meta{Name: rapid.StringMatching(`[a-z]{1,8}`).Draw(t, "subnet")},
			Bouncers: object.Placement{Count: rapid.IntRange(1, 8).Draw(t, "count")},
		}
		before := overlay.Bouncers(s, hosts)
		g.Expect(before).To(HaveLen(min(s.Bouncers.Count, len(hosts))))
		g.Expect(slices.IsSorted(before)).To(BeTrue())

		gone := rapid.SampledFrom(hosts).Draw(t, "gone")
		after := overlay.Bouncers(s, slices.DeleteFunc(slices.Clone(hosts), func(h string) bool { return h == gone }))
		for _, host := range before {
			if host != gone {
				g.Expect(after).To(ContainElement(host), "a role moved off a host that stayed")
			}
		}
		if !slices.Contains(before, gone) {
			g.Expect(after).To(Equal(before))
		}
	})
}

func TestPlacementKeepsToTheNamedHosts(t *testing.T) {
	g := NewWithT(t)
	live := []string{"h1", "h2", "h3", "h4"}
	v := object.VPC{Meta: object.Meta{Name: "red"}, Dividers: object.Placement{Count: 2, Hosts: []string{"h4", "h2"}}}
	g.Expect(overlay.Dividers(v, live)).To(Equal([]string{"h2", "h4"}))
	g.Expect(overlay.Dividers(v, []string{"h1", "h2", "h3"})).To(Equal([]string{"h2"}), "a host that is not live takes no role")
	g.Expect(live).To(Equal([]string{"h1", "h2", "h3", "h4"}), "arguments are left alone")
	g.Expect(overlay.Choose(nil, overlay.Pair{})).To(BeEmpty())
}

// With n hosts each has about 1/n of all pairs and of all roles.
func TestSharesAreEven(t *testing.T) {
	g := NewWithT(t)
	hosts := []string{"h1", "h2", "h3", "h4", "h5"}
	chosen, placed := map[string]int{}, map[string]int{}
	const many = 20000
	for i := range many {
		src := netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
		chosen[overlay.Choose(hosts, overlay.Pair{VNI: 7, Src: src, Dst: netip.MustParseAddr("10.1.0.1")})]++
		s := object.Subnet{Meta: object.Meta{Name: fmt.Sprintf("subnet-%d", i)}, Bouncers: object.Placement{Count: 1}}
		placed[overlay.Bouncers(s, hosts)[0]]++
	}
	for _, host := range hosts {
		g.Expect(chosen[host]).To(BeNumerically("~", many/5, many/50), "pairs of "+host)
		g.Expect(placed[host]).To(BeNumerically("~", many/5, many/50), "subnets of "+host)
	}
}

// The values are those of the published MurmurHash3 finaliser and FNV-1a; the
// kernel's side is held against the same.
func TestKnownValues(t *testing.T) {
	g := NewWithT(t)
	g.Expect(overlay.Seed("")).To(BeEquivalentTo(0x811c9dc5))
	g.Expect(overlay.Seed("a")).To(BeEquivalentTo(0xe40c292c))
	g.Expect(overlay.Seed("foobar")).To(BeEquivalentTo(0xbf9cf968))
	zero := netip.IPv6Unspecified()
	g.Expect(overlay.Pair{Src: zero, Dst: zero}.Hash()).To(BeZero(), "zero is the mixer's fixed point")
}
