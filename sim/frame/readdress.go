// SPDX-License-Identifier: Apache-2.0

package frame

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"github.com/mizar-net/mizar/dataplane/state"
)

// Readdress says how a plain frame's addresses are replaced.
type Readdress struct {
	// Address gives the new address for an old one, of the same family,
	// or the old one to keep it.
	Address func(netip.Addr) (netip.Addr, error)
	// MAC gives the Ethernet address of who has an (old) address, for the
	// bodies of ARP and ND; false to keep what stands there.
	MAC func(netip.Addr) (state.MAC, bool)
	// SrcMAC and DstMAC of the Ethernet header; zero keeps the old one. A
	// multicast or broadcast destination is never replaced by DstMAC.
	SrcMAC, DstMAC state.MAC
}

// Apply returns a copy of the frame with the addresses replaced: in the
// Ethernet and IP headers, in ARP and ND, and in the packet that an ICMP error
// quotes. Checksums are computed anew; that of a first fragment is adjusted
// by the difference, since the rest isn't at hand. An absent UDP checksum stays
// absent.
func (r Readdress) Apply(frame []byte) ([]byte, error) {
	b := append([]byte(nil), frame...)
	y, l, err := decodeLayer(b)
	if err != nil {
		return nil, fmt.Errorf("replace addresses: %w", err)
	}
	if err := r.layer(b, y, l); err != nil {
		return nil, fmt.Errorf("replace addresses: %w", err)
	}
	if r.SrcMAC != (state.MAC{}) {
		copy(b[6:12], r.SrcMAC[:])
	}
	if r.DstMAC != (state.MAC{}) && b[0]&1 == 0 {
		copy(b[0:6], r.DstMAC[:])
	}
	return b, nil
}

func (r Readdress) layer(b []byte, y Layer, l layout) error {
	switch {
	case y.ARP != nil:
		return r.arp(b[l.l3:], y.ARP)
	case l.version == 0:
		return nil
	case l.routed:
		return errors.New("ipv6 routing header with segments left: its checksums aren't about the destination that stands in the IP header")
	}
	before := addressSum(b, l)
	if y.ND != nil && y.ND.Target.IsValid() {
		if err := r.nd(b, y, l); err != nil {
			return err
		}
	}
	if y.quotes() {
		if err := r.quote(b[l.l4+8:l.end], l.version); err != nil {
			return fmt.Errorf("packet quoted by an icmp error: %w", err)
		}
	}
	if err := r.addresses(b[l.l3:], l.version); err != nil {
		return err
	}
	refreshTransport(b, l, before)
	return nil
}

// quotes says that the packet is an ICMP error.
func (y Layer) quotes() bool {
	if y.Fragment || len(y.Payload) < 4 {
		return false
	}
	switch y.Proto {
	case ProtoICMP:
		return y.ICMPType == 3 || y.ICMPType == 5 || y.ICMPType == 11 || y.ICMPType == 12
	case ProtoICMPv6:
		return y.ICMPType >= 1 && y.ICMPType <= 4
	}
	return false
}

// addresses replaces both addresses of an IP header and its checksum.
func (r Readdress) addresses(h []byte, version int) error {
	first, size := 12, 4
	if version == 6 {
		first, size = 8, 16
	}
	for at := first; at < first+2*size; at += size {
		if err := r.replace(h[at : at+size]); err != nil {
			return err
		}
	}
	if version == 4 {
		header := h[:int(h[0]&0x0f)*4]
		binary.BigEndian.PutUint16(header[10:], 0)
		binary.BigEndian.PutUint16(header[10:], fold(sum(0, header)))
	}
	return nil
}

// replace puts the new address in the place of the old one.
func (r Readdress) replace(place []byte) error {
	old, _ := netip.AddrFromSlice(place)
	fresh, err := r.Address(old)
	if err != nil {
		return err
	}
	if fresh.BitLen() != old.BitLen() {
		return fmt.Errorf("address %s can't become %s: want one of the same family", old, fresh)
	}
	copy(place, fresh.AsSlice())
	return nil
}

func (r Readdress) arp(body []byte, old *ARP) error {
	for _, side := range []struct {
		at int
		ip netip.Addr
	}{{8, old.SenderIP}, {18, old.TargetIP}} {
		zero := state.MAC(body[side.at:side.at+6]) == state.MAC{}
		if mac, ok := r.MAC(side.ip); ok && !zero {
			copy(body[side.at:], mac[:])
		}
		if side.ip.IsUnspecified() {
			continue
		}
		if err := r.replace(body[side.at+6 : side.at+10]); err != nil {
			return err
		}
	}
	return nil
}

// nd replaces the target, the link-layer option and, where the packet goes to
// the target's solicited-node address, that one.
func (r Readdress) nd(b []byte, y Layer, l layout) error {
	segment := b[l.l4:l.end]
	if err := r.replace(segment[8:24]); err != nil {
		return err
	}
	fresh := netip.AddrFrom16([16]byte(segment[8:24]))
	if y.Dst == SolicitedNode(y.ND.Target) {
		to := SolicitedNode(fresh)
		copy(b[l.l3+24:l.l3+40], to.AsSlice())
		mac := multicastMAC(to)
		copy(b[0:6], mac[:])
	}
	owner := y.Src // of the source link-layer option
	if y.ICMPType == 136 {
		owner = y.ND.Target
	}
	mac, ok := r.MAC(owner)
	for at := 24; ok && at+8 <= len(segment); at += int(segment[at+1]) * 8 {
		if segment[at] == 1 || segment[at] == 2 {
			copy(segment[at+2:at+8], mac[:])
		}
	}
	return nil
}

// quote replaces the addresses of the IP packet that an ICMP error quotes, as
// far as it's there, and adjusts the checksum of the quoted transport header.
func (r Readdress) quote(packet []byte, version int) error {
	need := map[int]int{4: 20, 6: 40}[version]
	if len(packet) < need || int(packet[0]>>4) != version {
		return nil
	}
	l := layout{version: version, proto: packet[6], l4: 40, end: len(packet)}
	if version == 4 {
		l.proto, l.l4 = packet[9], int(packet[0]&0x0f)*4
		l.offset = int(binary.BigEndian.Uint16(packet[6:])&0x1fff) * 8
		if l.l4 < 20 || l.l4 > len(packet) {
			return nil
		}
	}
	before := addressSum(packet, l)
	if err := r.addresses(packet, version); err != nil {
		return err
	}
	l.fragment = true // there's no telling whether the quote is whole
	refreshTransport(packet, l, before)
	return nil
}

// addressSum is the sum of the addresses of an IP header.
func addressSum(b []byte, l layout) uint32 {
	h := b[l.l3:]
	if l.version == 4 {
		return sum(0, h[12:20])
	}
	return sum(0, h[8:40])
}

// refreshTransport computes the transport's checksum anew, or for a first
// fragment adjusts it (RFC 1624) from the addresses' sum before the change.
func refreshTransport(b []byte, l layout, before uint32) {
	if l.proto == ProtoSCTP && !l.fragment {
		crc := b[l.l4+8 : l.l4+12]
		binary.LittleEndian.PutUint32(crc, sctpSum(b[l.l4:l.end]))
		return
	}
	name, at, ok := transportSum(l)
	if !ok || !l.first() || l.end-l.l4 < at+2 {
		return
	}
	segment := b[l.l4:l.end]
	place := segment[at:]
	old := binary.BigEndian.Uint16(place)
	if l.proto == ProtoUDP && old == 0 && l.version == 4 {
		return
	}
	var fresh uint16
	switch {
	case !l.fragment:
		if l.proto == ProtoUDP {
			segment = segment[:int(binary.BigEndian.Uint16(segment[4:]))]
		}
		binary.BigEndian.PutUint16(place, 0)
		fresh = fold(sum(pseudoSum(b, l, len(segment)), segment))
	case name == "icmp": // covers no addresses
		return
	default:
		folded := ^fold(before)
		fresh = fold(uint32(^old) + uint32(^folded) + addressSum(b, l))
	}
	if l.proto == ProtoUDP && fresh == 0 {
		fresh = 0xffff
	}
	binary.BigEndian.PutUint16(place, fresh)
}
