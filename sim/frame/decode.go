// SPDX-License-Identifier: Apache-2.0

package frame

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"github.com/mizar-net/mizar/dataplane/state"
)

// Decode reads an Ethernet frame, plain or tunnelled. The error says which
// header is broken and at which byte; what could be read is returned with it.
// The packet shares the frame's memory.
func Decode(b []byte) (Packet, error) {
	var p Packet
	outer, l, err := decodeLayer(b)
	p.Inner, p.VLAN = outer, outer.VLAN
	if err != nil || outer.Proto != ProtoUDP || outer.DstPort != GenevePort || outer.Fragment {
		return p, err
	}
	body, err := p.geneve(outer.Payload)
	if err != nil {
		p.Malformed = err.Error()
		p.VNI, p.OAM, p.Critical, p.Options = 0, false, false, Options{}
		return p, nil
	}
	p.Tunnel = true
	p.OuterSrcMAC, p.OuterDstMAC = outer.SrcMAC, outer.DstMAC
	p.OuterSrc, p.OuterDst = outer.Src, outer.Dst
	p.OuterTOS, p.OuterTTL = outer.TOS, outer.TTL
	p.OuterID, p.OuterDF = uint16(outer.IPID), outer.DF
	p.OuterSport, p.OuterChecksum = outer.SrcPort, outer.Checksum
	p.Inner, _, err = decodeLayer(body)
	if err != nil {
		return p, fmt.Errorf("frame in the tunnel (byte %d): %w", l.end-len(body), err)
	}
	return p, nil
}

// geneve reads a Geneve header and returns the frame behind it.
func (p *Packet) geneve(b []byte) ([]byte, error) {
	if len(b) < 8 {
		return nil, fmt.Errorf("geneve header: %d bytes, want 8", len(b))
	}
	if b[0]>>6 != 0 {
		return nil, fmt.Errorf("geneve header: version %d, want 0", b[0]>>6)
	}
	if typ := binary.BigEndian.Uint16(b[2:]); typ != 0x6558 {
		return nil, fmt.Errorf("geneve header: protocol %#04x, want 0x6558 (Ethernet)", typ)
	}
	size := int(b[0]&0x3f) * 4
	if len(b) < 8+size {
		return nil, fmt.Errorf("geneve header: %d bytes of options, only %d left", size, len(b)-8)
	}
	p.OAM, p.Critical = b[1]&0x80 != 0, b[1]&0x40 != 0
	p.VNI = binary.BigEndian.Uint32(b[4:]) >> 8
	var err error
	p.Options, err = decodeOptions(b[8 : 8+size])
	return b[8+size:], err
}

// decodeLayer reads one Ethernet frame, without a look into tunnels.
func decodeLayer(b []byte) (Layer, layout, error) {
	var y Layer
	l, err := locate(b)
	if len(b) >= ethernetSize {
		y.DstMAC, y.SrcMAC = state.MAC(b[0:6]), state.MAC(b[6:12])
	}
	y.VLAN, y.EtherType = l.vlan, l.etherType
	if err != nil {
		return y, l, err
	}
	if l.version == 0 {
		y.Payload = b[l.l3:]
		if l.etherType == TypeARP {
			return y, l, y.arp(b[l.l3:])
		}
		return y, l, nil
	}
	y.network(b, l)
	y.Payload, y.Trailer = b[l.l4:l.end], b[l.end:]
	if !l.first() {
		return y, l, nil
	}
	err = y.transport(b[l.l4:l.end])
	if err != nil && l.fragment {
		err = nil // a first fragment may be shorter than its header
	}
	if err != nil {
		err = fmt.Errorf("byte %d: %w", l.l4, err)
	}
	return y, l, err
}

func (y *Layer) network(b []byte, l layout) {
	y.Src, y.Dst = l.addresses(b)
	y.Proto, y.IPID, y.Extensions = l.proto, l.id, l.extensions
	y.Fragment, y.Offset, y.More = l.fragment, l.offset, l.more
	h := b[l.l3:]
	if l.version == 4 {
		y.TOS, y.TTL, y.DF = h[1], h[8], h[6]&0x40 != 0
		if l.l4-l.l3 > 20 {
			y.IPOptions = h[20 : l.l4-l.l3]
		}
		return
	}
	word := binary.BigEndian.Uint32(h)
	y.TOS, y.FlowLabel, y.TTL = uint8(word>>20), word&0xfffff, h[7]
}

// transportHeader is the least size of a transport's header.
var transportHeader = map[uint8]int{ProtoTCP: 20, ProtoUDP: 8, ProtoICMP: 8, ProtoICMPv6: 4, ProtoSCTP: 12}

func (y *Layer) transport(b []byte) error {
	if need := transportHeader[y.Proto]; len(b) < need {
		return fmt.Errorf("transport header of protocol %d: %d bytes, want %d", y.Proto, len(b), transportHeader[y.Proto])
	}
	switch y.Proto {
	case ProtoTCP:
		return y.tcp(b)
	case ProtoUDP:
		y.ports(b)
		y.Checksum = binary.BigEndian.Uint16(b[6:])
		y.Payload = b[8:]
		if length := int(binary.BigEndian.Uint16(b[4:])); length < 8 || (length > len(b) && !y.More) {
			return fmt.Errorf("udp header: length %d, the packet has %d bytes", length, len(b))
		} else if length < len(b) && !y.Fragment {
			y.Payload = b[8:length]
		}
	case ProtoSCTP:
		y.ports(b)
		y.Payload = b[12:]
	case ProtoICMP, ProtoICMPv6:
		return y.icmp(b)
	}
	return nil
}

func (y *Layer) ports(b []byte) {
	y.SrcPort, y.DstPort = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
}

func (y *Layer) tcp(b []byte) error {
	y.ports(b)
	y.Seq, y.Ack = binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint32(b[8:])
	y.TCPFlags, y.Window = TCPFlags(b[13]), binary.BigEndian.Uint16(b[14:])
	y.Checksum, y.Urgent = binary.BigEndian.Uint16(b[16:]), binary.BigEndian.Uint16(b[18:])
	size := int(b[12]>>4) * 4
	if size < 20 || size > len(b) {
		return fmt.Errorf("tcp header: %d bytes, the packet has %d", size, len(b))
	}
	if size > 20 {
		y.TCPOptions = b[20:size]
	}
	y.Payload = b[size:]
	return nil
}

func (y *Layer) icmp(b []byte) error {
	y.ICMPType, y.ICMPCode, y.Checksum = b[0], b[1], binary.BigEndian.Uint16(b[2:])
	y.Payload = b[4:]
	echo := y.Proto == ProtoICMP && (b[0] == 0 || b[0] == 8) || y.Proto == ProtoICMPv6 && (b[0] == 128 || b[0] == 129)
	if echo {
		if len(b) < 8 {
			return fmt.Errorf("icmpv6 echo: %d bytes, want 8", len(b))
		}
		y.ICMPID, y.ICMPSeq = binary.BigEndian.Uint16(b[4:]), binary.BigEndian.Uint16(b[6:])
		y.Payload = b[8:]
		return nil
	}
	if y.Proto == ProtoICMPv6 && b[0] >= 133 && b[0] <= 136 && !y.Fragment {
		return y.nd(b)
	}
	y.readError(b)
	return nil
}

// ndHeader is the fixed part of router and neighbour solicitations and
// advertisements (RFC 4861), by ICMPv6 type.
var ndHeader = map[uint8]int{133: 8, 134: 16, 135: 24, 136: 24}

func (y *Layer) nd(b []byte) error {
	at := ndHeader[b[0]]
	if len(b) < at {
		return fmt.Errorf("icmpv6 type %d: %d bytes, want %d", b[0], len(b), at)
	}
	n := &ND{}
	y.ND = n
	if at == 24 {
		n.Target = netip.AddrFrom16([16]byte(b[8:24]))
	}
	if b[0] == 136 {
		n.Router, n.Solicited, n.Override = b[4]&0x80 != 0, b[4]&0x40 != 0, b[4]&0x20 != 0
	}
	for at+8 <= len(b) {
		size := int(b[at+1]) * 8
		if size == 0 || at+size > len(b) {
			return fmt.Errorf("neighbour-discovery option at byte %d: %d bytes, %d left", at, size, len(b)-at)
		}
		if b[at] == 1 || b[at] == 2 {
			n.LinkLayer, n.HasLinkLayer = state.MAC(b[at+2:at+8]), true
		}
		at += size
	}
	return nil
}

func (y *Layer) arp(b []byte) error {
	if len(b) < 28 {
		return fmt.Errorf("arp body: %d bytes, want 28", len(b))
	}
	if [6]byte(b[:6]) != [6]byte{0, 1, 8, 0, 6, 4} {
		return errors.New("arp body: hardware and protocol types are not Ethernet and IPv4")
	}
	y.ARP = &ARP{
		Op:        binary.BigEndian.Uint16(b[6:]),
		SenderMAC: state.MAC(b[8:14]), SenderIP: netip.AddrFrom4([4]byte(b[14:18])),
		TargetMAC: state.MAC(b[18:24]), TargetIP: netip.AddrFrom4([4]byte(b[24:28])),
	}
	y.Payload, y.Trailer = b[:28], b[28:]
	return nil
}
