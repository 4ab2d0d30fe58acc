// SPDX-License-Identifier: Apache-2.0

package ledger_test

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"pgregory.net/rapid"

	"github.com/mizar-net/mizar/controlplane/ledger"
	"github.com/mizar-net/mizar/controlplane/object"
)

var start = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

// network is a subnet with these endpoints, on two hosts.
func network(t interface{ Fatalf(string, ...any) }, endpoints ...object.Endpoint) object.Set {
	set, err := object.New(object.Draft{
		Hosts: []object.Host{
			{Meta: object.Meta{Name: "h1"}, Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.1")}},
			{Meta: object.Meta{Name: "h2"}, Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.2")}},
		},
		VPCs: []object.VPC{{Meta: object.Meta{Name: "red"}, VNI: 7}},
		Subnets: []object.Subnet{{Meta: object.Meta{Name: "a"}, VPC: "red",
			CIDRs: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/24"), netip.MustParsePrefix("fd00::/64")}}},
		Endpoints: endpoints,
	})
	if err != nil {
		t.Fatalf("the network is not valid: %v", err)
	}
	return set
}

func endpoint(name string, addresses ...string) object.Endpoint {
	e := object.Endpoint{Meta: object.Meta{Name: name, Namespace: "default"}, Subnet: "a", Host: "h1"}
	for _, a := range addresses {
		e.Addresses = append(e.Addresses, netip.MustParseAddr(a))
	}
	return e
}

// tenancy is who has an address, and as what.
type tenancy struct {
	user             string
	wish, generation uint8
}

// users draws who has which of a few addresses: seldom anybody, on any host, under
// one of two names, MACs and labels each.
func users(t *rapid.T) []object.Endpoint {
	var all []object.Endpoint
	for n := range 3 {
		if rapid.IntRange(0, 3).Draw(t, "gone") == 0 {
			continue
		}
		e := endpoint(fmt.Sprintf("e%d-%d", n, rapid.IntRange(0, 1).Draw(t, "name")), fmt.Sprintf("10.0.0.%d", 10+n))
		if rapid.Bool().Draw(t, "both families") {
			e.Addresses = append(e.Addresses, netip.MustParseAddr(fmt.Sprintf("fd00::%d", 10+rapid.IntRange(0, 1).Draw(t, "shift")*10+n)))
		}
		e.Host = rapid.SampledFrom([]string{"h1", "h2"}).Draw(t, "host")
		e.MAC = [6]byte{2, 0, 0, 0, byte(n), byte(rapid.IntRange(1, 2).Draw(t, "mac"))}
		e.Labels = map[string]string{"app": rapid.SampledFrom([]string{"web", "db"}).Draw(t, "label")}
		if rapid.IntRange(0, 4).Draw(t, "written") == 0 {
			e.Generation = uint8(rapid.IntRange(1, 3).Draw(t, "generation"))
		}
		all = append(all, e)
	}
	return all
}

// TestSuccessiveUsersAreToldApart holds the ledger against a model of each address:
// who had which generation, and when last.
func TestSuccessiveUsersAreToldApart(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		var l ledger.Ledger
		now := start
		used := map[netip.Addr]map[uint8]time.Time{} // generations, and when last
		before := map[netip.Addr]tenancy{}
		for range rapid.IntRange(1, 25).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(1, 2400).Draw(t, "seconds")) * time.Second)
			set := network(t, users(t)...)
			got, next, err := l.Step(set, now)
			g.Expect(err).NotTo(HaveOccurred())
			again, _, err := l.Step(set, now)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(again).To(Equal(got), "a step leaves its ledger alone")

			echoed, same, err := next.Step(got, now)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(echoed).To(Equal(got), "what was given comes back")
			g.Expect(same).To(Equal(next))

			for a, old := range before {
				used[a][old.generation] = now
			}
			after := map[netip.Addr]tenancy{}
			for i, e := range got.Endpoints {
				g.Expect(e.Generation).To(BeNumerically(">=", 1))
				asked := set.Endpoints[i].Generation
				stayed := true
				for _, a := range e.Addresses {
					after[a] = tenancy{e.User(), asked, e.Generation}
					old := before[a]
					stayed = stayed && old.user == e.User() && (asked == old.wish || asked == old.generation)
					if old.user == e.User() && old.generation == e.Generation {
						continue
					}
					last, had := used[a][e.Generation]
					g.Expect(had && now.Sub(last) <= time.Hour).To(BeFalse(),
						"%s is new at %s and has generation %d, in use until %s", e.User(), a, e.Generation, last)
				}
				if stayed {
					g.Expect(e.Generation).To(Equal(before[e.Addresses[0]].generation), "%s stayed", e.User())
				}
			}
			for a := range after {
				if used[a] == nil {
					used[a] = map[uint8]time.Time{}
				}
			}
			before, l = after, next
			if rapid.Bool().Draw(t, "restarted") {
				l = stored(g, l)
			}
		}
	})
}

// stored is the ledger after it was written and read.
func stored(g Gomega, l ledger.Ledger) ledger.Ledger {
	text, err := json.Marshal(l)
	g.Expect(err).NotTo(HaveOccurred())
	var read ledger.Ledger
	g.Expect(json.Unmarshal(text, &read)).To(Succeed())
	again, err := json.Marshal(read)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(again).To(Equal(text))
	return read
}

// story takes one endpoint after the other through a ledger, a minute apart.
func story(t *testing.T, endpoints ...[]object.Endpoint) []uint8 {
	g := NewWithT(t)
	var l ledger.Ledger
	var got []uint8
	for i, all := range endpoints {
		set, next, err := l.Step(network(t, all...), start.Add(time.Duration(i)*time.Minute))
		g.Expect(err).NotTo(HaveOccurred())
		l = next
		if len(set.Endpoints) > 0 {
			got = append(got, set.Endpoints[0].Generation)
		}
	}
	return got
}

func TestWhoIsTheSameUser(t *testing.T) {
	was := endpoint("web", "10.0.0.10")
	moved, other, relabelled, reMAC, both := was, was, was, was, endpoint("web", "10.0.0.10", "fd00::10")
	moved.Host, other.Name, reMAC.MAC = "h2", "db", [6]byte{2, 9, 9, 9, 9, 9}
	was.MAC, moved.MAC, both.MAC = [6]byte{2, 1}, [6]byte{2, 1}, [6]byte{2, 1}
	other.MAC, relabelled.MAC = [6]byte{2, 1}, [6]byte{2, 1}
	relabelled.Labels = map[string]string{"app": "db"}
	one := func(e object.Endpoint) []object.Endpoint { return []object.Endpoint{e} }
	for _, c := range []struct {
		name string
		next [][]object.Endpoint
		same bool
	}{
		{"moved to another host", [][]object.Endpoint{one(moved)}, true},
		{"another family more", [][]object.Endpoint{one(both)}, true},
		{"another name", [][]object.Endpoint{one(other)}, false},
		{"another MAC", [][]object.Endpoint{one(reMAC)}, false},
		{"relabelled", [][]object.Endpoint{one(relabelled)}, false},
		{"deleted and made anew", [][]object.Endpoint{nil, one(was)}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			got := story(t, append([][]object.Endpoint{one(was)}, c.next...)...)
			g.Expect(got).To(HaveLen(2))
			g.Expect(got[0] == got[1]).To(Equal(c.same), "generations %v", got)
		})
	}
}

func TestAWrittenGenerationIsAWish(t *testing.T) {
	g := NewWithT(t)
	wished := func(name string, generation uint8) []object.Endpoint {
		e := endpoint(name, "10.0.0.10")
		e.Generation = generation
		return []object.Endpoint{e}
	}
	g.Expect(story(t, wished("a", 9), wished("a", 9), wished("a", 200), wished("b", 200), wished("c", 255), wished("d", 255))).
		To(Equal([]uint8{9, 9, 200, 201, 255, 1}), "after 255 comes 1")
}

func TestAnAddressThatHadTooManyUsersMustRest(t *testing.T) {
	g := NewWithT(t)
	var l ledger.Ledger
	now := start
	seen := map[uint8]bool{}
	for i := range 255 {
		set, next, err := l.Step(network(t, endpoint(fmt.Sprintf("e%d", i), "10.0.0.10")), now)
		g.Expect(err).NotTo(HaveOccurred())
		seen[set.Endpoints[0].Generation] = true
		l, now = next, now.Add(time.Second)
	}
	g.Expect(seen).To(HaveLen(255))
	next := network(t, endpoint("one-more", "10.0.0.10"), endpoint("other", "10.0.0.11"))
	set, same, err := l.Step(next, now)
	g.Expect(err).To(MatchError(And(
		ContainSubstring("endpoint default/one-more"), ContainSubstring("all 255"), ContainSubstring("10.0.0.10"),
		ContainSubstring("must rest until 2030-01-01T01:10:01Z"))))
	g.Expect(set.Endpoints).To(BeEmpty())
	g.Expect(same).To(Equal(l))

	_, _, err = l.Step(next, start.Add(ledger.Rest+time.Minute))
	g.Expect(err).NotTo(HaveOccurred(), "it has rested")
	_, empty, err := l.Step(network(t), now)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(empty.Addresses()).To(Equal(1))
	_, empty, err = empty.Step(network(t), now.Add(ledger.Rest+1))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(empty.Addresses()).To(BeZero(), "what has rested is forgotten")
}

func TestABrokenLedgerIsRefused(t *testing.T) {
	for _, text := range []string{
		`{}`, `[{"vni": 7, "user": "a", "generation": 1}]`,
		`[{"vni": 7, "address": "10.0.0.10", "user": "a"}]`,
		`[{"vni": 7, "address": "10.0.0.10"}, {"vni": 7, "address": "10.0.0.10"}]`,
	} {
		var l ledger.Ledger
		NewWithT(t).Expect(json.Unmarshal([]byte(text), &l)).To(MatchError(ContainSubstring("ledger of generations")), text)
	}
}

// Whoever is renumbered is another user: hosts that learned the old number are told.
func TestAnotherIdentityIsAnotherUser(t *testing.T) {
	g := NewWithT(t)
	set := network(t, endpoint("web", "10.0.0.10"))
	var l ledger.Ledger
	step := func(identity uint32) uint8 {
		set.Endpoints[0].Identity = identity
		got, next, err := l.Step(set, start)
		g.Expect(err).NotTo(HaveOccurred())
		l = next
		return got.Endpoints[0].Generation
	}
	first := step(17)
	g.Expect(step(17)).To(Equal(first))
	second := step(18)
	g.Expect(second).NotTo(Equal(first))
	g.Expect(step(17)).NotTo(BeElementOf(first, second), "it may not come back while hosts know it")
}
