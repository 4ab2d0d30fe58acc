// SPDX-License-Identifier: Apache-2.0

package encode_test

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/dataplane/encode"
	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/dataplane/table"
)

// gate is a node port with a backend here and one elsewhere.
func gate() state.OutsideService {
	return state.OutsideService{
		Name: "ns/web:80/4/outside", VNI: 0x0a0b0c, Protocol: 6, Frontends: []netip.AddrPort{port("192.0.2.2:30080")},
		Backends: []state.OutsideBackend{
			{At: port("10.0.0.2:8080"), Host: "beta", Generation: 3}, {At: port("10.0.0.3:8080"), Host: "gamma", Generation: 4},
		},
		Table: []uint16{1, 0, 1}, Alike: true,
	}
}

func TestGatesBecomeRows(t *testing.T) {
	g := NewWithT(t)
	s, l := sample()
	rows, index, err := encode.Encode(s, l, encode.Index{})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(rows.Uplinks[0].Serves).To(BeZero(), "nobody outside is served")
	g.Expect(rows.Uplinks[0].Outside).To(BeZero())

	s.Outside = []state.OutsideService{gate()}
	l.Outside = map[netip.Addr]state.MAC{netip.IPv4Unspecified(): {2, 9}}
	rows, index, err = encode.Encode(s, l, index)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(rows.Services.Map()).To(Equal(map[bpf.RowServiceKey]bpf.RowService{
		encode.Service(0, port("192.0.2.2:30080"), 6): {Places: 3, Affinity: 1, Vni: 0x0a0b0c},
	}))
	backends := table.Keyed(encode.Blocks(rows.Blocks.Map()).Backends())
	g.Expect(backends[0]).To(Equal(bpf.RowBackend{Addr: at("10.0.0.2").As16(), Port: 0x901f, Generation: 3}))
	g.Expect(backends[1]).To(Equal(bpf.RowBackend{
		Addr: at("10.0.0.3").As16(), Port: 0x901f, Host: uint16(index.Hosts["gamma"]), Generation: 4,
	}))
	for _, e := range rows.Endpoints {
		g.Expect(e.Served).To(BeEquivalentTo(1), "endpoints look for flows with clients outside")
	}

	uplink := rows.Uplinks[0]
	g.Expect(uplink.Serves).To(BeEquivalentTo(1))
	g.Expect(uplink.Outside[1]).NotTo(BeZero())
	g.Expect(rows.Hosts).NotTo(HaveKey(uint32(uplink.Outside[1])), "the next hop for IPv6 is not known")
	g.Expect(encode.Targets(s)).To(ContainElements(netip.IPv4Unspecified(), netip.IPv6Unspecified()))
	way := rows.Hosts[uint32(uplink.Outside[0])]
	g.Expect(way.NextHop.Octet).To(Equal([6]uint8{2, 9}))
	g.Expect(way.Ifindex).To(Equal(l.UplinkIndex))
	g.Expect(way.Vlan).To(Equal(s.VLAN))
	g.Expect(way.Family).To(BeEquivalentTo(4))
	for name, number := range index.Hosts {
		if name == "alpha" || name == "gamma" {
			g.Expect(number).NotTo(BeEquivalentTo(uplink.Outside[0]))
		}
	}
}

// The way may go by another device, and then has its address.
func TestWaysOutFollowTheirRoute(t *testing.T) {
	g := NewWithT(t)
	s, l := sample()
	s.Outside = []state.OutsideService{gate()}
	l.Outside = map[netip.Addr]state.MAC{netip.IPv4Unspecified(): {2, 9}}
	l.Ways = map[netip.Addr]state.Way{netip.IPv4Unspecified(): {Device: 7, DeviceMAC: state.MAC{2, 7}, MTU: 1400}}
	rows, _, err := encode.Encode(s, l, encode.Index{})
	g.Expect(err).NotTo(HaveOccurred())
	way := rows.Hosts[uint32(rows.Uplinks[0].Outside[0])]
	g.Expect(way.Ifindex).To(BeEquivalentTo(7))
	g.Expect(way.Uplink.Octet).To(Equal([6]uint8{2, 7}))
	g.Expect(way.Mtu).To(BeEquivalentTo(1400))
}

func TestGatesThatContradictThemselvesAreRefused(t *testing.T) {
	for want, change := range map[string]func(*state.OutsideService){
		"host delta is not among the peers": func(s *state.OutsideService) { s.Backends[1].Host = "delta" },
		"it needs both":                     func(s *state.OutsideService) { s.VNI = 0 },
		"has no port":                       func(s *state.OutsideService) { s.Backends[0].At = port("10.0.0.2:0") },
		"frontend 192.0.2.2:0 has no port":  func(s *state.OutsideService) { s.Frontends[0] = port("192.0.2.2:0") },
		"is another service's already":      func(s *state.OutsideService) { s.Frontends = append(s.Frontends, s.Frontends[0]) },
		"place 2 is of backend 2":           func(s *state.OutsideService) { s.Table[2] = 2 },
		"0 places for 2 backends":           func(s *state.OutsideService) { s.Table = nil },
	} {
		s, l := sample()
		one := gate()
		change(&one)
		s.Outside = []state.OutsideService{one}
		_, _, err := encode.Encode(s, l, encode.Index{})
		NewWithT(t).Expect(err).To(MatchError(ContainSubstring(want)))
	}
}

// A backend may not be behind a host that has gone, whether its service has changed or not.
func TestGatesOfHostsThatGoAreRefused(t *testing.T) {
	g := NewWithT(t)
	s, l := sample()
	s.Outside = []state.OutsideService{gate()}
	_, index, err := encode.Encode(s, l, encode.Index{})
	g.Expect(err).NotTo(HaveOccurred())
	s.Peers = slices.DeleteFunc(slices.Clone(s.Peers), func(p state.Peer) bool { return p.Name == "gamma" })
	s.VPCs, s.Subnets, s.Endpoints, s.Directory = nil, nil, nil, nil // which name it too
	_, _, err = encode.Encode(s, l, index)
	g.Expect(err).To(MatchError(ContainSubstring("host gamma is not among the peers")))
}

// Services share sets of source ranges, which are those of their family; where none is,
// nobody is in the set. Others are for everybody.
func TestSourceRangesBecomeSets(t *testing.T) {
	g := NewWithT(t)
	s, l := sample()
	prefix, six := netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("2001:db8::/32")
	for n, ranges := range [][]netip.Prefix{nil, {prefix, six}, {prefix}, {six}} {
		one := gate()
		one.Name, one.Ranges = fmt.Sprint(n), ranges
		one.Frontends = []netip.AddrPort{port(fmt.Sprint("192.0.2.2:", 30000+n))}
		s.Outside = append(s.Outside, one)
	}
	rows, _, err := encode.Encode(s, l, encode.Index{})
	g.Expect(err).NotTo(HaveOccurred())
	var sets []uint32
	for _, one := range s.Outside {
		row, ok := rows.Services.Get(encode.Service(0, one.Frontends[0], 6))
		g.Expect(ok).To(BeTrue())
		g.Expect(row.Number%bpf.Sets()).To(BeZero(), "no policy set has that number")
		sets = append(sets, row.Number)
	}
	g.Expect(sets[0]).To(BeZero())
	g.Expect(sets[1]).To(And(Equal(sets[2]), Not(BeZero())))
	g.Expect(sets[3]).NotTo(BeElementOf(0, sets[1]))
	g.Expect(rows.PolicyPrefixes).To(And(HaveLen(1), HaveKey(encode.PolicyPrefix(sets[1], prefix))))
}
