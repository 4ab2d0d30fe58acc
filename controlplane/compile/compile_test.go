// SPDX-License-Identifier: Apache-2.0

package compile_test

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	. "github.com/onsi/gomega"
	"pgregory.net/rapid"

	"github.com/mizar-net/mizar/controlplane/compile"
	"github.com/mizar-net/mizar/controlplane/identity"
	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/controlplane/overlay"
	"github.com/mizar-net/mizar/dataplane/state"
)

// network draws a valid network of a few of everything, both families, and
// the same addresses in every VPC.
func network(t *rapid.T) object.Draft {
	var d object.Draft
	hosts := rapid.IntRange(1, 5).Draw(t, "hosts")
	for i := range hosts {
		d.Hosts = append(d.Hosts, object.Host{
			Meta:      object.Meta{Name: fmt.Sprintf("h%d", i+1)},
			Addresses: []netip.Addr{netip.AddrFrom4([4]byte{192, 0, 2, byte(i + 1)})},
			MTU:       rapid.SampledFrom([]int{0, 1500, 9000}).Draw(t, "mtu"),
		})
	}
	for v := range rapid.IntRange(1, 3).Draw(t, "VPCs") {
		vpc := object.VPC{Meta: object.Meta{Name: fmt.Sprintf("v%d", v)}, VNI: uint32(v + 1)}
		vpc.Dividers.Count = rapid.IntRange(0, 3).Draw(t, "dividers")
		d.VPCs = append(d.VPCs, vpc)
		for s := range rapid.IntRange(0, 3).Draw(t, "subnets") {
			subnet := object.Subnet{Meta: object.Meta{Name: fmt.Sprintf("v%ds%d", v, s)}, VPC: vpc.Name}
			subnet.Bouncers.Count = rapid.IntRange(0, 3).Draw(t, "bouncers")
			subnet.CIDRs = []netip.Prefix{
				netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, byte(s), 0}), 24),
				netip.PrefixFrom(netip.AddrFrom16([16]byte{0xfd, 7: byte(s)}), 64),
			}
			d.Subnets = append(d.Subnets, subnet)
			for e := range rapid.IntRange(0, 4).Draw(t, "endpoints") {
				host := rapid.IntRange(1, hosts).Draw(t, "host")
				d.Endpoints = append(d.Endpoints, endpoint(subnet, e, host))
			}
		}
	}
	return d
}

func endpoint(s object.Subnet, number, host int) object.Endpoint {
	v4, v6 := s.CIDRs[0].Addr().As4(), s.CIDRs[1].Addr().As16()
	v4[3], v6[15] = byte(number+10), byte(number+10)
	return object.Endpoint{
		Meta:   object.Meta{Namespace: "default", Name: fmt.Sprintf("%se%d", s.Name, number)},
		Subnet: s.Name, Host: fmt.Sprintf("h%d", host),
		Addresses: []netip.Addr{netip.AddrFrom4(v4), netip.AddrFrom16(v6)},
	}
}

func valid(t interface{ Fatalf(string, ...any) }, d object.Draft) object.Set {
	set, err := object.New(d)
	if err != nil {
		t.Fatalf("the drawn network is not valid: %v", err)
	}
	return set
}

func hostNames(set object.Set) (names []string) {
	for _, h := range set.Hosts {
		names = append(names, h.Name)
	}
	return names
}

// generationsOf are those of a set, by address and VNI.
func generationsOf(set object.Set) map[netip.Addr]map[uint32]uint8 {
	all := map[netip.Addr]map[uint32]uint8{}
	for _, e := range set.Endpoints {
		s, _ := set.Subnet(e.Subnet)
		v, _ := set.VPC(s.VPC)
		for _, a := range e.Addresses {
			if all[a] == nil {
				all[a] = map[uint32]uint8{}
			}
			all[a][v.VNI] = e.Generation
		}
	}
	return all
}

// An endpoint is in the directory of its subnet's bouncers and nowhere else,
// and among the endpoints of its own host and nowhere else.
func TestTheNetworkIsPartitioned(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		set := valid(t, network(t))
		generations := generationsOf(set)
		for _, h := range compile.Hosts(set) {
			here, listed := map[string]bool{}, map[string]bool{}
			for _, e := range h.Endpoints {
				here[e.Name] = true
				g.Expect(e.Generation).To(Equal(generations[e.Addresses[0]][e.VNI]))
			}
			for _, l := range h.Directory {
				g.Expect(l.Generation).To(And(Not(BeZero()), Equal(generations[l.Address][l.VNI])))
				listed[fmt.Sprint(l.Subnet, l.Address, l.Host, l.VNI)] = true
			}
			total := 0
			for _, e := range set.Endpoints {
				s, _ := set.Subnet(e.Subnet)
				v, _ := set.VPC(s.VPC)
				g.Expect(here[e.Key()]).To(Equal(e.Host == h.Name), "%s at %s", e.Key(), h.Name)
				bounced := slices.Contains(overlay.Bouncers(s, hostNames(set)), h.Name)
				for _, addr := range e.Addresses {
					g.Expect(listed[fmt.Sprint(s.Name, addr, e.Host, v.VNI)]).To(Equal(bounced), "%s in the directory of %s", e.Key(), h.Name)
				}
				if bounced {
					total += len(e.Addresses)
				}
			}
			g.Expect(h.Directory).To(HaveLen(total), "nothing else, nothing twice")
		}
	})
}

// A host knows a subnet or a VPC exactly when some role of its makes it need
// to.
func TestAHostKnowsOnlyWhatItServes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		set := valid(t, network(t))
		for _, h := range compile.Hosts(set) {
			var subnets, vpcs []string
			for _, v := range set.VPCs {
				divides := slices.Contains(overlay.Dividers(v, hostNames(set)), h.Name)
				serves := divides
				for _, s := range set.Subnets {
					bounces := slices.Contains(overlay.Bouncers(s, hostNames(set)), h.Name)
					lives := slices.ContainsFunc(set.Endpoints, func(e object.Endpoint) bool { return e.Subnet == s.Name && e.Host == h.Name })
					if s.VPC == v.Name && (divides || bounces || lives) {
						subnets, serves = append(subnets, s.Name), true
					}
				}
				if serves {
					vpcs = append(vpcs, v.Name)
				}
			}
			var gotSubnets, gotVPCs []string
			for _, s := range h.Subnets {
				gotSubnets = append(gotSubnets, s.Name)
				g.Expect(s.Bouncer == state.Complete).To(Equal(slices.Contains(s.Bouncers, h.Name)))
			}
			for _, v := range h.VPCs {
				gotVPCs = append(gotVPCs, v.Name)
				g.Expect(v.Divider).To(Equal(slices.Contains(v.Dividers, h.Name)))
			}
			slices.Sort(subnets)
			g.Expect(gotSubnets).To(Equal(subnets))
			g.Expect(gotVPCs).To(Equal(vpcs))
			g.Expect(h.Peers).To(HaveLen(len(set.Hosts) - 1))
		}
	})
}

// Adding an endpoint changes the state of its host and its subnet's bouncers,
// and of no other host.
func TestAddingAnEndpointTouchesItsHostAndItsBouncers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		draft := network(t)
		before := valid(t, draft)
		if len(before.Subnets) == 0 {
			return // nowhere to add an endpoint
		}
		s := rapid.SampledFrom(before.Subnets).Draw(t, "subnet")
		host := rapid.IntRange(1, len(before.Hosts)).Draw(t, "host")
		draft.Endpoints = append(draft.Endpoints, endpoint(s, 100, host))
		added := draft.Endpoints[len(draft.Endpoints)-1]
		old, now := given(t, before, valid(t, draft))
		for i := range old {
			name := old[i].Name
			touched := name == added.Host || slices.Contains(overlay.Bouncers(s, hostNames(before)), name)
			g.Expect(cmp.Equal(old[i], now[i], comparers...)).To(Equal(!touched), "host %s", name)
		}
	})
}

// given are the states of two sets, one after the other, with identities that a
// ledger gives.
func given(t *rapid.T, before, after object.Set) (old, now []state.Host) {
	at := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	book, ledger, err := identity.Ledger{}.Step(before, at)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	next, _, err := ledger.Step(after, at)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return compile.View{Identities: &book}.Hosts(before), compile.View{Identities: &next}.Hosts(after)
}

func TestTheOrderOfWritingDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draft := served(t)
		want := compile.Hosts(valid(t, draft))
		slices.Reverse(draft.Hosts)
		slices.Reverse(draft.VPCs)
		slices.Reverse(draft.Subnets)
		slices.Reverse(draft.Endpoints)
		slices.Reverse(draft.Policies)
		slices.Reverse(draft.Services)
		set := valid(t, draft)
		if diff := cmp.Diff(want, compile.Hosts(set), comparers...); diff != "" {
			t.Fatalf("states differ (-sorted +reversed):\n%s", diff)
		}
		for i, h := range set.Hosts {
			one, err := compile.Host(set, h.Name)
			if diff := cmp.Diff(want[i], one, comparers...); err != nil || diff != "" {
				t.Fatalf("one host alone is compiled differently: %v\n%s", err, diff)
			}
		}
	})
}

var comparers = cmp.Options{
	cmpopts.EquateComparable(netip.Addr{}, netip.AddrPort{}, netip.Prefix{}),
}

func TestEndpointMTU(t *testing.T) {
	host := func(name string, mtu int, addrs ...string) object.Host {
		h := object.Host{Meta: object.Meta{Name: name}, MTU: mtu}
		for _, a := range addrs {
			h.Addresses = append(h.Addresses, netip.MustParseAddr(a))
		}
		return h
	}
	for _, c := range []struct {
		name  string
		hosts []object.Host
		want  int
	}{
		{"v4 underlay", []object.Host{host("h1", 1500, "192.0.2.1")}, 1414},
		{"v6 underlay", []object.Host{host("h1", 1500, "2001:db8::1")}, 1394},
		{"one host has v6 too", []object.Host{host("h1", 1500, "192.0.2.1"), host("h2", 1500, "192.0.2.2", "2001:db8::2")}, 1394},
		{"the smallest counts", []object.Host{host("h1", 9000, "192.0.2.1"), host("h2", 1400, "192.0.2.2")}, 1314},
		{"the tag does not count", []object.Host{{Meta: object.Meta{Name: "h1"}, VLAN: 9, Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.1")}}}, 1414},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			set := valid(t, object.Draft{
				Hosts:     c.hosts,
				VPCs:      []object.VPC{{Meta: object.Meta{Name: "red"}, VNI: 7}},
				Subnets:   []object.Subnet{{Meta: object.Meta{Name: "s"}, VPC: "red", CIDRs: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/24")}}},
				Endpoints: []object.Endpoint{{Meta: object.Meta{Name: "a", Namespace: "default"}, Subnet: "s", Host: "h1", Addresses: []netip.Addr{netip.MustParseAddr("10.0.0.10")}}},
			})
			h, err := compile.Host(set, "h1")
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(h.Endpoints).To(HaveExactElements(HaveField("MTU", c.want)))
			g.Expect(h.Subnets[0].GatewayMAC).To(Equal(state.MAC{2, 0x4d, 0x5a, 0, 0, 7}))
		})
	}
}

// A host that is an endpoint is one like any other, but for its identity and that
// its stack knows what goes by the gateway.
func TestAHostsOwnEndpoint(t *testing.T) {
	g := NewWithT(t)
	at := func(name, address string) object.Host {
		return object.Host{Meta: object.Meta{Name: name}, Addresses: []netip.Addr{netip.MustParseAddr(address)}}
	}
	own := at("h1", "192.0.2.1")
	own.Endpoint = &object.HostEndpoint{Addresses: []netip.Addr{netip.MustParseAddr("10.0.1.9")}}
	set := valid(t, object.Draft{
		Hosts: []object.Host{own, at("h2", "192.0.2.2")},
		VPCs:  []object.VPC{{Meta: object.Meta{Name: "red"}, VNI: 7, Default: true}, {Meta: object.Meta{Name: "blue"}, VNI: 8}},
		Subnets: []object.Subnet{
			{Meta: object.Meta{Name: "b"}, VPC: "red", CIDRs: []netip.Prefix{netip.MustParsePrefix("10.0.1.0/24")}, Bouncers: object.Placement{Hosts: []string{"h2"}}},
			{Meta: object.Meta{Name: "a"}, VPC: "red", CIDRs: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/24"), netip.MustParsePrefix("fd00::/64")}},
			{Meta: object.Meta{Name: "c"}, VPC: "blue", CIDRs: []netip.Prefix{netip.MustParsePrefix("10.9.0.0/24")}},
		},
		Services: []object.Service{serviceOf("s", "red", "203.0.113.1", 80, 81), serviceOf("t", "blue", "203.0.113.2", 80)},
	})
	h1, err := compile.Host(set, "h1")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(h1.Endpoints).To(HaveLen(1))
	e := h1.Endpoints[0]
	g.Expect(e.IsHost()).To(BeTrue())
	g.Expect(e.Name).To(Equal(object.HostEndpointKey("h1")))
	g.Expect(e.VNI).To(BeEquivalentTo(7))
	g.Expect(e.Routes).To(Equal([]netip.Prefix{
		netip.MustParsePrefix("10.0.0.0/24"), netip.MustParsePrefix("10.0.1.0/24"), netip.MustParsePrefix("203.0.113.1/32"), netip.MustParsePrefix("fd00::/64"),
	}), "all subnets and frontends of the VPC, and no other's")
	h2, err := compile.Host(set, "h2")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(h2.Directory).To(ContainElement(state.Location{
		VNI: 7, Address: netip.MustParseAddr("10.0.1.9"), Subnet: "b", Host: "h1", Identity: state.IdentityHost, Generation: e.Generation,
	}))
}

func TestCompilingAnUnknownHostSaysSo(t *testing.T) {
	_, err := compile.Host(object.Set{}, "h9")
	NewWithT(t).Expect(err).To(MatchError(ContainSubstring(`host "h9": there is no such host`)))
}

func TestPeersThatAHostBelievesDeadAreMarkedForItAlone(t *testing.T) {
	g := NewWithT(t)
	set := valid(t, object.Draft{Hosts: []object.Host{
		{Meta: object.Meta{Name: "h1"}, Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.1")}},
		{Meta: object.Meta{Name: "h2"}, Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.2")}},
		{Meta: object.Meta{Name: "h3"}, Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.3")}},
	}})
	hosts := compile.Hosts(set)
	compile.Mark(hosts, nil)
	g.Expect(hosts).To(Equal(compile.Hosts(set)), "nobody says that anybody is dead")
	compile.Mark(hosts, func(host, peer string) bool { return host != "h1" || peer != "h3" })
	down := map[string][]string{}
	for _, h := range hosts {
		for _, p := range h.Peers {
			if p.Down {
				down[h.Name] = append(down[h.Name], p.Name)
			}
		}
	}
	g.Expect(down).To(Equal(map[string][]string{"h1": {"h3"}}))
	one, err := compile.HostLive(set, "h1", func(peer string) bool { return peer != "h3" })
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(one).To(Equal(hosts[0]))
	_, err = compile.HostLive(set, "h9", nil)
	g.Expect(err).To(MatchError(ContainSubstring("no such host")))
}
