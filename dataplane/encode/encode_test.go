// SPDX-License-Identifier: Apache-2.0

package encode_test

import (
	"flag"
	"net/netip"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	. "github.com/onsi/gomega"
	"pgregory.net/rapid"

	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/dataplane/encode"
	"github.com/mizar-net/mizar/dataplane/state"
)

var update = flag.Bool("update", false, "write the golden file; read it before committing")

var at = netip.MustParseAddr

// sample is a host of a dual-stack underlay that bounces one subnet and divides
// the VPC, and its machine.
func sample() (state.Host, state.Local) {
	subnet := func(name, v4, v6, gw4, gw6 string) state.Subnet {
		return state.Subnet{
			Name: name, VNI: 0x0a0b0c, GatewayMAC: state.MAC{2, 0x4d, 0x5a, 0x0a, 0x0b, 0x0c},
			CIDRs:    []netip.Prefix{netip.MustParsePrefix(v4), netip.MustParsePrefix(v6)},
			Gateways: []netip.Addr{at(gw4), at(gw6)},
		}
	}
	blue, green := subnet("blue", "10.0.0.0/24", "fd00:a::/64", "10.0.0.1", "fd00:a::1"),
		subnet("green", "10.0.16.0/20", "fd00:b::/64", "10.0.16.1", "fd00:b::1")
	blue.Bouncers, blue.Bouncer = []string{"alpha", "beta"}, state.Complete
	green.Bouncers = []string{"gamma"}
	s := state.Host{
		Name: "beta", Addresses: []netip.Addr{at("2001:db8::2"), at("192.0.2.2")}, MTU: 1500, VLAN: 12,
		Peers: []state.Peer{
			{Name: "alpha", Addresses: []netip.Addr{at("192.0.2.1")}},
			{Name: "gamma", Addresses: []netip.Addr{at("192.0.2.3"), at("2001:db8::3")}},
		},
		VPCs:    []state.VPC{{Name: "red", VNI: 0x0a0b0c, Dividers: []string{"beta", "gamma"}, Divider: true}},
		Subnets: []state.Subnet{blue, green},
		Endpoints: []state.Endpoint{{
			Name: "ns/one", VNI: 0x0a0b0c, Subnet: "blue", Addresses: []netip.Addr{at("10.0.0.2"), at("fd00:a::2")},
			MAC: state.MAC{2, 0, 0, 0, 0, 2}, Identity: 0x123456, Generation: 3, MTU: 1400,
		}},
		Directory: []state.Location{
			{VNI: 0x0a0b0c, Address: at("10.0.0.2"), Subnet: "blue", Host: "beta", Identity: 0x123456, Generation: 3},
			{VNI: 0x0a0b0c, Address: at("10.0.0.3"), Subnet: "blue", Host: "gamma"},
			{VNI: 0x0a0b0c, Address: at("fd00:a::2"), Subnet: "blue", Host: "beta", Identity: 0x123456, Generation: 3},
		},
	}
	l := state.Local{
		UplinkIndex: 5, UplinkMAC: state.MAC{2, 1, 0, 0, 0, 2},
		Ports: map[string]uint32{"ns/one": 65536 + 9},
		NextHops: map[netip.Addr]state.MAC{
			at("192.0.2.1"): {2, 1, 0, 0, 0, 1}, at("2001:db8::3"): {2, 1, 0, 0, 0, 3},
		},
	}
	return s, l
}

func TestEncodeGolden(t *testing.T) {
	g := NewWithT(t)
	s, l := sample()
	rows, _, err := encode.Encode(s, l, encode.Index{})
	g.Expect(err).NotTo(HaveOccurred())
	got := dump(rows)
	const file = "testdata/sample.golden"
	if *update {
		g.Expect(os.WriteFile(file, []byte(got), 0o644)).To(Succeed())
	}
	want, err := os.ReadFile(file)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(cmp.Diff(string(want), got)).To(BeEmpty(), "-want +got")
}

func TestEncodeRefusesWhatContradictsItself(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(*state.Host, *state.Local)
		want  string
	}{
		{"no address", func(s *state.Host, _ *state.Local) { s.Addresses = nil }, "no underlay address"},
		{"no uplink", func(_ *state.Host, l *state.Local) { l.UplinkIndex = 0 }, "uplink's interface index is not known"},
		{"MTU", func(s *state.Host, _ *state.Local) { s.MTU = 70000 }, "underlay MTU 70000 is not in 1280..65535"},
		{"no common family", func(s *state.Host, _ *state.Local) { s.Addresses = s.Addresses[:1] }, "peer alpha: no address of a family that this host has"},
		{"address twice", func(s *state.Host, _ *state.Local) { s.Peers[1].Addresses[0] = at("192.0.2.1") }, "peer gamma: address 192.0.2.1 is another peer's already"},
		{"VNI", func(s *state.Host, _ *state.Local) { s.VPCs[0].VNI = 1 << 24 }, "VPC red: VNI 16777216 is not in 1..16777215"},
		{"VNI twice", func(s *state.Host, _ *state.Local) { s.VPCs = append(s.VPCs, s.VPCs[0]) }, "another VPC's already"},
		{"unknown role", func(s *state.Host, _ *state.Local) { s.Subnets[0].Bouncers = []string{"delta"} }, "bouncers of subnet blue: host delta is not among the peers"},
		{"too many roles", func(s *state.Host, _ *state.Local) { s.VPCs[0].Dividers = make([]string, 9) }, "dividers of VPC red: 9 hosts, at most 8"},
		{"no VPC", func(s *state.Host, _ *state.Local) { s.Subnets[0].VNI = 1 }, "subnet blue: the state has no VPC with VNI 1"},
		{"no subnet", func(s *state.Host, _ *state.Local) { s.Endpoints[0].Subnet = "pink" }, "endpoint ns/one: the state has no subnet pink"},
		{"other VNI", func(s *state.Host, _ *state.Local) { s.Endpoints[0].VNI = 1 }, "VNI 1, but its subnet blue has"},
		{"no port", func(_ *state.Host, l *state.Local) { l.Ports = nil }, "endpoint ns/one: the interface index of its port is not known"},
		{"identity", func(s *state.Host, _ *state.Local) { s.Endpoints[0].Identity = 1 << 24 }, "identity 16777216 is more than 16777215"},
		{"outside", func(s *state.Host, _ *state.Local) { s.Endpoints[0].Addresses[0] = at("10.9.0.2") }, "address 10.9.0.2 is in no prefix of its subnet blue"},
		{"slot", func(s *state.Host, l *state.Local) { twin(s, "10.0.0.4"); l.Ports["ns/two"] = 9 }, "interface index 9 falls on the slot of interface 65545"},
		{"local twice", func(s *state.Host, l *state.Local) { twin(s, "10.0.0.2"); l.Ports["ns/two"] = 10 }, "endpoint ns/two: address 10.0.0.2 in VNI 658188 is another endpoint's already"},
		{"location's host", func(s *state.Host, _ *state.Local) { s.Directory[1].Host = "delta" }, "location of 10.0.0.3 in VNI 658188: host delta is not among the peers"},
		{"location's subnet", func(s *state.Host, _ *state.Local) { s.Directory[1].Subnet = "pink" }, "the state has no subnet pink"},
		{"location twice", func(s *state.Host, _ *state.Local) { s.Directory[1].Address = at("10.0.0.2") }, "given twice"},
		{"route twice", func(s *state.Host, _ *state.Local) { s.Subnets[1].CIDRs = s.Subnets[0].CIDRs }, "subnet green: 10.0.0.0/24 is another subnet's"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			s, l := sample()
			c.spoil(&s, &l)
			_, _, err := encode.Encode(s, l, encode.Index{})
			g.Expect(err).To(MatchError(And(HavePrefix("encode the state of host beta: "), ContainSubstring(c.want))))
		})
	}
}

// twin adds a second endpoint.
func twin(s *state.Host, address string) {
	two := s.Endpoints[0]
	two.Name, two.Addresses = "ns/two", []netip.Addr{at(address)}
	s.Endpoints = append(s.Endpoints, two)
}

func TestAPeerWithoutANextHopIsHeardButNotSentTo(t *testing.T) {
	g := NewWithT(t)
	s, l := sample()
	g.Expect(encode.Targets(s)).To(Equal([]netip.Addr{at("192.0.2.1"), at("2001:db8::3")}))
	delete(l.NextHops, at("192.0.2.1"))
	rows, index, err := encode.Encode(s, l, encode.Index{})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(rows.Hosts).NotTo(HaveKey(index.Hosts["alpha"]))
	g.Expect(rows.Hosts).To(HaveKey(index.Hosts["gamma"]))
	g.Expect(rows.Peers).To(HaveKeyWithValue(encode.Underlay(at("192.0.2.1")), bpf.RowPeer{Host: index.Hosts["alpha"]}))
}

func TestAWayOfItsOwn(t *testing.T) {
	g := NewWithT(t)
	s, l := sample()
	l.Ways = map[netip.Addr]state.Way{
		at("192.0.2.1"):   {Device: 9, DeviceMAC: state.MAC{2, 9}, MTU: 1400},
		at("2001:db8::3"): {MTU: 65536},
	}
	rows, index, err := encode.Encode(s, l, encode.Index{})
	g.Expect(err).NotTo(HaveOccurred())
	alpha, gamma := rows.Hosts[index.Hosts["alpha"]], rows.Hosts[index.Hosts["gamma"]]
	g.Expect(alpha.Ifindex).To(BeEquivalentTo(9))
	g.Expect(alpha.Uplink.Octet).To(BeEquivalentTo(state.MAC{2, 9}))
	g.Expect(alpha.Mtu).To(BeEquivalentTo(1400))
	g.Expect(gamma.Ifindex).To(BeEquivalentTo(l.UplinkIndex))
	g.Expect(gamma.Mtu).To(BeEquivalentTo(s.MTU))
}

func TestNumbersStayAndRest(t *testing.T) {
	g := NewWithT(t)
	s, l := sample()
	_, first, err := encode.Encode(s, l, encode.Index{})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(first.Hosts).To(Equal(map[string]uint32{"alpha": 1, "gamma": 2}))

	s.Subnets[0].Bouncers = []string{"beta"}
	s.Peers = []state.Peer{{Name: "aaron", Addresses: []netip.Addr{at("192.0.2.1")}}, s.Peers[1]}
	_, second, err := encode.Encode(s, l, first)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(second.Hosts).To(Equal(map[string]uint32{"aaron": 3, "gamma": 2}), "1 rests, rows may refer to it")

	s.Peers = append(s.Peers, state.Peer{Name: "zoe", Addresses: []netip.Addr{at("2001:db8::3")}})
	s.Peers[1].Addresses = []netip.Addr{at("192.0.2.3")}
	l.NextHops[at("192.0.2.3")] = state.MAC{2}
	_, third, err := encode.Encode(s, l, second)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(third.Hosts).To(Equal(map[string]uint32{"aaron": 3, "gamma": 2, "zoe": 1}))
}

func TestEncodeIsPure(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		s, l := sample()
		s.VLAN = rapid.Uint16Range(0, 4094).Draw(t, "vlan")
		s.Endpoints[0].Generation = rapid.Uint8().Draw(t, "generation")
		a, ia, err := encode.Encode(s, l, encode.Index{})
		g.Expect(err).NotTo(HaveOccurred())
		b, ib, err := encode.Encode(s, l, ia)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(b).To(Equal(a))
		g.Expect(ib).To(Equal(ia))
	})
}

// TestHeaderSum holds the sum in the row against a whole header's checksum.
func TestHeaderSum(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		var a, b [4]byte
		copy(a[:], rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "source"))
		copy(b[:], rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "target"))
		source, target := netip.AddrFrom4(a), netip.AddrFrom4(b)
		s := state.Host{
			Name: "h", Addresses: []netip.Addr{source}, MTU: 1500,
			Peers: []state.Peer{{Name: "p", Addresses: []netip.Addr{target}}},
		}
		l := state.Local{UplinkIndex: 1, NextHops: map[netip.Addr]state.MAC{target: {2}}}
		rows, _, err := encode.Encode(s, l, encode.Index{})
		g.Expect(err).NotTo(HaveOccurred())

		// The program adds length and TOS, and writes the complement where
		// the sum of the finished header must then be all ones.
		tos, length := rapid.Byte().Draw(t, "tos"), rapid.Uint16().Draw(t, "length")
		sum := uint32(rows.Hosts[1].Checksum) + uint32(length<<8|length>>8) + uint32(tos)<<8
		for sum > 0xffff {
			sum = sum&0xffff + sum>>16
		}
		check := ^uint16(sum)
		header := []byte{0x45, tos, byte(length >> 8), byte(length), 0, 0, 0x40, 0, 64, 17, byte(check), byte(check >> 8)}
		header = append(append(header, a[:]...), b[:]...)
		var all uint32
		for i := 0; i < len(header); i += 2 {
			all += uint32(header[i])<<8 | uint32(header[i+1])
		}
		for all > 0xffff {
			all = all&0xffff + all>>16
		}
		g.Expect(all).To(BeEquivalentTo(0xffff))
	})
}
