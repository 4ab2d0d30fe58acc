// SPDX-License-Identifier: Apache-2.0

package capture_test

import (
	"encoding/binary"
	"net/netip"

	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/frame"
)

// Who takes part in conversations through a service, by family: its frontends, of which
// `own` has the third one alone behind it, and who comes from outside to a host's node
// port.
var (
	front    = map[int]netip.Addr{4: netip.MustParseAddr("203.0.113.80"), 6: netip.MustParseAddr("2001:db8:80::80")}
	ownFront = map[int]netip.Addr{4: netip.MustParseAddr("203.0.113.81"), 6: netip.MustParseAddr("2001:db8:80::81")}
	third    = map[int]netip.Addr{4: netip.MustParseAddr("192.0.2.30"), 6: netip.MustParseAddr("2001:db8::30")}
	visitor  = map[int]netip.Addr{4: netip.MustParseAddr("203.0.113.7"), 6: netip.MustParseAddr("2001:db8:7::7")}
	visited  = map[int]netip.Addr{4: netip.MustParseAddr("198.51.100.1"), 6: netip.MustParseAddr("2001:db8:1::1")}
	thirdMAC = state.MAC{0x00, 0x00, 0x5e, 0x00, 0x53, 0x30}
)

const (
	frontPort, backPort, nodePort = 80, 8080, 30080
	firstPort                     = 41001
)

// spoken are packets of each protocol that is translated, of a client; the last one has no
// checksum, which only IPv4 allows.
func (k talk) spoken() []frame.Spec {
	all := []frame.Spec{
		{Kind: frame.TCP, TCPFlags: frame.SYN, Seq: 1_000_000, MSS: 1300},
		{Kind: frame.UDP, Payload: []byte("question")},
		{Kind: frame.SCTP, Tag: 0x4d495a41, Payload: dataChunk([]byte("an odd question"))},
		{Kind: frame.UDP, Payload: []byte("unsummed"), NoChecksum: true},
	}
	for i := range all {
		all[i].SrcPort = uint16(firstPort + i)
	}
	return all[:map[int]int{4: 4, 6: 3}[family(k.client)]]
}

// dataChunk is a chunk of SCTP that carries some bytes, padded to a multiple of four (RFC
// 9260, 3.3.1).
func dataChunk(b []byte) []byte {
	const header, whole = 16, 3 // bytes; flags of one that is both the first and the last
	c := make([]byte, header+(len(b)+3)&^3)
	c[1] = whole
	binary.BigEndian.PutUint16(c[2:], uint16(header+len(b)))
	copy(c[header:], b)
	return c
}

// answered are what their backend says to that.
func (k talk) answered() []frame.Spec {
	all := k.spoken()
	for i := range all {
		all[i].SrcPort, all[i].DstPort = backPort, all[i].SrcPort
		if all[i].Kind == frame.TCP {
			all[i].TCPFlags, all[i].Seq, all[i].Ack = frame.SYN|frame.ACK, 9_000_000, 1_000_001
		}
	}
	return all
}

// says records a packet between two addresses, by who has an Ethernet address here.
func (k talk) says(from, to netip.Addr, mac state.MAC, s frame.Spec) {
	s.Src, s.Dst, s.SrcMAC, s.DstMAC = from, to, mac, clientMAC
	if mac == clientMAC {
		s.DstMAC = serverMAC
	}
	k.add(build(k.t, k.numbered(s)))
}

// service is what goes to a frontend and its backend's answers, the last of which says that
// nobody listens there; and what a third one says to himself through a service of his own.
func (k talk) service() {
	f := family(k.client)
	for _, s := range k.spoken() {
		s.DstPort = frontPort
		k.says(k.client, front[f], clientMAC, s)
	}
	for _, s := range k.answered() {
		k.says(k.server, k.client, serverMAC, s)
	}
	there := k.numbered(k.spoken()[1]) // as it comes out
	there.Src, there.Dst, there.DstPort = k.client, k.server, backPort
	closed := frame.Spec{Kind: frame.ErrorMessage, Type: 3, Code: 3, Payload: build(k.t, there)[14:]}
	if f == 6 {
		closed.Type, closed.Code = 1, 4
	}
	k.says(k.server, k.client, serverMAC, closed)

	own := frame.Spec{Kind: frame.UDP, SrcPort: firstPort, DstPort: frontPort, Payload: []byte("to myself")}
	k.says(third[f], ownFront[f], thirdMAC, own)
	own.SrcPort, own.DstPort = backPort, firstPort
	k.says(third[f], ownFront[f], thirdMAC, own)
}

// visit is what somebody outside sends to a node port, leave what its backend answers him.
func (k talk) visit() {
	f := family(k.client)
	for _, s := range k.spoken() {
		s.DstPort = nodePort
		k.says(visitor[f], visited[f], clientMAC, s)
	}
}

func (k talk) leave() {
	for _, s := range k.answered() {
		k.says(k.server, visitor[family(k.client)], serverMAC, s)
	}
}
