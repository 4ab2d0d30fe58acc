// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"pgregory.net/rapid"

	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/wire"
)

// network draws a valid network: the same addresses in every VPC, roles left
// to rendezvous hashing.
func network(t *rapid.T) object.Set {
	var d object.Draft
	hosts := rapid.IntRange(1, 5).Draw(t, "hosts")
	for i := range hosts {
		d.Hosts = append(d.Hosts, object.Host{
			Meta:      object.Meta{Name: fmt.Sprintf("h%d", i+1)},
			Addresses: []netip.Addr{netip.AddrFrom4([4]byte{192, 0, 2, byte(i + 1)})},
		})
	}
	for v := range rapid.IntRange(1, 2).Draw(t, "VPCs") {
		vpc := object.VPC{Meta: object.Meta{Name: fmt.Sprintf("v%d", v)}, VNI: uint32(v + 1)}
		vpc.Dividers.Count = rapid.IntRange(1, 3).Draw(t, "dividers")
		d.VPCs = append(d.VPCs, vpc)
		for s := range 2 {
			subnet := object.Subnet{Meta: object.Meta{Name: fmt.Sprintf("v%ds%d", v, s)}, VPC: vpc.Name}
			subnet.Bouncers.Count = rapid.IntRange(1, 3).Draw(t, "bouncers")
			subnet.CIDRs = []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, byte(s), 0}), 24)}
			d.Subnets = append(d.Subnets, subnet)
			for e := range rapid.IntRange(1, 4).Draw(t, "endpoints") {
				d.Endpoints = append(d.Endpoints, object.Endpoint{
					Meta:      object.Meta{Namespace: "default", Name: fmt.Sprintf("%se%d", subnet.Name, e)},
					Subnet:    subnet.Name,
					Host:      fmt.Sprintf("h%d", rapid.IntRange(1, hosts).Draw(t, "host")),
					Addresses: []netip.Addr{netip.AddrFrom4([4]byte{10, 0, byte(s), byte(e + 10)})},
				})
			}
		}
	}
	set, err := object.New(d)
	if err != nil {
		t.Fatalf("the drawn network is not valid: %v", err)
	}
	return set
}

// Whatever was learned before: every packet reaches the endpoint that has its
// destination in the sender's VPC, or is dropped when there is none; nothing
// takes more than two relays and a way back; and a conversation is direct in
// both directions from its third packet on.
func TestEveryConversationArrivesAndBecomesDirect(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		set := network(t)
		o := New()
		g.Expect(o.Apply(set)).To(Succeed())
		for range rapid.IntRange(1, 12).Draw(t, "conversations") {
			from := rapid.SampledFrom(set.Endpoints).Draw(t, "from")
			to := netip.AddrFrom4([4]byte{10, 0, byte(rapid.IntRange(0, 2).Draw(t, "subnet")), byte(rapid.IntRange(9, 14).Draw(t, "to"))})
			out, err := o.Probe(wire.Probe{Proto: wire.UDP, From: from.Key(), To: to, Count: 3})
			g.Expect(err).NotTo(HaveOccurred())
			receiver, exists := o.real.endpoints[place{o.real.vpcOf(from), to}]
			for i, p := range out.Requests {
				g.Expect(p.Delivered).To(Equal(exists), "%s to %s: %+v", from.Key(), to, p)
				g.Expect(p.Hosts[0]).To(Equal(from.Host))
				g.Expect(p.Hops).To(BeNumerically("<=", 4))
				if exists {
					g.Expect(p.To).To(Equal(receiver.Key()))
					g.Expect(p.Hosts[p.Hops]).To(Equal(receiver.Host))
				}
				if exists && i > 0 {
					direct := 1
					if receiver.Host == from.Host {
						direct = 0
					}
					g.Expect(p.Hops).To(Equal(direct), "request %d went by %v", i, p.Hosts)
					g.Expect(out.Replies[i].Hops).To(Equal(direct), "reply %d went by %v", i, out.Replies[i].Hosts)
				}
			}
			o.Advance(time.Duration(rapid.IntRange(0, 2000).Draw(t, "pause")) * time.Millisecond)
		}
	})
}

// change moves an endpoint, makes it anew elsewhere with another MAC, or deletes it.
func change(t *rapid.T, set object.Set) object.Set {
	all := slices.Clone(set.Endpoints)
	i := rapid.IntRange(0, len(all)-1).Draw(t, "endpoint")
	e := &all[i]
	switch rapid.SampledFrom([]string{"move", "anew", "delete"}).Draw(t, "change") {
	case "move":
		e.Host = rapid.SampledFrom(set.Hosts).Draw(t, "host").Name
	case "anew":
		e.Host = rapid.SampledFrom(set.Hosts).Draw(t, "host").Name
		e.Generation, e.MAC = e.Generation%255+1, state.MAC{2, 0x99, 0, 0, e.MAC[4], e.MAC[5] + 1}
	case "delete":
		if len(all) > 1 {
			all = slices.Delete(all, i, i+1)
		}
	}
	next, err := object.New(object.Draft{Hosts: set.Hosts, VPCs: set.VPCs, Subnets: set.Subnets, Endpoints: all})
	if err != nil {
		t.Fatalf("the changed network is not valid: %v", err)
	}
	return next
}

// Whatever hosts have learned, and however it changed since: where all agents run,
// no packet is lost to a row that is out of date, none reaches an earlier user of
// an address, and who sends to nobody is told.
func TestNothingIsLostToWhatChanged(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		set := network(t)
		o := New()
		g.Expect(o.Apply(set)).To(Succeed())
		for range rapid.IntRange(1, 20).Draw(t, "steps") {
			if rapid.IntRange(0, 2).Draw(t, "change") == 2 {
				set = change(t, set)
				g.Expect(o.Apply(set)).To(Succeed())
			}
			from := rapid.SampledFrom(set.Endpoints).Draw(t, "from")
			to := netip.AddrFrom4([4]byte{10, 0, byte(rapid.IntRange(0, 2).Draw(t, "subnet")), byte(rapid.IntRange(10, 14).Draw(t, "to"))})
			out, err := o.Probe(wire.Probe{Proto: wire.UDP, From: from.Key(), To: to})
			g.Expect(err).NotTo(HaveOccurred())
			p := out.Requests[0]
			receiver, exists := o.real.endpoints[place{o.real.vpcOf(from), to}]
			g.Expect(p.Delivered).To(Equal(exists), "%s to %s: %+v", from.Key(), to, p)
			if exists {
				g.Expect(p.To).To(Equal(receiver.Key()))
				g.Expect(out.Replies[0].Delivered).To(BeTrue(), "%+v", out.Replies[0])
			} else {
				g.Expect(p.Refused).NotTo(BeNil(), "%s to %s: %+v", from.Key(), to, p)
			}
			o.Advance(time.Duration(rapid.IntRange(10, 2000).Draw(t, "pause")) * time.Millisecond)
		}
	})
}
