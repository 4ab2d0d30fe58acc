// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"context"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/bench/probe"
	"github.com/mizar-net/mizar/dataplane/encode"
	"github.com/mizar-net/mizar/sim/crowd"
	"github.com/mizar-net/mizar/sim/frame"
)

var shortly = Plan{Loads: 1, Rounds: 1, Sample: time.Millisecond}

// TestEverySeriesGoesItsWay runs each size up to 16,384 shortly over IPv4, and
// each base over IPv6: what becomes of every packet is what the series says, or
// Grow fails.
func TestEverySeriesGoesItsWay(t *testing.T) {
	g := NewWithT(t)
	var names, bases []string
	for _, s := range Growing() {
		g.Expect(s.Sizes).To(ContainElement(s.Base), s.Name)
		bases = append(bases, s.at(s.Base))
		for _, size := range s.Sizes {
			if size <= probe.MaxFlows {
				names = append(names, s.at(size))
			}
		}
	}
	figures, err := Grow(context.Background(), Filter{Names: names, Families: []int{4}}, shortly)
	g.Expect(err).NotTo(HaveOccurred(), "root is needed")
	six, err := Grow(context.Background(), Filter{Names: bases, Families: []int{6}}, shortly)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(len(six)).To(BeNumerically(">=", len(bases)))
	seen := map[string]bool{}
	for _, f := range append(figures, six...) {
		g.Expect(f.Loads).To(HaveLen(1), f.ID())
		g.Expect(f.Loads[0].Wrapper.P5).To(BeNumerically(">", 0), f.ID())
		g.Expect(f.Rows).To(BeNumerically(">", 0), f.ID())
		seen[f.Name] = true
	}
	for _, name := range names {
		g.Expect(seen).To(HaveKey(name))
	}
}

func TestSizesAreChosenByNameAndTheBaseIsMeasuredToo(t *testing.T) {
	g := NewWithT(t)
	var s Series
	for _, s = range Growing() {
		if s.Name == "growth/bouncer/endpoints" {
			break
		}
	}
	four := func(names ...string) Filter { return Filter{Names: names, Families: []int{4}} }
	one, lots := Key{4, 1}, Key{4, probe.MaxFlows}
	g.Expect(s.sizesFor(four("growth"), one)).To(Equal([]int{10, 1000, 100_000, 1_000_000}))
	g.Expect(s.sizesFor(four("growth"), lots)).To(Equal([]int{1000, 100_000, 1_000_000}), "16,384 packets cannot meet a thousand rows of ten")
	g.Expect(s.sizesFor(four("growth/bouncer/endpoints/100000"), one)).To(Equal([]int{1000, 100_000}))
	g.Expect(s.sizesFor(four("uplink"), one)).To(BeEmpty())

	asked := four("growth/established/paths/10")
	figures, err := Grow(context.Background(), asked, shortly)
	g.Expect(err).NotTo(HaveOccurred(), "root is needed")
	g.Expect(figures).To(HaveExactElements(HaveField("Rows", 10)), "the base is its floor, and no figure that anybody asked for")
	g.Expect(figures[0].Loads[0].Floor.P5).NotTo(BeZero())
}

// TestPacketsMeetTheSameRowsAtAnySize, unless they are cold.
func TestPacketsMeetTheSameRowsAtAnySize(t *testing.T) {
	g := NewWithT(t)
	for _, s := range Growing() {
		k := Key{6, s.Flows[len(s.Flows)-1]}
		first, err := s.packets(s.Base, k)
		g.Expect(err).NotTo(HaveOccurred())
		last, err := s.packets(s.Sizes[len(s.Sizes)-1], k)
		g.Expect(err).NotTo(HaveOccurred())
		if s.cold {
			g.Expect(last).NotTo(Equal(first), s.Name)
		} else {
			g.Expect(last).To(Equal(first), s.Name)
		}
	}
}

// TestStrangersAreInTheHashAlone: the series of collided hosts measures what it
// says.
func TestStrangersAreInTheHashAlone(t *testing.T) {
	for _, family := range []int{4, 6} {
		g := NewWithT(t)
		a, err := stranger(family)
		g.Expect(err).NotTo(HaveOccurred())
		for _, size := range hostsAxis().sizes {
			c, err := hostsAxis().crowd(family, size)
			g.Expect(err).NotTo(HaveOccurred())
			s, l := c.State()
			rows, _, err := encode.Encode(s, l, encode.Index{})
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(rows.Peers).To(HaveKey(encode.Underlay(a)))
			for _, slot := range rows.PeerSlots {
				g.Expect(slot.Addr).NotTo(Equal(a.As16()))
			}
			first := crowd.Peer(family, 0).As16()
			g.Expect(rows.PeerSlots).To(ContainElement(HaveField("Addr", first)))
		}
	}
}

// TestSeriesThatGoAnotherWayAreRefused plants mistakes in what packets meet.
func TestSeriesThatGoAnotherWayAreRefused(t *testing.T) {
	for what, plant := range map[string]func(*plot){
		"want verdicts": func(p *plot) { p.want.verdict = "deliver" },
		"want action":   func(p *plot) { p.want.action = 1 },
		"no_endpoint": func(p *plot) { // a row that the directory does not have
			p.frames = func(family, _ int) (frame.Spec, error) { return bounce(family, 5000) }
		},
	} {
		g := NewWithT(t)
		f := Filter{Names: []string{"growth/bouncer/endpoints/10"}, Families: []int{4}, Flows: []int{1}}
		grounds := groundsOf(f)
		g.Expect(grounds).To(HaveLen(1))
		plant(&grounds[0].plots[0])
		r := runner{Plan: shortly}
		_, err := r.grow(context.Background(), grounds[0], f)
		g.Expect(err).To(MatchError(ContainSubstring(what)))
	}
}

// TestGrowthTargets: one for each series whose packets meet the same rows at any
// size, at its largest.
func TestGrowthTargets(t *testing.T) {
	g := NewWithT(t)
	limits := map[string]string{}
	for _, target := range growthTargets() {
		limits[target.Name] = target.Limit()
	}
	g.Expect(limits).To(HaveKeyWithValue("growth/bouncer/endpoints/1000000", "1.50 × at-1000"))
	g.Expect(limits).To(HaveKeyWithValue("growth/deliver/all-hosts/16000", "1.15 × or 10 ns over at-1000"))
	g.Expect(limits).To(HaveKeyWithValue("growth/established/vpcs/4000", "1.15 × or 10 ns over at-1"))
	g.Expect(limits).NotTo(HaveKey(HavePrefix("growth/divider")))
	g.Expect(limits).To(HaveLen(len(Growing()) - 2))
}
