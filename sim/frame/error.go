// SPDX-License-Identifier: Apache-2.0

package frame

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// ICMPError is what an ICMP or ICMPv6 error says (RFC 792, RFC 4443).
type ICMPError struct {
	// MTU that would have fit; 0 where the error tells none.
	MTU int
	// Quoted is what it quotes of the packet that it is about, from the IP
	// header on.
	Quoted []byte
}

// errorHeader is what stands before the quoted packet.
const errorHeader = 8

// isError says whether a type is that of an error: of ICMP, unreachable, source
// quench, redirect, time exceeded and parameter problem.
func isError(proto, typ uint8) bool {
	if proto == ProtoICMPv6 {
		return typ < 128
	}
	return typ == 3 || typ == 4 || typ == 5 || typ == 11 || typ == 12
}

// readError reads what an error says. One that is cut says nothing.
func (y *Layer) readError(b []byte) {
	if len(b) < errorHeader || y.Fragment || !isError(y.Proto, b[0]) {
		return
	}
	y.Error = &ICMPError{Quoted: b[errorHeader:]}
	switch {
	case y.Proto == ProtoICMP && b[0] == 3 && b[1] == 4:
		y.Error.MTU = int(binary.BigEndian.Uint16(b[6:]))
	case y.Proto == ProtoICMPv6 && b[0] == 2:
		y.Error.MTU = int(binary.BigEndian.Uint32(b[4:]))
	}
}

// Quote reads the packet that the error is about, as far as it is quoted: what is
// missing of it counts as zeros.
func (e ICMPError) Quote() (Layer, error) {
	if len(e.Quoted) < 1 {
		return Layer{}, errors.New("quoted packet: nothing is quoted")
	}
	b, err := quotedFrame(e.Quoted)
	if err != nil {
		return Layer{}, fmt.Errorf("quoted packet: %w", err)
	}
	y, _, err := decodeLayer(b)
	if err != nil {
		return y, fmt.Errorf("quoted packet: %w", err)
	}
	return y, nil
}

// quotedFrame is a frame with a quoted packet in its whole length.
func quotedFrame(quoted []byte) ([]byte, error) {
	typ, need, length := TypeIPv4, 20, 0
	if quoted[0]>>4 == 6 {
		typ, need = TypeIPv6, 40
	}
	if len(quoted) < need {
		return nil, fmt.Errorf("%d bytes, its IP header has %d", len(quoted), need)
	}
	if typ == TypeIPv6 {
		length = need + int(binary.BigEndian.Uint16(quoted[4:]))
	} else {
		length = int(binary.BigEndian.Uint16(quoted[2:]))
	}
	b := make([]byte, ethernetSize+max(length, len(quoted)))
	binary.BigEndian.PutUint16(b[12:], typ)
	copy(b[ethernetSize:], quoted)
	return b, nil
}

// Quotes says why the error does not quote a frame that was sent; nil when it does.
// Routing may have counted the quoted TTL down by one, with IPv4's header checksum;
// the rest must be the same bytes, and no more than least or all of the packet.
func (e ICMPError) Quotes(sent []byte, least int) error {
	l, err := locate(sent)
	if err != nil {
		return fmt.Errorf("sent frame: %w", err)
	}
	packet := bytes.Clone(sent[l.l3:l.end])
	if len(e.Quoted) > len(packet) {
		return fmt.Errorf("it quotes %d bytes of a packet of %d", len(e.Quoted), len(packet))
	}
	if want := min(least, len(packet)) &^ 3; len(e.Quoted) != want {
		return fmt.Errorf("it quotes %d bytes, want %d", len(e.Quoted), want)
	}
	at := map[int]int{4: 8, 6: 7}[l.version]
	if at == 0 || len(e.Quoted) < l.l4-l.l3 {
		return fmt.Errorf("it quotes %d bytes, less than the IP header", len(e.Quoted))
	}
	if e.Quoted[at] == packet[at]-1 {
		packet[at]--
		if l.version == 4 {
			binary.BigEndian.PutUint16(packet[10:], 0)
			binary.BigEndian.PutUint16(packet[10:], fold(sum(0, packet[:l.l4-l.l3])))
		}
	}
	if !bytes.Equal(e.Quoted, packet[:len(e.Quoted)]) {
		return fmt.Errorf("it quotes another packet:\n got %x\nwant %x", e.Quoted, packet[:len(e.Quoted)])
	}
	return nil
}

// String is the error in words: "mtu 1414 about 10.0.0.2 → 10.0.0.9 udp 1 → 2, 9 bytes".
func (e ICMPError) String() string {
	s := ""
	if e.MTU != 0 {
		s = fmt.Sprintf("mtu %d ", e.MTU)
	}
	y, err := e.Quote()
	if err != nil {
		return s + "about something unreadable"
	}
	y.Error = nil // what that one quotes is of no interest
	return s + "about (" + y.String() + ")"
}
