// SPDX-License-Identifier: Apache-2.0

package frame

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// ChecksumError is a checksum that is wrong.
type ChecksumError struct {
	// Layer is "outer.ip", "outer.udp", "inner.ip", "inner.tcp",
	// "inner.udp", "inner.icmp", "inner.icmpv6" or "inner.sctp"; a plain
	// frame is an inner one.
	Layer string
	// At is where it stands in the frame, in bytes.
	At int
	// Want is what the bytes add up to, Got what stands there.
	Want, Got uint32
}

// Error names the layer, want and got.
func (e *ChecksumError) Error() string {
	return fmt.Sprintf("checksum %s: want %#04x, got %#04x", e.Layer, e.Want, e.Got)
}

// VerifyChecksums proves every checksum of a frame, outer and inner, and
// returns all that are wrong ([ChecksumError], joined), or why the frame
// cannot be read. The outer UDP checksum of a tunnel must be zero, UDP's may be
// zero on IPv4 only. The transport checksum of a fragment, and of a packet
// with routing segments left, can't be checked and isn't.
func VerifyChecksums(b []byte) error {
	p, err := Decode(b)
	if err != nil {
		return fmt.Errorf("verify checksums: %w", err)
	}
	l, err := locate(b)
	if err != nil {
		return fmt.Errorf("verify checksums: %w", err)
	}
	if !p.Tunnel {
		var wrong []error
		for _, e := range verify("inner", b, l) {
			wrong = append(wrong, e)
		}
		return errors.Join(wrong...)
	}
	var wrong []error
	if e := verifyHeader("outer", b, l); e != nil {
		wrong = append(wrong, e)
	}
	if p.OuterChecksum != 0 {
		wrong = append(wrong, &ChecksumError{"outer.udp", l.l4 + 6, 0, uint32(p.OuterChecksum)})
	}
	before := l.l4 + 8 + 8 + int(b[l.l4+8]&0x3f)*4
	inner := tunnelled(b, l)
	l, err = locate(inner)
	if err != nil {
		return fmt.Errorf("verify checksums: frame in the tunnel: %w", err)
	}
	for _, e := range verify("inner", inner, l) {
		e.At += before
		wrong = append(wrong, e)
	}
	return errors.Join(wrong...)
}

// tunnelled is the frame inside a frame that Decode found to be a tunnel.
func tunnelled(b []byte, l layout) []byte {
	udp := b[l.l4:l.end]
	end := min(int(binary.BigEndian.Uint16(udp[4:])), len(udp))
	return udp[8+8+int(udp[8]&0x3f)*4 : end]
}

func verify(side string, b []byte, l layout) []*ChecksumError {
	var wrong []*ChecksumError
	if e := verifyHeader(side, b, l); e != nil {
		wrong = append(wrong, e)
	}
	if l.version == 0 || l.fragment || l.routed {
		return wrong
	}
	if e := verifyTransport(side, b, l); e != nil {
		wrong = append(wrong, e)
	}
	return wrong
}

func verifyHeader(side string, b []byte, l layout) *ChecksumError {
	if l.version != 4 {
		return nil
	}
	return compare(side+".ip", b, span{l.l3, l.l4, 10}, 0)
}

// transportSum says where the checksum stands in the transport header, and its
// layer's name; false for protocols without one that we know.
func transportSum(l layout) (name string, at int, ok bool) {
	switch l.proto {
	case ProtoTCP:
		return "tcp", 16, true
	case ProtoUDP:
		return "udp", 6, true
	case ProtoICMP:
		return "icmp", 2, true
	case ProtoICMPv6:
		return "icmpv6", 2, true
	}
	return "", 0, false
}

func verifyTransport(side string, b []byte, l layout) *ChecksumError {
	if l.proto == ProtoSCTP {
		return verifySCTP(side, b, l)
	}
	name, at, ok := transportSum(l)
	if !ok {
		return nil
	}
	end := l.end
	if l.proto == ProtoUDP {
		end = l.l4 + int(binary.BigEndian.Uint16(b[l.l4+4:]))
		if binary.BigEndian.Uint16(b[l.l4+6:]) == 0 && l.version == 4 {
			return nil
		}
	}
	return compare(side+"."+name, b, span{l.l4, end, at}, pseudoSum(b, l, end-l.l4))
}

// span is the part of a frame that a checksum is about, and where in it the
// checksum stands.
type span struct{ from, to, at int }

// compare checks the checksum of a part of a frame.
func compare(layer string, frame []byte, s span, start uint32) *ChecksumError {
	b := frame[s.from:s.to]
	got := binary.BigEndian.Uint16(b[s.at:])
	want := fold(sum(sum(start, b[:s.at]), b[s.at+2:]))
	if want == got {
		return nil
	}
	if want == 0 && got == 0xffff {
		return nil // one's complement has two zeros
	}
	return &ChecksumError{layer, s.from + s.at, uint32(want), uint32(got)}
}

func verifySCTP(side string, b []byte, l layout) *ChecksumError {
	segment := b[l.l4:l.end]
	want, got := sctpSum(segment), binary.LittleEndian.Uint32(segment[8:])
	if want == got {
		return nil
	}
	return &ChecksumError{side + ".sctp", l.l4 + 8, want, got}
}

// sctpSum is the CRC32c of a packet with its checksum counted as zero (RFC
// 9260).
func sctpSum(segment []byte) uint32 {
	whole := append([]byte(nil), segment...)
	clear(whole[8:12])
	return crc32.Checksum(whole, crc32.MakeTable(crc32.Castagnoli))
}

// pseudoSum is the sum of the pseudo-header; ICMP has none.
func pseudoSum(b []byte, l layout, length int) uint32 {
	if l.proto == ProtoICMP {
		return 0
	}
	h := b[l.l3:]
	addresses := h[12:20]
	if l.version == 6 {
		addresses = h[8:40]
	}
	return sum(uint32(l.proto)+uint32(length>>16)+uint32(length&0xffff), addresses)
}

// sum adds 16-bit words in one's complement arithmetic (RFC 1071), to be
// folded.
func sum(start uint32, b []byte) uint32 {
	for len(b) >= 2 {
		start += uint32(b[0])<<8 | uint32(b[1])
		start = start&0xffff + start>>16
		b = b[2:]
	}
	if len(b) == 1 {
		start += uint32(b[0]) << 8
	}
	return start
}

// fold is the checksum of a sum.
func fold(s uint32) uint16 {
	for s>>16 != 0 {
		s = s&0xffff + s>>16
	}
	return ^uint16(s)
}
