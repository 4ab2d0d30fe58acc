// SPDX-License-Identifier: Apache-2.0

package fuzz

import (
	"bytes"
	"encoding/binary"
	"net/netip"

	"github.com/mizar-net/mizar/sim/frame"
)

// sum is the Internet checksum of all the parts, each of an even length.
func sum(parts ...[]byte) uint16 {
	total := uint32(0)
	for _, part := range parts {
		for at := 0; at+1 < len(part); at += 2 {
			total += uint32(binary.BigEndian.Uint16(part[at:]))
		}
	}
	for total > 0xffff {
		total = total&0xffff + total>>16
	}
	return ^uint16(total)
}

// moved is an IPv4 header's checksum after other bytes of it changed: right where
// it was right, else as wrong as before.
func moved(before, after []byte) uint16 {
	size := int(before[0]&15) * 4
	b, a := bytes.Clone(before[:size]), bytes.Clone(after[:size])
	copy(a[10:], b[10:12])
	off := uint32(sum(b)) // what the sum lacks before
	copy(a[10:], []byte{0, 0})
	total := uint32(sum(a)) + 0xffff - off
	for total > 0xffff {
		total = total&0xffff + total>>16
	}
	return uint16(total)
}

// changed is the frame after changes to its IP header.
func (p packet) changed(change func(ip []byte)) packet {
	before := p.frame
	p.frame = bytes.Clone(before)
	change(p.frame[ethernet:])
	if p.family == 4 {
		binary.BigEndian.PutUint16(p.frame[ethernet+10:], moved(before[ethernet:], p.frame[ethernet:]))
	}
	return p
}

// routed has one less of its TTL.
func (p packet) routed() packet {
	p.ttl--
	return p.changed(func(ip []byte) {
		if p.family == 4 {
			ip[8]--
		} else {
			ip[7]--
		}
	})
}

// congested carries the mark.
func (p packet) congested() packet {
	p.tos |= 3
	return p.changed(func(ip []byte) {
		if p.family == 4 {
			ip[1] |= 3
		} else {
			ip[1] |= 0x30
		}
	})
}

// port is the outer source port.
func (p packet) port() uint16 {
	return frame.OuterPort(frame.Layer{Src: p.src, Dst: p.dst, Proto: p.proto, Fragment: p.fragment != whole, SrcPort: p.sport, DstPort: p.dport})
}

// label is what a tunnel's header says.
type label struct {
	vni, identity uint32
	generation    uint8
	option        []byte // 28 bytes, or none
}

// option is one of the 28 bytes long.
func option(kind uint8, word, token uint32, host netip.Addr) []byte {
	b := []byte{0xff, 0x4d, kind, 6}
	b = binary.BigEndian.AppendUint32(b, word)
	b = binary.BigEndian.AppendUint32(b, token)
	if !host.IsValid() {
		return append(b, make([]byte, 16)...)
	}
	a := host.As16()
	return append(b, a[:]...)
}

// asks is return-to-sender.
func asks(flags, limit, generation uint8, token uint32, host netip.Addr) []byte {
	return option(frame.OptionReturn, uint32(flags)<<24|uint32(limit)<<16|uint32(generation)<<8, token, host)
}

// source is this host's address of the family of another's.
func source(to netip.Addr) netip.Addr {
	if to.Is4() {
		return self4
	}
	return self6
}

// overhead is how many bytes of an outer IP packet to a host are not the inner
// IP packet, with the largest option.
func overhead(to netip.Addr) int {
	size := 20
	if to.Is6() {
		size = 40
	}
	return size + 8 + 8 + 8 + 28 + ethernet
}

// most is the largest packet that fits into a tunnel to a host with any option.
func most(to netip.Addr) int { return underlayMTU - overhead(to) }

// tunnel is the packet in a tunnel to a host.
func (p packet) tunnel(to netip.Addr, l label) []byte {
	geneve := []byte{uint8(2 + len(l.option)/4), 0, 0x65, 0x58}
	geneve = binary.BigEndian.AppendUint32(geneve, l.vni<<8)
	geneve = append(geneve, 0xff, 0x4d, 1, 1)
	geneve = binary.BigEndian.AppendUint32(geneve, l.identity<<8|uint32(l.generation))
	geneve = append(geneve, l.option...)
	// What the lengths count ends with the inner packet; what stood behind it stays.
	length := 8 + len(geneve) + ethernet + p.length
	udp := binary.BigEndian.AppendUint16(nil, p.port())
	udp = binary.BigEndian.AppendUint16(udp, frame.GenevePort)
	udp = binary.BigEndian.AppendUint16(udp, uint16(length))
	udp = append(udp, 0, 0)
	hop := hopMAC[to]
	b := append(append(bytes.Clone(hop[:]), uplinkMAC[:]...), ipHeader(to, p.tos, length)...)
	return append(append(append(b, udp...), geneve...), p.frame...)
}

// ipHeader is the outer one, with the Ethernet type before it.
func ipHeader(to netip.Addr, tos uint8, length int) []byte {
	from := source(to)
	if to.Is6() {
		b := binary.BigEndian.AppendUint32([]byte{0x86, 0xdd}, 6<<28|uint32(tos)<<20)
		b = binary.BigEndian.AppendUint16(b, uint16(length))
		return append(append(append(b, 17, 64), from.AsSlice()...), to.AsSlice()...)
	}
	b := binary.BigEndian.AppendUint16([]byte{0x45, tos}, uint16(20+length))
	b = append(append(append(b, 0, 0, 0x40, 0, 64, 17, 0, 0), from.AsSlice()...), to.AsSlice()...)
	binary.BigEndian.PutUint16(b[10:], sum(b))
	return append([]byte{0x08, 0x00}, b...)
}

// delivered is the frame as an endpoint gets it.
func (p packet) delivered(to *endpoint) []byte {
	return append(append(bytes.Clone(to.mac[:]), gatewayMAC[:]...), p.frame[12:]...)
}
