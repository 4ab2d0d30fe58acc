// SPDX-License-Identifier: Apache-2.0

package frame

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"github.com/mizar-net/mizar/dataplane/state"
)

// Build makes the frame that a spec describes.
func Build(s Spec) ([]byte, error) {
	b, err := s.plain()
	if err == nil && s.Tunnel != nil {
		b, err = s.Tunnel.wrap(b, s.VLAN)
	}
	if err != nil {
		return nil, fmt.Errorf("build %s frame: %w", s.Kind, err)
	}
	return b, nil
}

// Fragments makes all fragments of the packet that a spec describes, each with
// at most size bytes (a multiple of eight) of the IP payload.
func Fragments(s Spec, size int) ([][]byte, error) {
	if size <= 0 || size%8 != 0 {
		return nil, fmt.Errorf("build fragments: size %d, want a positive multiple of 8", size)
	}
	whole, err := s.transport(s.family())
	if err != nil {
		return nil, fmt.Errorf("build fragments: %w", err)
	}
	var frames [][]byte
	for at := 0; at == 0 || at < len(whole); at += size {
		s.Fragment = &Fragment{Offset: at, Size: size}
		b, err := Build(s)
		if err != nil {
			return nil, err
		}
		frames = append(frames, b)
	}
	return frames, nil
}

var broadcast = state.MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// plain builds the frame without its tunnel, untagged when it has one.
func (s Spec) plain() ([]byte, error) {
	vlan := s.VLAN
	if s.Tunnel != nil {
		vlan = 0
	}
	switch s.Kind {
	case Raw:
		return ethernet(s.SrcMAC, s.DstMAC, vlan, s.EtherType, s.Payload), nil
	case ARPRequest, ARPReply, ARPAnnounce, ARPProbe:
		body, err := s.arp()
		if err != nil {
			return nil, err
		}
		if s.DstMAC == (state.MAC{}) && s.Kind != ARPReply {
			s.DstMAC = broadcast
		}
		return ethernet(s.SrcMAC, s.DstMAC, vlan, TypeARP, body), nil
	}
	s.neighbourDefaults()
	packet, err := s.packet()
	if err != nil {
		return nil, err
	}
	typ := TypeIPv4
	if s.family() == 6 {
		typ = TypeIPv6
	}
	if s.DstMAC == (state.MAC{}) && s.Dst.IsMulticast() {
		s.DstMAC = multicastMAC(s.Dst)
	}
	return ethernet(s.SrcMAC, s.DstMAC, vlan, typ, packet), nil
}

func (s Spec) family() int {
	if s.Src.Is4() {
		return 4
	}
	return 6
}

func multicastMAC(a netip.Addr) state.MAC {
	if a.Is4() {
		b := a.As4()
		return state.MAC{0x01, 0x00, 0x5e, b[1] & 0x7f, b[2], b[3]}
	}
	b := a.As16()
	return state.MAC{0x33, 0x33, b[12], b[13], b[14], b[15]}
}

// ethernet puts the header in front. No padding to 60 bytes: that is the NIC's.
func ethernet(src, dst state.MAC, vlan, typ uint16, payload []byte) []byte {
	b := make([]byte, 0, ethernetSize+4+len(payload))
	b = append(append(b, dst[:]...), src[:]...)
	if vlan != 0 {
		b = binary.BigEndian.AppendUint16(b, TypeVLAN)
		b = binary.BigEndian.AppendUint16(b, vlan)
	}
	b = binary.BigEndian.AppendUint16(b, typ)
	return append(b, payload...)
}

// packet builds the IP packet, or the fragment of it.
func (s Spec) packet() ([]byte, error) {
	if !s.Src.IsValid() || !s.Dst.IsValid() || s.Src.Is4() != s.Dst.Is4() {
		return nil, fmt.Errorf("source %s and destination %s: want two addresses of one family", s.Src, s.Dst)
	}
	body, err := s.transport(s.family())
	if err != nil {
		return nil, err
	}
	cut, more := body, false
	if f := s.Fragment; f != nil {
		if f.Offset%8 != 0 || f.Offset < 0 || f.Offset > len(body) {
			return nil, fmt.Errorf("fragment offset %d: want a multiple of 8 within %d bytes", f.Offset, len(body))
		}
		cut = body[f.Offset:]
		if f.Size > 0 && f.Size < len(cut) {
			cut, more = cut[:f.Size], true
		}
	}
	if s.TTL == 0 {
		s.TTL = 64
	}
	if s.family() == 4 {
		return s.packet4(cut, more)
	}
	return s.packet6(cut, more)
}

func (s Spec) packet4(body []byte, more bool) ([]byte, error) {
	ip := s.header4()
	ip.Id = uint16(s.IPID)
	if s.DF {
		ip.Flags |= layers.IPv4DontFragment
	}
	if s.Fragment != nil {
		ip.FragOffset = uint16(s.Fragment.Offset / 8)
		if more {
			ip.Flags |= layers.IPv4MoreFragments
		}
	}
	b, err := serialize(ip, gopacket.Payload(body))
	if err != nil || len(s.IPOptions) == 0 {
		return b, err
	}
	return insertOptions(b, s.IPOptions)
}

// insertOptions puts IPv4 options, as they are, behind a header without any.
func insertOptions(b, options []byte) ([]byte, error) {
	options = append([]byte(nil), options...)
	for len(options)%4 != 0 {
		options = append(options, 0)
	}
	if len(options) > 40 || len(b)+len(options) > 65535 {
		return nil, fmt.Errorf("ipv4 options: %d bytes, a header holds at most 40", len(options))
	}
	out := append(append(append([]byte(nil), b[:20]...), options...), b[20:]...)
	out[0] = 4<<4 | uint8(5+len(options)/4)
	binary.BigEndian.PutUint16(out[2:], uint16(len(out)))
	binary.BigEndian.PutUint16(out[10:], 0)
	binary.BigEndian.PutUint16(out[10:], fold(sum(0, out[:20+len(options)])))
	return out, nil
}

func (s Spec) header4() *layers.IPv4 {
	return &layers.IPv4{
		Version: 4, TTL: s.TTL, TOS: s.TOS, Protocol: layers.IPProtocol(s.protocol()),
		SrcIP: net.IP(s.Src.AsSlice()), DstIP: net.IP(s.Dst.AsSlice()),
	}
}

func (s Spec) header6() *layers.IPv6 {
	return &layers.IPv6{
		Version: 6, HopLimit: s.TTL, TrafficClass: s.TOS, FlowLabel: s.FlowLabel,
		NextHeader: layers.IPProtocol(s.protocol()),
		SrcIP:      net.IP(s.Src.AsSlice()), DstIP: net.IP(s.Dst.AsSlice()),
	}
}

func (s Spec) packet6(body []byte, more bool) ([]byte, error) {
	ip := s.header6()
	next := s.protocol()
	list := s.Extensions
	if s.Fragment != nil {
		data := binary.BigEndian.AppendUint16(nil, uint16(s.Fragment.Offset))
		if more {
			data[1] |= 1
		}
		list = append(append([]Extension(nil), list...), Extension{ExtensionFragment, binary.BigEndian.AppendUint32(data, s.IPID)})
	}
	for i := len(list) - 1; i >= 0; i-- {
		head := append([]byte{next, 0}, list[i].Data...)
		for len(head)%8 != 0 {
			head = append(head, 0)
		}
		if list[i].Type != ExtensionFragment {
			head[1] = uint8(len(head)/8 - 1)
		}
		body, next = append(head, body...), list[i].Type
	}
	if len(body) > 65535 {
		return nil, fmt.Errorf("ipv6 payload: %d bytes, a packet holds at most 65535", len(body))
	}
	// gopacket would look for options behind a hop-by-hop number.
	ip.NextHeader = layers.IPProtocolNoNextHeader
	b, err := serialize(ip, gopacket.Payload(body))
	if err == nil {
		b[6] = next
	}
	return b, err
}

// wrap puts a frame into the tunnel.
func (t Tunnel) wrap(inner []byte, vlan uint16) ([]byte, error) {
	options, err := t.Options.Encode()
	if err != nil {
		return nil, err
	}
	if t.VNI >= 1<<24 {
		return nil, fmt.Errorf("vni %d: want 24 bits", t.VNI)
	}
	flags := uint8(0)
	if t.OAM {
		flags |= 0x80
	}
	if t.Options.critical() {
		flags |= 0x40
	}
	head := []byte{uint8(len(options) / 4), flags, 0x65, 0x58}
	head = binary.BigEndian.AppendUint32(head, t.VNI<<8)
	body := append(append(head, options...), inner...)
	if t.SrcPort == 0 {
		layer, _, _ := decodeLayer(inner)
		t.SrcPort = OuterPort(layer)
	}
	if t.DstPort == 0 {
		t.DstPort = GenevePort
	}
	return Spec{
		Kind: UDP, SrcMAC: t.SrcMAC, DstMAC: t.DstMAC, VLAN: vlan, Src: t.Src, Dst: t.Dst,
		TTL: t.TTL, TOS: t.TOS, DF: true, SrcPort: t.SrcPort, DstPort: t.DstPort,
		NoChecksum: !t.Checksum, Payload: body,
	}.plain()
}

func serialize(list ...gopacket.SerializableLayer) ([]byte, error) {
	buffer := gopacket.NewSerializeBuffer()
	options := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	if err := gopacket.SerializeLayers(buffer, options, list...); err != nil {
		return nil, fmt.Errorf("serialize: %w", err)
	}
	return append([]byte(nil), buffer.Bytes()...), nil
}
