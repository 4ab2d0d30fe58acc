// SPDX-License-Identifier: Apache-2.0

package frame

import (
	"encoding/binary"
	"fmt"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

// protocol is the transport's number for the kind.
func (s Spec) protocol() uint8 {
	switch s.Kind {
	case UDP:
		return ProtoUDP
	case TCP:
		return ProtoTCP
	case SCTP:
		return ProtoSCTP
	case RawIP:
		return s.Proto
	}
	if s.family() == 4 {
		return ProtoICMP
	}
	return ProtoICMPv6
}

// transport builds everything behind the IP headers.
func (s Spec) transport(family int) ([]byte, error) {
	payload := gopacket.Payload(s.Payload)
	switch s.Kind {
	case UDP:
		return s.udp()
	case TCP:
		return s.tcp()
	case SCTP:
		return serialize(&layers.SCTP{
			SrcPort: layers.SCTPPort(s.SrcPort), DstPort: layers.SCTPPort(s.DstPort), VerificationTag: s.Tag,
		}, payload)
	case RawIP:
		return s.Payload, nil
	case Echo, EchoReply:
		if family == 4 {
			typ := uint8(layers.ICMPv4TypeEchoRequest)
			if s.Kind == EchoReply {
				typ = layers.ICMPv4TypeEchoReply
			}
			return serialize(&layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(typ, 0), Id: s.ID, Seq: s.ICMPSeq}, payload)
		}
		typ := uint8(layers.ICMPv6TypeEchoRequest)
		if s.Kind == EchoReply {
			typ = layers.ICMPv6TypeEchoReply
		}
		head := binary.BigEndian.AppendUint16(nil, s.ID)
		return s.icmpv6(typ, 0, append(binary.BigEndian.AppendUint16(head, s.ICMPSeq), s.Payload...))
	case ErrorMessage:
		if family == 4 {
			return serialize(&layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(s.Type, s.Code), Seq: uint16(s.MTU)}, payload)
		}
		return s.icmpv6(s.Type, s.Code, append(binary.BigEndian.AppendUint32(nil, uint32(s.MTU)), s.Payload...))
	case NS, DAD, NA, RS:
		return s.neighbour()
	}
	return nil, fmt.Errorf("kind %q: want udp, tcp, sctp, icmp-echo, icmp-reply, arp-request, arp-reply, arp-announce, arp-probe, ns, na, rs, dad, raw-ip or raw", s.Kind)
}

// pseudo is the network layer that checksums cover.
func (s Spec) pseudo() gopacket.NetworkLayer {
	if s.family() == 4 {
		return s.header4()
	}
	return s.header6()
}

func (s Spec) udp() ([]byte, error) {
	udp := &layers.UDP{SrcPort: layers.UDPPort(s.SrcPort), DstPort: layers.UDPPort(s.DstPort)}
	if err := udp.SetNetworkLayerForChecksum(s.pseudo()); err != nil {
		return nil, fmt.Errorf("udp: %w", err)
	}
	b, err := serialize(udp, gopacket.Payload(s.Payload))
	if err != nil {
		return nil, err
	}
	switch {
	case s.NoChecksum:
		binary.BigEndian.PutUint16(b[6:], 0)
	case binary.BigEndian.Uint16(b[6:]) == 0:
		binary.BigEndian.PutUint16(b[6:], 0xffff) // RFC 768: zero means none
	}
	return b, nil
}

func (s Spec) tcp() ([]byte, error) {
	f := s.TCPFlags
	tcp := &layers.TCP{
		SrcPort: layers.TCPPort(s.SrcPort), DstPort: layers.TCPPort(s.DstPort), Seq: s.Seq, Ack: s.Ack, Window: s.Window,
		FIN: f&FIN != 0, SYN: f&SYN != 0, RST: f&RST != 0, PSH: f&PSH != 0,
		ACK: f&ACK != 0, URG: f&URG != 0, ECE: f&ECE != 0, CWR: f&CWR != 0,
	}
	if tcp.Window == 0 {
		tcp.Window = 65535
	}
	if s.MSS != 0 {
		tcp.Options = []layers.TCPOption{{
			OptionType: layers.TCPOptionKindMSS, OptionLength: 4, OptionData: binary.BigEndian.AppendUint16(nil, s.MSS),
		}}
	}
	if err := tcp.SetNetworkLayerForChecksum(s.pseudo()); err != nil {
		return nil, fmt.Errorf("tcp: %w", err)
	}
	return serialize(tcp, gopacket.Payload(s.Payload))
}

func (s Spec) icmpv6(typ, code uint8, body []byte) ([]byte, error) {
	icmp := &layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(typ, code)}
	if err := icmp.SetNetworkLayerForChecksum(s.pseudo()); err != nil {
		return nil, fmt.Errorf("icmpv6: %w", err)
	}
	return serialize(icmp, gopacket.Payload(body))
}
