// SPDX-License-Identifier: Apache-2.0

package testrun

import (
	"net/netip"
	"slices"

	"github.com/mizar-net/mizar/sim/frame"
	"github.com/mizar-net/mizar/sim/wire"
)

const (
	clientISN = 1000
	serverISN = 5000
)

// segment is one packet of a TCP conversation.
type segment struct {
	fromServer bool
	flags      frame.TCPFlags
	payload    []byte
}

// tcpConversation is a handshake, a payload that is echoed, and a close, with at
// most so many bytes in a segment:
//
//	SYN →  ← SYN-ACK   ACK →   data →  ← ACK, data   ACK →   FIN →  ← FIN   ACK →
func tcpConversation(payload []byte, most int) []segment {
	all := []segment{
		{flags: frame.SYN},
		{fromServer: true, flags: frame.SYN | frame.ACK},
		{flags: frame.ACK},
	}
	for _, back := range []bool{false, true} {
		for chunk := range slices.Chunk(payload, most) {
			all = append(all, segment{fromServer: back, flags: frame.PSH | frame.ACK, payload: chunk})
		}
	}
	return append(all,
		segment{flags: frame.ACK},
		segment{flags: frame.FIN | frame.ACK},
		segment{fromServer: true, flags: frame.FIN | frame.ACK},
		segment{flags: frame.ACK},
	)
}

// mss is the most payload that a segment of an endpoint may have.
func (e *endpoint) mss(family netip.Addr) int {
	const header4, header6 = 20 + 20, 40 + 20
	switch {
	case e.MTU == 0:
		return 1 << 16
	case family.Is4():
		return e.MTU - header4
	}
	return e.MTU - header6
}

// tcp carries the conversation on until a packet is lost. The outcome tells of
// the SYN and the SYN-ACK; when a later packet is lost, it tells of that one in
// the place of the first of its direction.
func (c *conversation) tcp() error {
	var server *endpoint
	next := [2]uint32{clientISN, serverISN} // sequence numbers of client and server
	for i, s := range tcpConversation(c.payload, c.from.mss(c.probe.To)) {
		spec, from := c.request(), c.from
		if s.fromServer {
			spec, from = c.reply(server, spec), server
		}
		own, other := side(s.fromServer), side(!s.fromServer)
		spec.Kind, spec.TCPFlags, spec.Seq = frame.TCP, s.flags, next[own]
		if s.flags&frame.ACK != 0 {
			spec.Ack = next[other]
		}
		spec.Payload = s.payload
		next[own] += s.length()
		packet, to, err := c.exchange(from, spec)
		c.note(i, s, packet)
		if err != nil || to == nil {
			return err
		}
		if i == 0 {
			server = to
		}
	}
	return nil
}

// side is the index of the one who sends.
func side(server bool) int {
	if server {
		return 1
	}
	return 0
}

// length is what a segment takes of the sequence numbers.
func (s segment) length() uint32 {
	n := uint32(len(s.payload))
	if s.flags&(frame.SYN|frame.FIN) != 0 {
		n++
	}
	return n
}

func (c *conversation) note(i int, s segment, p wire.Packet) {
	told := &c.outcome.Requests
	if s.fromServer {
		told = &c.outcome.Replies
	}
	switch {
	case i <= 1:
		*told = append(*told, p)
	case !p.Delivered:
		(*told)[0] = p
	case len(s.payload) > 0 && (*told)[0].Settled == nil:
		(*told)[0].Settled = p.Steps
	}
}
