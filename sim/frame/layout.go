// SPDX-License-Identifier: Apache-2.0

package frame

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// layout says where the headers of one Ethernet frame stand; offsets count
// from the frame's first byte.
//
//	0        l3                    l4            end        len
//	| MACs tags | IP, ext. headers | transport … | trailer  |
type layout struct {
	vlan      uint16
	etherType uint16
	l3        int
	// version is 4 or 6, or 0 when there is no IP header.
	version    int
	proto      uint8
	l4         int
	end        int
	fragment   bool
	offset     int
	more       bool
	id         uint32
	extensions []uint8
	// routed says that a routing header has segments left, so the packet's
	// destination isn't the one that checksums are about.
	routed bool
}

// first says that a transport header follows the IP headers.
func (l layout) first() bool { return l.version != 0 && l.offset == 0 }

const ethernetSize = 14

// locate finds the headers of an Ethernet frame. What was found so far is
// returned along with an error.
func locate(b []byte) (layout, error) {
	l := layout{end: len(b)}
	if len(b) < ethernetSize {
		return l, fmt.Errorf("ethernet header: %d bytes, want %d", len(b), ethernetSize)
	}
	l.etherType = binary.BigEndian.Uint16(b[12:])
	l.l3 = ethernetSize
	for tag := 0; l.etherType == TypeVLAN || l.etherType == TypeQinQ; tag++ {
		if len(b) < l.l3+4 {
			return l, fmt.Errorf("vlan tag at byte %d: %d bytes left, want 4", l.l3-2, len(b)-l.l3)
		}
		if tag == 0 {
			l.vlan = binary.BigEndian.Uint16(b[l.l3:]) & 0x0fff
		}
		l.etherType = binary.BigEndian.Uint16(b[l.l3+2:])
		l.l3 += 4
	}
	l.l4 = l.l3
	switch l.etherType {
	case TypeIPv4:
		return l, l.locate4(b)
	case TypeIPv6:
		return l, l.locate6(b)
	}
	return l, nil
}

func (l *layout) locate4(b []byte) error {
	h := b[l.l3:]
	if len(h) < 20 {
		return fmt.Errorf("ipv4 header at byte %d: %d bytes left, want 20", l.l3, len(h))
	}
	size, total := int(h[0]&0x0f)*4, int(binary.BigEndian.Uint16(h[2:]))
	if h[0]>>4 != 4 || size < 20 || total < size {
		return fmt.Errorf("ipv4 header at byte %d: version %d, header %d bytes, total %d bytes do not fit together", l.l3, h[0]>>4, size, total)
	}
	if total > len(h) {
		return fmt.Errorf("ipv4 packet at byte %d: total length %d, only %d bytes left", l.l3, total, len(h))
	}
	word := binary.BigEndian.Uint16(h[6:])
	l.version, l.proto, l.l4, l.end = 4, h[9], l.l3+size, l.l3+total
	l.offset, l.more = int(word&0x1fff)*8, word&0x2000 != 0
	l.fragment = l.more || l.offset != 0
	l.id = uint32(binary.BigEndian.Uint16(h[4:]))
	return nil
}

// IPv6 extension headers, by their protocol numbers.
const (
	ExtensionHopByHop    uint8 = 0
	ExtensionRouting     uint8 = 43
	ExtensionFragment    uint8 = 44
	ExtensionAH          uint8 = 51
	ExtensionDestination uint8 = 60
)

func (l *layout) locate6(b []byte) error {
	h := b[l.l3:]
	if len(h) < 40 {
		return fmt.Errorf("ipv6 header at byte %d: %d bytes left, want 40", l.l3, len(h))
	}
	length := int(binary.BigEndian.Uint16(h[4:]))
	if h[0]>>4 != 6 {
		return fmt.Errorf("ipv6 header at byte %d: version %d, want 6", l.l3, h[0]>>4)
	}
	if 40+length > len(h) {
		return fmt.Errorf("ipv6 packet at byte %d: payload length %d, only %d bytes left", l.l3, length, len(h)-40)
	}
	l.version, l.proto, l.l4, l.end = 6, h[6], l.l3+40, l.l3+40+length
	for l.offset == 0 {
		again, err := l.extension(b[:l.end])
		if err != nil {
			return err
		}
		if !again {
			break
		}
	}
	return nil
}

// extension steps over one extension header; false when there is none.
func (l *layout) extension(b []byte) (bool, error) {
	switch l.proto {
	case ExtensionHopByHop, ExtensionRouting, ExtensionFragment, ExtensionAH, ExtensionDestination:
	default:
		return false, nil
	}
	h := b[l.l4:]
	if len(h) < 8 {
		return false, fmt.Errorf("ipv6 extension header %d at byte %d: %d bytes left, want 8", l.proto, l.l4, len(h))
	}
	size := 8 + int(h[1])*8
	switch l.proto {
	case ExtensionFragment:
		size = 8
		word := binary.BigEndian.Uint16(h[2:])
		l.offset, l.more = int(word&0xfff8), word&1 != 0
		// Offset 0 and no more: a whole packet (RFC 6946).
		l.fragment, l.id = l.offset != 0 || l.more, binary.BigEndian.Uint32(h[4:])
	case ExtensionAH:
		size = 8 + int(h[1])*4
	case ExtensionRouting:
		l.routed = l.routed || h[3] != 0
	}
	if len(h) < size {
		return false, fmt.Errorf("ipv6 extension header %d at byte %d: %d bytes, only %d left", l.proto, l.l4, size, len(h))
	}
	l.extensions = append(l.extensions, l.proto)
	l.proto, l.l4 = h[0], l.l4+size
	return true, nil
}

// addresses are the source and destination of the IP header.
func (l layout) addresses(b []byte) (src, dst netip.Addr) {
	h := b[l.l3:]
	switch l.version {
	case 4:
		return netip.AddrFrom4([4]byte(h[12:16])), netip.AddrFrom4([4]byte(h[16:20]))
	case 6:
		return netip.AddrFrom16([16]byte(h[8:24])), netip.AddrFrom16([16]byte(h[24:40]))
	}
	return src, dst
}
