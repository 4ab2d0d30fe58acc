// SPDX-License-Identifier: Apache-2.0

package testrun

import (
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
	payload    bool
}

// tcpConversation is a handshake, a payload that is echoed, and a close:
//
//	SYN →  ← SYN-ACK   ACK →   data →  ← ACK, data   ACK →   FIN →  ← FIN   ACK →
func tcpConversation() []segment {
	return []segment{
		{flags: frame.SYN},
		{fromServer: true, flags: frame.SYN | frame.ACK},
		{flags: frame.ACK},
		{flags: frame.PSH | frame.ACK, payload: true},
		{fromServer: true, flags: frame.PSH | frame.ACK, payload: true},
		{flags: frame.ACK},
		{flags: frame.FIN | frame.ACK},
		{fromServer: true, flags: frame.FIN | frame.ACK},
		{flags: frame.ACK},
	}
}

// tcp carries the conversation on until a packet is lost. The outcome tells of
// the SYN and the SYN-ACK; when a later packet is lost, it tells of that one in
// the place of the first of its direction.
func (c *conversation) tcp() error {
	var server *endpoint
	next := [2]uint32{clientISN, serverISN} // sequence numbers of client and server
	for i, s := range tcpConversation() {
		spec, from := c.request(), c.from
		if s.fromServer {
			spec, from = opposite(spec), server
		}
		own, other := side(s.fromServer), side(!s.fromServer)
		spec.Kind, spec.TCPFlags, spec.Seq = frame.TCP, s.flags, next[own]
		if s.flags&frame.ACK != 0 {
			spec.Ack = next[other]
		}
		if s.payload {
			spec.Payload = c.payload
		}
		next[own] += length(s, c.payload)
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
func length(s segment, payload []byte) uint32 {
	n := uint32(0)
	if s.payload {
		n = uint32(len(payload))
	}
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
	}
}
