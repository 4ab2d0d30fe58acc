// SPDX-License-Identifier: Apache-2.0

package run

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"

	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/frame"
	"github.com/mizar-net/mizar/sim/scenario"
	"github.com/mizar-net/mizar/sim/wire"
)

// outsideKinds are what others say to a host on the underlay, by the names of
// scenarios: how each is built over the defaults, and the cell's protocol.
var outsideKinds = map[string]struct {
	proto string
	// family is 4 or 6; 0: any, -1: it is not IP.
	family int
	build  func(*frame.Spec)
}{
	"host-udp":  {"udp", 0, func(s *frame.Spec) { s.Kind = frame.UDP }},
	"host-tcp":  {"tcp", 0, func(s *frame.Spec) { s.Kind, s.TCPFlags, s.Payload = frame.TCP, frame.SYN, nil }},
	"host-icmp": {"icmp", 0, func(s *frame.Spec) { s.Kind = frame.Echo }},
	"host-ip":   {"ip", 0, func(s *frame.Spec) { s.Kind = frame.RawIP }},
	"host-fragment": {"udp", 0, func(s *frame.Spec) {
		s.Kind, s.Payload, s.Fragment = frame.UDP, make([]byte, 64), &frame.Fragment{Offset: 32}
	}},
	"host-arp": {"arp", 4, func(s *frame.Spec) { s.Kind, s.Payload = frame.ARPRequest, nil }},
	"host-ns": {"nd", 6, func(s *frame.Spec) {
		s.Kind, s.Target, s.Payload = frame.NS, s.Dst, nil
		s.Dst = frame.SolicitedNode(s.Target)
	}},
	"host-ra":   {"nd", 6, routerAdvertisement},
	"host-lldp": {"lldp", -1, raw(0x88cc, state.MAC{0x01, 0x80, 0xc2, 0, 0, 0x0e})},
	// The length, and LLC's header of spanning tree (802.1D).
	"host-stp": {"stp", -1, raw(0x0008, state.MAC{0x01, 0x80, 0xc2, 0, 0, 0})},
}

// raw is a frame without IP.
func raw(etherType uint16, to state.MAC) func(*frame.Spec) {
	return func(s *frame.Spec) {
		s.Kind, s.EtherType, s.DstMAC = frame.Raw, etherType, to
		s.Payload = append([]byte{0x42, 0x42, 0x03}, s.Payload...)
	}
}

// routerAdvertisement is RFC 4861's, 4.2, to all nodes.
func routerAdvertisement(s *frame.Spec) {
	s.Kind, s.Proto, s.TTL = frame.RawIP, frame.ProtoICMPv6, 255
	s.Src, s.Dst, s.DstMAC = netip.MustParseAddr("fe80::1"), netip.MustParseAddr("ff02::1"), state.MAC{}
	message := []byte{134, 0, 0, 0, 64, 0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0}
	covered := slices.Concat(s.Src.AsSlice(), s.Dst.AsSlice(), []byte{0, 0, 0, byte(len(message)), 0, 0, 0, frame.ProtoICMPv6}, message)
	var sum uint32
	for i := 0; i < len(covered); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(covered[i:]))
	}
	binary.BigEndian.PutUint16(message[2:], ^uint16(sum>>16+sum))
	s.Payload = message
}

// stranger is somebody on the underlay who is no host of ours.
var (
	stranger4, stranger6 = netip.MustParseAddr("198.51.100.7"), netip.MustParseAddr("2001:db8:ffff::7")
	strangerMAC          = state.MAC{0x02, 0x73, 0x74, 0x72, 0, 1}
	someMAC              = state.MAC{0x02, 0x73, 0x74, 0x72, 0, 2}
	broadcastMAC         = state.MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
)

// outside builds what others say to a host, in each family that the fields leave
// open. A family that the host has no address of is left out.
func (w world) outside(f scenario.FrameSpec, at wire.Port) ([]built, error) {
	kind := outsideKinds[f.Kind]
	families := []int{4, 6}
	if kind.family < 0 {
		families = []int{0}
	}
	var all []built
	for _, family := range families {
		if family != 0 && !fits(f, kind.family, family) {
			continue
		}
		spec, ok := w.strange(f, at, family)
		if !ok {
			continue
		}
		kind.build(&spec)
		bytes, err := frame.Build(spec)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: build %s frame: %w", f.At.File, f.At.Line, f.Kind, err)
		}
		x := w.hosts[at.Uplink].XDP
		all = append(all, built{
			name: describeOutside(f, spec, at.Uplink), bytes: bytes,
			cell: Cell{
				Family: familyName(family), Proto: kind.proto, Underlay: w.underlay(at.Uplink, at.Uplink),
				XDP: scenario.Modes{Uplinks: x, Endpoints: x}.String(),
			},
		})
	}
	return all, nil
}

// strange are the fields of a frame of a stranger to the host.
func (w world) strange(f scenario.FrameSpec, at wire.Port, family int) (frame.Spec, bool) {
	s := frame.Spec{
		SrcMAC: strangerMAC, DstMAC: f.DstMAC, VLAN: f.VLAN, Src: f.SrcIP, Dst: f.ToAddr, TTL: f.TTL,
		SrcPort: f.SourcePort, DstPort: f.Port, Proto: f.Proto, Payload: []byte("none of Mizar's business"),
	}
	if family == 0 {
		return s, true
	}
	if !s.Src.IsValid() {
		s.Src = stranger4
		if family == 6 {
			s.Src = stranger6
		}
	}
	if !s.Dst.IsValid() {
		own := w.hosts[at.Uplink].Addresses
		i := slices.IndexFunc(own, func(a netip.Addr) bool { return familyOf(a) == family })
		if i < 0 {
			return s, false
		}
		s.Dst = own[i]
	}
	switch {
	case s.Dst == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		s.DstMAC = broadcastMAC
	case s.DstMAC == (state.MAC{}) && !s.Dst.IsMulticast() && f.Kind != "host-ns" && f.Kind != "host-arp":
		s.DstMAC = someMAC
	}
	return s, true
}

// describeOutside names a frame by what is special about it.
func describeOutside(f scenario.FrameSpec, s frame.Spec, host string) string {
	text := fmt.Sprintf("%s to host %s", f.Kind, host)
	if s.Dst.IsValid() {
		text += fmt.Sprintf(", %s → %s", s.Src, s.Dst)
	}
	if f.Port != 0 {
		text += fmt.Sprintf(" port %d", f.Port)
	}
	if f.VLAN != 0 {
		text += fmt.Sprintf(", VLAN %d", f.VLAN)
	}
	return text
}
