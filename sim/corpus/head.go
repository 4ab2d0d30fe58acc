// SPDX-License-Identifier: Apache-2.0

package corpus

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"github.com/mizar-net/mizar/sim/frame"
)

// head is what the fixed part of an untagged frame's network header says; all
// zero when it isn't there. It is read apart from the programs and from
// sim/frame, and believes frames that neither of them would.
type head struct {
	source, destination netip.Addr
	// version is 4 or 6; 0 for ARP and everything else.
	version int
	// length is that of the IP packet, by its header.
	length int
}

func headOf(b []byte) (h head) {
	if len(b) < ethernet {
		return h
	}
	l3 := b[ethernet:]
	switch typ := binary.BigEndian.Uint16(b[12:]); {
	case typ == frame.TypeIPv4 && len(l3) >= 20:
		h.version, h.length = 4, int(binary.BigEndian.Uint16(l3[2:]))
		h.source, h.destination = netip.AddrFrom4([4]byte(l3[12:])), netip.AddrFrom4([4]byte(l3[16:]))
	case typ == frame.TypeIPv6 && len(l3) >= 40:
		h.version, h.length = 6, 40+int(binary.BigEndian.Uint16(l3[4:]))
		h.source, h.destination = netip.AddrFrom16([16]byte(l3[8:])), netip.AddrFrom16([16]byte(l3[24:]))
	case typ == frame.TypeARP && len(l3) >= 28:
		h.source, h.destination = netip.AddrFrom4([4]byte(l3[14:])), netip.AddrFrom4([4]byte(l3[24:]))
	}
	return h
}

// tos is the byte of DSCP and ECN.
func (h head) tos(b []byte) uint8 {
	if h.version == 4 {
		return b[ethernet+1]
	}
	return uint8(binary.BigEndian.Uint16(b[ethernet:]) >> 4)
}

// capable says that the packet's ends understand marks of congestion.
func (h head) capable(b []byte) bool { return h.tos(b)&3 != 0 }

// mark marks the packet as congested; its checksum is left as it is.
func (h head) mark(b []byte) {
	if h.version == 4 {
		b[ethernet+1] |= 3
		return
	}
	b[ethernet+1] |= 3 << 4
}

// ttlAt is where TTL or hop limit stands.
func (h head) ttlAt() int {
	if h.version == 4 {
		return ethernet + 8
	}
	return ethernet + 7
}

// header4 is what an IPv4 header's checksum is off by, modulo 0xffff; 0 is
// right.
func header4(b []byte) uint32 {
	sum := uint32(0)
	size := int(b[ethernet]&0x0f) * 4
	for at := ethernet; at < ethernet+size && at+1 < len(b); at += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[at:]))
	}
	return sum % 0xffff
}

// forTunnel says that a frame from the underlay is for this host's tunnel: UDP
// to one of its addresses and Geneve's port, untagged or with a mere priority,
// and no later fragment.
func forTunnel(b []byte) bool {
	if len(b) >= ethernet+4 && binary.BigEndian.Uint16(b[12:]) == frame.TypeVLAN {
		if binary.BigEndian.Uint16(b[14:])&0x0fff != 0 {
			return false
		}
		b = append(append([]byte(nil), b[:12]...), b[16:]...)
	}
	h := headOf(b)
	if !slices.Contains([]netip.Addr{self4, self6}, h.destination) {
		return false
	}
	var udp []byte
	switch l3 := b[ethernet:]; h.version {
	case 4:
		size := int(l3[0]&0x0f) * 4
		if l3[0]>>4 != 4 || size < 20 || size > len(l3) || l3[9] != frame.ProtoUDP || binary.BigEndian.Uint16(l3[6:])&0x1fff != 0 {
			return false
		}
		udp = l3[size:]
	case 6:
		switch udp = l3[40:]; {
		case l3[0]>>4 != 6:
			return false
		case l3[6] == frame.ExtensionFragment && len(udp) >= 8 && udp[0] == frame.ProtoUDP && binary.BigEndian.Uint16(udp[2:])&0xfff8 == 0:
			udp = udp[8:]
		case l3[6] != frame.ProtoUDP:
			return false
		}
	default:
		return false
	}
	return len(udp) >= 8 && binary.BigEndian.Uint16(udp[2:]) == frame.GenevePort
}
