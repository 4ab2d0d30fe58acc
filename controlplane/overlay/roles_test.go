// SPDX-License-Identifier: Apache-2.0

package overlay_test

import (
	"fmt"
	"slices"
	"testing"

	. "github.com/onsi/gomega"
	"pgregory.net/rapid"

	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/controlplane/overlay"
)

func TestThoseThatAreDownAreAskedLast(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		hosts, pair := names.Draw(t, "hosts"), pairs(t)
		down := rapid.SliceOfDistinct(rapid.SampledFrom(hosts), rapid.ID[string]).Draw(t, "down")
		up := slices.DeleteFunc(slices.Clone(hosts), func(h string) bool { return slices.Contains(down, h) })
		want := overlay.Choose(up, pair)
		if len(up) == 0 {
			want = overlay.Choose(hosts, pair)
		}
		g.Expect(overlay.Choose(hosts, pair, down...)).To(Equal(want))
	})
}

// From the best on, Next meets every host that is up once, and ends: whoever is
// believed to be down, and whether or not the first is a candidate.
func TestQuestionsGoDownOneOrderAndEnd(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		hosts, pair := names.Draw(t, "hosts"), pairs(t)
		met := []string{overlay.Choose(hosts, pair)}
		for next := met[0]; len(met) <= len(hosts); met = append(met, next) {
			if next = overlay.Next(hosts, pair, next); next == "" {
				break
			}
		}
		g.Expect(met).To(ConsistOf(hosts))

		believes := func(host string) []string {
			return rapid.SliceOfDistinct(rapid.SampledFrom(hosts), rapid.ID[string]).Draw(t, host+" believes to be down")
		}
		at, seen := overlay.Choose(hosts, pair, believes("asker")...), []string{}
		for at != "" {
			g.Expect(seen).NotTo(ContainElement(at), "a question goes round")
			seen = append(seen, at)
			down := believes(at)
			next := overlay.Next(hosts, pair, at, down...)
			g.Expect(down).NotTo(ContainElement(next))
			at = next
		}
		g.Expect(overlay.Next(hosts, pair, "no-candidate")).To(Or(BeEmpty(), BeElementOf(hosts)))
	})
}

// holders counts who has which role, as pairs of role and host.
func holders(roles overlay.Roles) map[string]bool {
	all := map[string]bool{}
	for role, h := range roles {
		for _, host := range h.All() {
			all[fmt.Sprint(role, host)] = true
		}
	}
	return all
}

// When one of n hosts goes, only what it held goes elsewhere, one n-th of all; when
// it comes back, all is as before.
func TestOneNthOfTheRolesMovesWithAHost(t *testing.T) {
	g := NewWithT(t)
	var set object.Set
	var live []string
	const n, subnets = 10, 4000
	for i := range n {
		live = append(live, fmt.Sprintf("h%d", i))
	}
	for i := range subnets {
		set.Subnets = append(set.Subnets, object.Subnet{Meta: object.Meta{Name: fmt.Sprintf("s%d", i)}, Bouncers: object.Placement{Count: 2}})
	}
	before := holders(overlay.Place(set, live))
	for _, gone := range live {
		rest := slices.DeleteFunc(slices.Clone(live), func(h string) bool { return h == gone })
		after := holders(overlay.Place(set, rest))
		moved, its := 0, 0
		for pair := range before {
			if !after[pair] {
				moved++
			}
		}
		for _, h := range overlay.Place(set, live) {
			if slices.Contains(h.Asked, gone) {
				its++
			}
		}
		g.Expect(moved).To(Equal(its), "nothing else moves")
		g.Expect(moved).To(BeNumerically("~", len(before)/n, len(before)/n/10))
		g.Expect(after).To(HaveLen(len(before)), "and every role is full")
	}
}

func TestARoleWithoutALiveCandidateStays(t *testing.T) {
	s := object.Subnet{Meta: object.Meta{Name: "a"}, Bouncers: object.Placement{Count: 1, Hosts: []string{"h1"}}}
	NewWithT(t).Expect(overlay.Bouncers(s, []string{"h2"})).To(Equal([]string{"h1"}))
}

// host is what a host holds: whom it asks, and whether it can answer.
type host struct {
	asks    map[overlay.Role][]string
	answers map[overlay.Role]bool
}

func told(name string, roles overlay.Roles) host {
	h := host{map[overlay.Role][]string{}, map[overlay.Role]bool{}}
	for role, holders := range roles {
		h.asks[role] = holders.Asked
		h.answers[role] = slices.Contains(holders.All(), name)
	}
	return h
}

// TestWhoeverIsAskedCanAnswer moves roles between living hosts, again and again,
// while states reach hosts one at a time in any order: at every moment, whomever
// any host asks can answer.
func TestWhoeverIsAskedCanAnswer(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		live := []string{"h1", "h2", "h3", "h4", "h5"}
		placement := rapid.Custom(func(t *rapid.T) object.Placement {
			hosts := rapid.SliceOfNDistinct(rapid.SampledFrom(live), 1, len(live), rapid.ID[string]).Draw(t, "hosts")
			return object.Placement{Hosts: hosts, Count: rapid.IntRange(1, 3).Draw(t, "count")}
		})
		set := object.Set{
			VPCs:    []object.VPC{{Meta: object.Meta{Name: "red"}, Dividers: placement.Draw(t, "dividers")}},
			Subnets: []object.Subnet{{Meta: object.Meta{Name: "a"}, VPC: "red", Bouncers: placement.Draw(t, "bouncers")}},
		}
		roles := overlay.Roles(nil).Next(set, overlay.Progress{Live: live})
		hosts, applied := map[string]host{}, slices.Clone(live)
		for _, name := range live {
			hosts[name] = told(name, roles)
		}
		for range rapid.IntRange(1, 30).Draw(t, "events") {
			switch rapid.IntRange(0, 4).Draw(t, "event") {
			case 0:
				set.Subnets[0].Bouncers, set.VPCs[0].Dividers = placement.Draw(t, "bouncers"), placement.Draw(t, "dividers")
			case 1, 2:
				roles, applied = roles.Next(set, overlay.Progress{Live: live, Applied: applied}), nil
			default:
				name := rapid.SampledFrom(live).Draw(t, "told")
				hosts[name], applied = told(name, roles), append(applied, name)
			}
			for name, h := range hosts {
				for role, asked := range h.asks {
					for _, a := range asked {
						g.Expect(hosts[a].answers[role]).To(BeTrue(), "%s asks %s as %v", name, a, role)
					}
				}
			}
		}
		for range 4 {
			roles = roles.Next(set, overlay.Progress{Live: live, Applied: live})
		}
		g.Expect(roles.Settled()).To(BeTrue())
		g.Expect(roles).To(Equal(overlay.Place(set, live)))
	})
}

// Whatever is believed of hosts, roles come to where they are to be.
func TestRolesSettleAfterAnyDeaths(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		all := []string{"h1", "h2", "h3", "h4", "h5"}
		set := object.Set{Subnets: []object.Subnet{{Meta: object.Meta{Name: "a"}, Bouncers: object.Placement{Count: 2}}}}
		some := rapid.SliceOfNDistinct(rapid.SampledFrom(all), 1, len(all), rapid.ID[string])
		roles, live := overlay.Place(set, all), all
		for range rapid.IntRange(1, 10).Draw(t, "changes") {
			live = slices.Sorted(slices.Values(some.Draw(t, "live")))
			roles = roles.Next(set, overlay.Progress{Live: live, Applied: some.Draw(t, "applied")})
			for role, h := range roles {
				g.Expect(slices.ContainsFunc(h.Asked, func(a string) bool { return slices.Contains(live, a) })).To(BeTrue(),
					"nobody who is asked as %v is alive", role)
			}
		}
		for range 4 {
			roles = roles.Next(set, overlay.Progress{Live: live, Applied: live})
		}
		g.Expect(roles).To(Equal(overlay.Place(set, live)))
	})
}

// The steps of one replacement, one by one.
func TestMakeBeforeBreak(t *testing.T) {
	g := NewWithT(t)
	a := overlay.Role{Kind: overlay.Bouncer, Of: "a"}
	set := object.Set{Subnets: []object.Subnet{{Meta: object.Meta{Name: "a"}, Bouncers: object.Placement{Hosts: []string{"h1"}, Count: 1}}}}
	live := []string{"h1", "h2", "h3"}
	roles := overlay.Place(set, live)
	set.Subnets[0].Bouncers.Hosts = []string{"h2"}
	step := func(applied ...string) overlay.Holders {
		roles = roles.Next(set, overlay.Progress{Live: live, Applied: applied})
		return roles[a]
	}
	joining := overlay.Holders{Asked: []string{"h1"}, Joining: []string{"h2"}}
	g.Expect(step("h1", "h2", "h3")).To(Equal(joining))
	g.Expect(step("h1", "h3")).To(Equal(joining), "h2 does not hold it yet")
	asked := overlay.Holders{Asked: []string{"h2"}, Former: []string{"h1"}}
	g.Expect(step("h2")).To(Equal(asked))
	g.Expect(step("h1", "h2")).To(Equal(asked), "h3 may still ask h1")
	g.Expect(step("h1", "h2", "h3")).To(Equal(overlay.Holders{Asked: []string{"h2"}}))
	g.Expect(roles.Settled()).To(BeTrue())

	set.Subnets[0].Bouncers.Hosts = []string{"h3"}
	live = []string{"h1", "h3"}
	g.Expect(step("h1", "h3")).To(Equal(overlay.Holders{Asked: []string{"h3"}, Former: []string{"h2"}}), "h2 is dead: nobody is waited for")
}
