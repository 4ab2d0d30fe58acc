// SPDX-License-Identifier: Apache-2.0

package fuzz

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/sim/frame"
)

// heard is a frame from the underlay.
type heard struct {
	b       []byte
	from    netip.Addr
	to      netip.Addr
	tos     uint8
	udp     int // where UDP's header is
	end     int // where the datagram ends, by the outer IP header
	tagged  bool
	options int  // bytes of IPv4 options
	cut     bool // a first fragment
	label
	control control
	alone   bool
	inner   packet
}

// control is the option that stands behind the identity, if any.
type control struct {
	kind                     uint8
	flags, limit, generation uint8 // return-to-sender
	word, token              uint32
	host                     netip.Addr
}

// kind is what a frame from the underlay is to the host.
type kind int

const (
	others kind = iota
	icmp
	ours
)

// hear reads the outer headers.
func hear(b []byte) (heard, kind) {
	h := heard{b: b}
	if len(b) < ethernet {
		return h, others
	}
	at, typ := ethernet, binary.BigEndian.Uint16(b[12:])
	if typ == 0x8100 {
		if len(b) < ethernet+4 || binary.BigEndian.Uint16(b[14:])&0xfff != 0 {
			return h, others
		}
		h.tagged, at, typ = true, ethernet+4, binary.BigEndian.Uint16(b[16:])
	}
	switch typ {
	case 0x0800:
		return h.hear4(at)
	case 0x86dd:
		return h.hear6(at)
	}
	return h, others
}

func (h heard) hear4(at int) (heard, kind) {
	ip := h.b[at:]
	if len(ip) < 20 || ip[0]>>4 != 4 || ip[0]&15 < 5 || netip.AddrFrom4([4]byte(ip[16:20])) != self4 {
		return h, others
	}
	size, word := int(ip[0]&15)*4, binary.BigEndian.Uint16(ip[6:])
	h.from, h.to, h.tos = netip.AddrFrom4([4]byte(ip[12:16])), self4, ip[1]
	if word&0x1fff != 0 { // what it is of, nobody can tell
		return h, others
	}
	if ip[9] == 1 && size == 20 {
		h.udp = at + size
		return h, icmp
	}
	if ip[9] != 17 || len(ip) < size {
		return h, others
	}
	h.cut, h.options = word&0x2000 != 0, size-20
	h.end = at + int(binary.BigEndian.Uint16(ip[2:]))
	return h.hearUDP(at + size)
}

func (h heard) hear6(at int) (heard, kind) {
	ip := h.b[at:]
	if len(ip) < 40 || ip[0]>>4 != 6 || netip.AddrFrom16([16]byte(ip[24:40])) != self6 {
		return h, others
	}
	h.from, h.to, h.tos = netip.AddrFrom16([16]byte(ip[8:24])), self6, ip[0]<<4|ip[1]>>4
	h.end = at + 40 + int(binary.BigEndian.Uint16(ip[4:]))
	switch ip[6] {
	case 17:
		return h.hearUDP(at + 40)
	case 58:
		h.udp = at + 40
		return h, icmp
	case 44:
		if len(ip) < 48 || ip[40] != 17 || binary.BigEndian.Uint16(ip[42:])&^7 != 0 {
			return h, others
		}
		h.cut = true
		return h.hearUDP(at + 48)
	}
	return h, others
}

func (h heard) hearUDP(at int) (heard, kind) {
	if len(h.b) < at+8 || binary.BigEndian.Uint16(h.b[at+2:]) != frame.GenevePort {
		return h, others
	}
	h.udp = at
	return h, ours
}

// open reads what the tunnel carries.
func (h heard) open() (heard, bpf.RowDropReason) {
	if h.cut {
		return h, bpf.RowDropReasonDROP_TUNNEL_FRAGMENT
	}
	if binary.BigEndian.Uint16(h.b[h.udp+6:]) != 0 {
		return h, bpf.RowDropReasonDROP_TUNNEL_CHECKSUM
	}
	at, reason := h.geneve(h.b[h.udp+8:])
	if reason != 0 {
		return h, reason
	}
	if nameOf(h.from) == "" {
		return h, bpf.RowDropReasonDROP_TUNNEL_SOURCE
	}
	if h.inner, reason = read(h.b[h.udp+8+at:]); reason != 0 {
		return h, reason
	}
	if h.inner.family == 0 {
		return h, bpf.RowDropReasonDROP_ETHERTYPE
	}
	end := h.udp + int(binary.BigEndian.Uint16(h.b[h.udp+4:]))
	if end > h.end || h.udp+8+at+ethernet+h.inner.length > end {
		return h, bpf.RowDropReasonDROP_TRUNCATED
	}
	if h.inner.aboutLink() {
		return h, bpf.RowDropReasonDROP_ND_OTHER
	}
	return h, 0
}

// geneve reads the tunnel's header and returns its length.
func (h *heard) geneve(g []byte) (int, bpf.RowDropReason) {
	if len(g) < 8 {
		return 0, bpf.RowDropReasonDROP_TRUNCATED
	}
	if g[0]>>6 != 0 || g[1]&0x80 != 0 || binary.BigEndian.Uint16(g[2:]) != 0x6558 {
		return 0, bpf.RowDropReasonDROP_GENEVE_HEADER
	}
	h.vni = binary.BigEndian.Uint32(g[4:]) >> 8
	size := int(g[0]&63) * 4
	switch {
	case size < 8:
		return 0, bpf.RowDropReasonDROP_GENEVE_OPTION
	case len(g) < 16:
		return 0, bpf.RowDropReasonDROP_TRUNCATED
	case g[8] != 0xff || g[9] != 0x4d || g[10] != frame.OptionIdentity || g[11]&31 != 1:
		return 0, bpf.RowDropReasonDROP_GENEVE_OPTION
	case len(g) < 8+size:
		return 0, bpf.RowDropReasonDROP_TRUNCATED
	}
	word := binary.BigEndian.Uint32(g[12:])
	h.identity, h.generation = word>>8, uint8(word)
	h.alone = size == 36
	return 8 + size, h.controls(g[16 : 8+size])
}

const mostOptions = 8

// controlling are the options of which a packet has at most one.
var controlling = []uint8{frame.OptionReturn, frame.OptionSendBack, frame.OptionNotHere, frame.OptionRefusal, frame.OptionService}

// controls reads the options behind the identity.
func (h *heard) controls(b []byte) bpf.RowDropReason {
	for n := 0; len(b) > 0; n++ {
		size := 4 + int(b[3]&31)*4
		if n == mostOptions || size > len(b) {
			return bpf.RowDropReasonDROP_GENEVE_OPTION
		}
		known := b[0] == 0xff && b[1] == 0x4d
		switch kind := b[2]; {
		case known && slices.Contains(controlling, kind):
			if size != 28 || h.control.kind != 0 {
				return bpf.RowDropReasonDROP_GENEVE_OPTION
			}
			h.control = control{kind: kind, flags: b[4], limit: b[5], generation: b[6], word: binary.BigEndian.Uint32(b[4:]),
				token: binary.BigEndian.Uint32(b[8:]), host: netip.AddrFrom16([16]byte(b[12:28])).Unmap()}
		case kind&0x80 != 0:
			return bpf.RowDropReasonDROP_GENEVE_CRITICAL
		}
		b = b[size:]
	}
	h.alone = h.alone && h.control.kind != 0
	return 0
}

// tooBig is the host, and the MTU, that an ICMP error of the underlay tells.
func (h heard) tooBig() (string, uint16) {
	b := h.b[h.udp:]
	least, size, mtu := uint32(576), 20, uint32(0)
	if len(b) < 8 {
		return "", 0
	}
	mtu = binary.BigEndian.Uint32(b[4:])
	if h.to == self6 {
		least, size = 1280, 40
		if b[0] != 2 {
			return "", 0
		}
	} else if mtu &= 0xffff; b[0] != 3 || b[1] != 4 {
		return "", 0
	}
	q := b[8:]
	if len(q) < size+8 || mtu < least || mtu >= underlayMTU || binary.BigEndian.Uint16(q[size+2:]) != frame.GenevePort {
		return "", 0
	}
	var from, to netip.Addr
	if size == 20 {
		from, to = netip.AddrFrom4([4]byte(q[12:16])), netip.AddrFrom4([4]byte(q[16:20]))
		if q[0] != 0x45 || q[9] != 17 {
			return "", 0
		}
	} else {
		from, to = netip.AddrFrom16([16]byte(q[8:24])), netip.AddrFrom16([16]byte(q[24:40]))
		if q[0]>>4 != 6 || q[6] != 17 {
			return "", 0
		}
	}
	if from != h.to {
		return "", 0
	}
	return nameOf(to), uint16(mtu)
}
