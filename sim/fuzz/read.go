// SPDX-License-Identifier: Apache-2.0

package fuzz

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"github.com/mizar-net/mizar/bpf"
)

const ethernet = 14

type fragment int

const (
	whole fragment = iota
	firstFragment
	laterFragment
)

// packet is what must be found in an endpoint's frame.
type packet struct {
	frame        []byte // from the Ethernet header on
	family       int    // 4, 6; 0: ARP
	src, dst     netip.Addr
	length       int // of the IP packet
	l4           int // offset in frame; 0: there is none
	proto        uint8
	fragment     fragment
	id           uint32 // of a fragment, as its bytes stand in memory
	sport, dport uint16
	tos, ttl     uint8
	turned       bool // it was sent to a frontend
}

// ip is the packet alone.
func (p packet) ip() []byte { return p.frame[ethernet : ethernet+p.length] }

// heads is the least that the transport's header takes; 0: nothing is known of it.
var heads = map[uint8]int{6: 20, 17: 8, 132: 12, 1: 8, 58: 8}

// read reads a frame as an endpoint sends it.
func read(b []byte) (packet, bpf.RowDropReason) {
	p := packet{frame: b}
	if len(b) < ethernet {
		return p, bpf.RowDropReasonDROP_TRUNCATED
	}
	switch binary.BigEndian.Uint16(b[12:]) {
	case 0x0800:
		return p.read4(b[ethernet:])
	case 0x86dd:
		return p.read6(b[ethernet:])
	case 0x0806:
		return p, 0
	}
	return p, bpf.RowDropReasonDROP_ETHERTYPE
}

func (p packet) read4(h []byte) (packet, bpf.RowDropReason) {
	if len(h) < 20 {
		return p, bpf.RowDropReasonDROP_TRUNCATED
	}
	size := int(h[0]&15) * 4
	p.family, p.length = 4, int(binary.BigEndian.Uint16(h[2:]))
	if h[0]>>4 != 4 || size < 20 || p.length < size {
		return p, bpf.RowDropReasonDROP_IP_HEADER
	}
	if p.length > len(h) {
		return p, bpf.RowDropReasonDROP_TRUNCATED
	}
	p.tos, p.ttl, p.proto = h[1], h[8], h[9]
	p.src, p.dst = netip.AddrFrom4([4]byte(h[12:16])), netip.AddrFrom4([4]byte(h[16:20]))
	p.id = identification(h[4:])
	word := binary.BigEndian.Uint16(h[6:])
	if offset := int(word&0x1fff) * 8; offset > 0 {
		p.fragment = laterFragment
		return p, p.begins(offset, false)
	}
	if word&0x2000 != 0 {
		p.fragment = firstFragment
	}
	return p.transport(size)
}

// begins judges where a later fragment begins: not inside the transport's header,
// which the first one must hold whole.
func (p packet) begins(offset int, extended bool) bpf.RowDropReason {
	if offset < least(p.proto) || extended && offset < heldBytes {
		return bpf.RowDropReasonDROP_FRAGMENT
	}
	return 0
}

// least is what of a transport's header no later fragment may reach into.
func least(proto uint8) int { return max(8, heads[proto]) }

// transport reads the header at an offset of the IP packet.
func (p packet) transport(at int) (packet, bpf.RowDropReason) {
	need, known := heads[p.proto]
	if !known {
		return p, 0
	}
	if at+need > p.length {
		return p, bpf.RowDropReasonDROP_TRUNCATED
	}
	p.l4 = ethernet + at
	if p.proto != 1 && p.proto != 58 {
		p.sport, p.dport = binary.BigEndian.Uint16(p.frame[p.l4:]), binary.BigEndian.Uint16(p.frame[p.l4+2:])
	}
	return p, 0
}

func (p packet) read6(h []byte) (packet, bpf.RowDropReason) {
	if len(h) < 40 {
		return p, bpf.RowDropReasonDROP_TRUNCATED
	}
	p.family, p.length = 6, 40+int(binary.BigEndian.Uint16(h[4:]))
	if h[0]>>4 != 6 || p.length > 65535 {
		return p, bpf.RowDropReasonDROP_IP_HEADER
	}
	if p.length > len(h) {
		return p, bpf.RowDropReasonDROP_TRUNCATED
	}
	p.src, p.dst = netip.AddrFrom16([16]byte(h[8:24])), netip.AddrFrom16([16]byte(h[24:40]))
	if p.src.Is4In6() || p.dst.Is4In6() {
		return p, bpf.RowDropReasonDROP_IP_ADDRESS
	}
	p.tos, p.ttl = h[0]<<4|h[1]>>4, h[7]
	return p.extensions(h[:p.length])
}

// followed are the extension headers that are understood.
var followed = []uint8{0, 43, 44, 51, 60}

const (
	mostExtensions = 5    // headers before the transport's, or before a later fragment's
	mostHeaders    = 1024 // bytes of them
	heldBytes      = 128  // behind a fragment header, up to the transport's end
)

func (p packet) extensions(h []byte) (packet, bpf.RowDropReason) {
	next, at, split := h[6], 40, 0
	for n := 0; slices.Contains(followed, next); n++ {
		size := 8
		if n > mostExtensions || n == mostExtensions && !cut(h, next, at) || at+8 > len(h) {
			return p, bpf.RowDropReasonDROP_EXTENSION
		}
		switch next {
		case 44:
			word := binary.BigEndian.Uint16(h[at+2:])
			if p.fragment != whole {
				return p, bpf.RowDropReasonDROP_EXTENSION
			}
			p.id = binary.NativeEndian.Uint32(h[at+4:])
			if offset := int(word &^ 7); offset > 0 {
				if at+8-40 > mostHeaders {
					return p, bpf.RowDropReasonDROP_EXTENSION
				}
				p.fragment, p.proto = laterFragment, h[at]
				return p, p.begins(offset, slices.Contains(followed, h[at]))
			}
			if word&1 != 0 {
				p.fragment, split = firstFragment, at+8
			}
		case 51:
			size = 8 + int(h[at+1])*4
		default:
			size = 8 + int(h[at+1])*8
			if next == 43 && h[at+2] == 0 {
				return p, bpf.RowDropReasonDROP_EXTENSION
			}
		}
		next, at = h[at], at+size
		if at > len(h) || at-40 > mostHeaders {
			return p, bpf.RowDropReasonDROP_EXTENSION
		}
	}
	p.proto = next
	if extended := at - split; split > 0 && extended > 0 && extended+least(next) > heldBytes {
		return p, bpf.RowDropReasonDROP_EXTENSION
	}
	return p.transport(at)
}

// cut says that a later fragment's header stands at an offset of the IP packet.
func cut(h []byte, next uint8, at int) bool {
	return next == 44 && at+8 <= len(h) && binary.BigEndian.Uint16(h[at+2:])&^7 != 0
}

// aboutLink says that the packet is neighbour or listener discovery.
func (p packet) aboutLink() bool {
	if p.family != 6 || p.proto != 58 || p.l4 == 0 {
		return false
	}
	t := p.frame[p.l4]
	return t >= 130 && t <= 137 || t == 143
}

// isError says that the packet is an ICMP error.
func (p packet) isError() bool {
	if p.l4 == 0 {
		return false
	}
	t := p.frame[p.l4]
	return p.family == 6 && p.proto == 58 && t < 128 ||
		p.family == 4 && p.proto == 1 && slices.Contains([]uint8{3, 4, 5, 11, 12}, t)
}
