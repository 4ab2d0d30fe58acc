// SPDX-License-Identifier: Apache-2.0

package compile_test

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	. "github.com/onsi/gomega"
	"pgregory.net/rapid"

	"github.com/mizar-net/mizar/controlplane/compile"
	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/controlplane/overlay"
	"github.com/mizar-net/mizar/dataplane/state"
)

func TestDeadHostsGetNoRoles(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		set := valid(t, network(t))
		dead := rapid.SliceOfDistinct(rapid.SampledFrom(hostNames(set)), rapid.ID[string]).Draw(t, "dead")
		living := slices.DeleteFunc(hostNames(set), func(h string) bool { return slices.Contains(dead, h) })
		if len(living) == 0 {
			living = hostNames(set)
		}
		for _, h := range (compile.View{Dead: dead}).Hosts(set) {
			g.Expect(h.Peers).To(HaveLen(len(set.Hosts) - 1))
			for _, s := range h.Subnets {
				of, _ := set.Subnet(s.Name)
				g.Expect(s.Bouncers).To(Equal(overlay.Bouncers(of, living)))
			}
			for _, v := range h.VPCs {
				of, _ := set.VPC(v.Name)
				g.Expect(v.Dividers).To(Equal(overlay.Dividers(of, living)))
			}
		}
	})
}

func TestEveryHostHasABeliefOfItsOwn(t *testing.T) {
	g := NewWithT(t)
	set := three(t)
	down := map[string]string{"h1": "h3", "h2": "h1"}
	view := compile.View{Live: func(host, peer string) bool { return down[host] != peer }}
	plain := compile.Hosts(set)
	for i, h := range view.Hosts(set) {
		for j := range h.Peers {
			g.Expect(h.Peers[j].Down).To(Equal(down[h.Name] == h.Peers[j].Name), "%s of %s", h.Name, h.Peers[j].Name)
			h.Peers[j].Down = false
		}
		g.Expect(cmp.Diff(plain[i], h, comparers...)).To(BeEmpty(), "nothing else differs")
		alone, err := view.Host(set, h.Name)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(slices.ContainsFunc(alone.Peers, func(p state.Peer) bool { return p.Down })).To(Equal(down[h.Name] != ""))
	}
}

// three is a subnet on three hosts, bounced by h1 and divided by h2.
func three(t *testing.T) object.Set {
	d := object.Draft{
		VPCs: []object.VPC{{Meta: object.Meta{Name: "red"}, VNI: 7, Dividers: object.Placement{Hosts: []string{"h2"}}}},
		Subnets: []object.Subnet{{
			Meta: object.Meta{Name: "a"}, VPC: "red", Bouncers: object.Placement{Hosts: []string{"h1"}},
			CIDRs: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/24")},
		}},
	}
	for i, name := range []string{"h1", "h2", "h3"} {
		d.Hosts = append(d.Hosts, object.Host{Meta: object.Meta{Name: name}, Addresses: []netip.Addr{netip.AddrFrom4([4]byte{192, 0, 2, byte(i + 1)})}})
		d.Endpoints = append(d.Endpoints, object.Endpoint{
			Meta: object.Meta{Name: "e-" + name, Namespace: "default"}, Subnet: "a", Host: name,
			Addresses: []netip.Addr{netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 10)})},
		})
	}
	return valid(t, d)
}

func TestThoseWhoJoinAndLeaveHoldTheDirectoryAndAreNotAsked(t *testing.T) {
	g := NewWithT(t)
	set := three(t)
	roles := overlay.Roles{
		{Kind: overlay.Bouncer, Of: "a"}:   {Asked: []string{"h1"}, Joining: []string{"h2"}, Former: []string{"h3"}},
		{Kind: overlay.Divider, Of: "red"}: {Asked: []string{"h2"}, Former: []string{"h1"}},
	}
	for _, h := range (compile.View{Roles: roles}).Hosts(set) {
		g.Expect(h.Subnets).To(HaveExactElements(And(HaveField("Bouncers", []string{"h1"}), HaveField("Bouncer", state.Complete))), h.Name)
		g.Expect(h.Directory).To(HaveLen(3), h.Name)
		g.Expect(h.VPCs).To(HaveExactElements(And(HaveField("Dividers", []string{"h2"}), HaveField("Divider", h.Name != "h3"))), h.Name)
	}
	for _, h := range compile.Hosts(set)[1:] {
		g.Expect(h.Directory).To(BeEmpty(), h.Name)
	}
}

func TestABouncerThatHasNotHeardOfAllIsFilling(t *testing.T) {
	g := NewWithT(t)
	set := three(t)
	view := compile.View{Partial: []compile.Partial{{Host: "h1", Subnet: "a", Known: []string{"default/e-h3"}}}}
	h, err := view.Host(set, "h1")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(h.Subnets).To(HaveExactElements(HaveField("Bouncer", state.Filling)))
	g.Expect(h.Directory).To(HaveExactElements(HaveField("Host", "h3")))
	h, err = view.Host(set, "h2")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(h.Subnets).To(HaveExactElements(HaveField("Bouncer", state.NoBouncer)), "a part without the role is none")
}
