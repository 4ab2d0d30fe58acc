// SPDX-License-Identifier: Apache-2.0

package frame

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/google/gopacket/layers"

	"github.com/mizar-net/mizar/dataplane/state"
)

// arp builds the ARP body.
func (s Spec) arp() ([]byte, error) {
	op, sender, target, targetMAC := uint16(1), s.Src, s.Dst, s.TargetMAC
	switch s.Kind {
	case ARPReply:
		op = 2
		if targetMAC == (state.MAC{}) {
			targetMAC = s.DstMAC
		}
	case ARPAnnounce:
		target = s.Src
	case ARPProbe:
		sender, target = netip.IPv4Unspecified(), s.Src
	}
	if s.SenderIP.IsValid() {
		sender = s.SenderIP
	}
	if s.Target.IsValid() {
		target = s.Target
	}
	if !sender.Is4() || !target.Is4() {
		return nil, fmt.Errorf("arp sender %s and target %s: want two IPv4 addresses", sender, target)
	}
	mac := s.senderMAC()
	return serialize(&layers.ARP{
		AddrType: layers.LinkTypeEthernet, Protocol: layers.EthernetTypeIPv4, HwAddressSize: 6, ProtAddressSize: 4,
		Operation: op, SourceHwAddress: mac[:], SourceProtAddress: sender.AsSlice(),
		DstHwAddress: targetMAC[:], DstProtAddress: target.AsSlice(),
	})
}

func (s Spec) senderMAC() state.MAC {
	if s.SenderMAC == (state.MAC{}) {
		return s.SrcMAC
	}
	return s.SenderMAC
}

// neighbourDefaults fills in what neighbour discovery leaves open.
func (s *Spec) neighbourDefaults() {
	switch s.Kind {
	case NS:
		if !s.Target.IsValid() {
			s.Target = s.Dst
		}
		if !s.Dst.IsValid() {
			s.Dst = SolicitedNode(s.Target)
		}
	case DAD:
		if !s.Target.IsValid() {
			s.Target = s.Src
		}
		s.Src, s.Dst, s.NoLinkLayer = netip.IPv6Unspecified(), SolicitedNode(s.Target), true
	case NA:
		if !s.Target.IsValid() {
			s.Target = s.Src
		}
	case RS:
		if !s.Dst.IsValid() {
			s.Dst = netip.MustParseAddr("ff02::2")
		}
	default:
		return
	}
	if s.TTL == 0 {
		s.TTL = 255
	}
}

// SolicitedNode is the multicast address that neighbour solicitations for an
// IPv6 address go to (RFC 4291); the zero address for any other.
func SolicitedNode(a netip.Addr) netip.Addr {
	if !a.Is6() {
		return netip.Addr{}
	}
	b := a.As16()
	return netip.AddrFrom16([16]byte{0: 0xff, 1: 0x02, 11: 1, 12: 0xff, 13: b[13], 14: b[14], 15: b[15]})
}

// neighbour builds the ICMPv6 message of neighbour discovery.
func (s Spec) neighbour() ([]byte, error) {
	if s.family() != 6 || s.Kind != RS && !s.Target.Is6() {
		return nil, fmt.Errorf("source %s and target %s: neighbour discovery wants IPv6 addresses", s.Src, s.Target)
	}
	typ, option, flags := uint8(layers.ICMPv6TypeNeighborSolicitation), uint8(1), uint32(0)
	switch s.Kind {
	case RS:
		typ = layers.ICMPv6TypeRouterSolicitation
	case NA:
		typ, option, flags = layers.ICMPv6TypeNeighborAdvertisement, 2, 0x20000000
		if !s.Dst.IsMulticast() {
			flags |= 0x40000000
		}
	}
	body := binary.BigEndian.AppendUint32(nil, flags)
	if s.Kind != RS {
		body = append(body, s.Target.AsSlice()...)
	}
	if !s.NoLinkLayer {
		mac := s.senderMAC()
		body = append(append(body, option, 1), mac[:]...)
	}
	return s.icmpv6(typ, 0, append(body, s.Payload...))
}
