// SPDX-License-Identifier: Apache-2.0

package cut

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/frame"
)

// protocol is one that is cut; header is how long its header is.
type protocol struct {
	name   string
	kind   frame.Kind
	header int
	// number is IP's, by family.
	number map[int]uint8
}

var protocols = []protocol{
	{"tcp", frame.TCP, 20, map[int]uint8{4: 6, 6: 6}},
	{"udp", frame.UDP, 8, map[int]uint8{4: 17, 6: 17}},
	{"sctp", frame.SCTP, 12, map[int]uint8{4: 132, 6: 132}},
	{"icmp", frame.Echo, 8, map[int]uint8{4: 1, 6: 58}},
}

// headers stand between IP's and the transport's.
type headers struct {
	name       string
	options    []byte
	extensions []frame.Extension
}

// length is how many bytes they take.
func (h headers) length() int {
	n := len(h.options)
	for _, e := range h.extensions {
		n += 2 + len(e.Data)
	}
	return n
}

// headersOf are those of a family: options of IPv4, and extension headers of IPv6, which
// are hop-by-hop and destination options that are padding.
func headersOf(family int) []headers {
	if family == 4 {
		noOperation := func(n int) []byte { return slices.Repeat([]byte{1}, n) }
		return []headers{{name: "no options"}, {name: "4 bytes of options", options: noOperation(4)}, {name: "40 bytes of options", options: noOperation(40)}}
	}
	padding := func(kind uint8, bytes int) frame.Extension { // of 8 bytes and more
		data := make([]byte, bytes-2)
		data[0], data[1] = 1, uint8(bytes-4)
		return frame.Extension{Type: kind, Data: data}
	}
	const hops, destination = 0, 60
	return []headers{
		{name: "no extensions"}, {name: "hop-by-hop options", extensions: []frame.Extension{padding(hops, 8)}},
		{name: "destination options", extensions: []frame.Extension{padding(destination, 24)}},
		{name: "options of both kinds", extensions: []frame.Extension{padding(hops, 16), padding(destination, 8)}},
	}
}

// packet is one that is cut.
type packet struct {
	family    int
	protocol  protocol
	headers   headers
	direction state.Direction
	peer      peer
}

// payload is as long as a cut behind all headers takes to be seen.
const payload = 12

// build builds the packet, as it comes to the subject's host. around is how many bytes
// stand before the frame that the endpoint knows, needs how many bytes of the whole are
// headers.
func (c packet) build(s state.Host) (whole []byte, around, needs int, err error) {
	spec := frame.Spec{
		Kind: c.protocol.kind, SrcMAC: s.Endpoints[0].MAC, DstMAC: s.Subnets[0].GatewayMAC,
		Src: subject[c.family], Dst: c.peer.address(c.family), IPOptions: c.headers.options, Extensions: c.headers.extensions,
		SrcPort: 40000, DstPort: c.peer.port, TCPFlags: frame.SYN, ID: 7, Payload: make([]byte, payload),
	}
	if c.direction == state.Ingress {
		spec.Src, spec.Dst, spec.SrcMAC, spec.DstMAC = spec.Dst, spec.Src, spec.DstMAC, spec.SrcMAC
	}
	plain, err := frame.Build(spec)
	if err != nil {
		return nil, 0, 0, err
	}
	whole = plain
	if c.direction == state.Ingress {
		spec.Tunnel = &frame.Tunnel{
			SrcMAC: state.MAC{2, 2}, DstMAC: state.MAC{2, 1}, Src: there, Dst: here, VNI: vni,
			Options: frame.Options{Identity: &frame.Identity{Generation: s.Endpoints[0].Generation}},
		}
		if whole, err = frame.Build(spec); err != nil {
			return nil, 0, 0, err
		}
	}
	around = len(whole) - len(plain)
	return whole, around, around + ethernet + ipHeader[c.family] + c.headers.length() + c.protocol.header, nil
}

// Bytes of headers.
const (
	ethernet = 14
	udp      = 8
)

var ipHeader = map[int]int{4: 20, 6: 40}

// mend lets the lengths of IP and of the tunnel say what is left; false: there are not so many
// headers left.
func mend(left []byte, around, family int) ([]byte, bool) {
	if len(left) < around+ethernet+ipHeader[family] {
		return nil, false
	}
	left = slices.Clone(left)
	if around > 0 {
		resize(left[ethernet:], 4)
		binary.BigEndian.PutUint16(left[ethernet+ipHeader[4]+4:], uint16(len(left)-ethernet-ipHeader[4]))
	}
	resize(left[around+ethernet:], family)
	return left, true
}

// resize lets an IP header say how long the packet is that it begins.
func resize(ip []byte, family int) {
	if family == 6 {
		binary.BigEndian.PutUint16(ip[4:], uint16(len(ip)-ipHeader[6]))
		return
	}
	binary.BigEndian.PutUint16(ip[2:], uint16(len(ip)))
	header := ip[:min(len(ip), int(ip[0]&0xf)*4)]
	binary.BigEndian.PutUint16(header[10:], 0)
	sum := uint32(0)
	for at := 0; at+1 < len(header); at += 2 {
		sum += uint32(binary.BigEndian.Uint16(header[at:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	binary.BigEndian.PutUint16(header[10:], ^uint16(sum))
}

// peer is who the subject talks with, and at which port.
type peer struct {
	name string
	last byte
	port uint16
}

// peers are one for whom all is open, and one for whom one port of TCP, UDP and SCTP is.
var peers = []peer{{"a friend's", 30, 79}, {"a client's accepted", 20, 80}, {"a client's denied", 20, 79}}

func (p peer) String() string { return p.name }

func (p peer) address(family int) netip.Addr {
	if family == 4 {
		return netip.AddrFrom4([4]byte{10, 0, 0, p.last})
	}
	return netip.AddrFrom16([16]byte{0: 0xfd, 15: p.last})
}
