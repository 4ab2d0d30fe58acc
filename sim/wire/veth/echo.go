// SPDX-License-Identifier: Apache-2.0

package veth

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"

	"github.com/mizar-net/mizar/sim/frame"
)

// The ICMP and ICMPv6 types of echoes (RFC 792, RFC 4443).
const (
	echoRequest4, echoReply4 = 8, 0
	echoRequest6, echoReply6 = 128, 129
)

// echoHeader is the length of an echo without its payload.
const echoHeader = 8

// echo is a conversation of ICMP echoes; the receiver's kernel answers.
type echo struct {
	call
	*crew
	socket *net.IPConn
}

func (w *Wire) newEcho(c call) (talk, error) {
	e := &echo{call: c, crew: newCrew(c)}
	network := "ip4:icmp"
	if c.To.Is6() {
		network = "ip6:ipv6-icmp"
	}
	err := w.room.InEndpoint(c.From, func() (err error) {
		e.socket, err = net.DialIP(network, &net.IPAddr{IP: c.source().AsSlice()}, &net.IPAddr{IP: c.To.AsSlice()})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("open a raw socket: %w", err)
	}
	e.closers = append(e.closers, e.socket.Close)
	raw, err := e.socket.SyscallConn()
	if err == nil {
		err = c.control("", "", raw)
	}
	if err != nil {
		return nil, fmt.Errorf("set a raw socket up: %w", err)
	}
	e.group.Go(e.read)
	return e, nil
}

// types are those of request and reply.
func (e *echo) types() (request, reply byte) {
	if e.To.Is4() {
		return echoRequest4, echoReply4
	}
	return echoRequest6, echoReply6
}

// ask implements talk. The kernel fills in the checksum of ICMPv6 alone.
func (e *echo) ask(i int) error {
	request, _ := e.types()
	b := []byte{request, 0, 0, 0}
	b = binary.BigEndian.AppendUint16(b, e.nonce)
	b = binary.BigEndian.AppendUint16(b, uint16(i+1))
	b = append(b, e.payload(i)...)
	if e.To.Is4() {
		binary.BigEndian.PutUint16(b[2:], internetChecksum(b))
	}
	if _, err := e.socket.Write(b); err != nil && !refused(err) {
		return fmt.Errorf("send an echo request: %w", err)
	}
	return nil
}

// internetChecksum is that of RFC 1071.
func internetChecksum(b []byte) uint16 {
	var sum uint32
	for i := 0; i+1 < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	if len(b)%2 == 1 {
		sum += uint32(b[len(b)-1]) << 8
	}
	for sum>>16 != 0 {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

// read tells replies until the socket is closed. ReadFromIP takes the IPv4
// header off.
func (e *echo) read() {
	_, reply := e.types()
	buf := make([]byte, 1<<16)
	for {
		n, _, err := e.socket.ReadFromIP(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil && n >= echoHeader && buf[0] == reply && binary.BigEndian.Uint16(buf[4:]) == e.nonce {
			e.told(int(binary.BigEndian.Uint16(buf[6:])) - 1)
		}
	}
}

func (e *echo) is(y frame.Layer, kind byte, i int) bool {
	return (y.Proto == frame.ProtoICMP || y.Proto == frame.ProtoICMPv6) &&
		y.ICMPType == kind && y.ICMPID == e.nonce && y.ICMPSeq == uint16(i+1)
}

func (e *echo) request(i int) match {
	kind, _ := e.types()
	return func(y frame.Layer) bool { return e.forth(y) && e.is(y, kind, i) }
}

func (e *echo) reply(i int) match {
	_, kind := e.types()
	return func(y frame.Layer) bool { return e.back(y) && e.is(y, kind, i) }
}
