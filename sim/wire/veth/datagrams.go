// SPDX-License-Identifier: Apache-2.0

package veth

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/mizar-net/mizar/sim/frame"
	"github.com/mizar-net/mizar/sim/wire"
)

// datagrams is a conversation over UDP; the receiver echoes.
type datagrams struct {
	call
	*crew
	socket *net.UDPConn
	// failed gets what the network said to the sender's socket.
	failed chan error
}

func (w *Wire) newDatagrams(ctx context.Context, c call) (talk, error) {
	d := &datagrams{call: c, crew: newCrew(c), failed: make(chan error, c.Count)}
	for _, b := range c.listeners() {
		if err := d.serve(ctx, w, b); err != nil {
			return nil, errors.Join(err, d.close())
		}
	}
	err := w.room.InEndpoint(c.From, func() error {
		dialer := net.Dialer{
			LocalAddr: net.UDPAddrFromAddrPort(netip.AddrPortFrom(c.source(), c.SourcePort)),
			Control:   c.control,
		}
		conn, err := dialer.DialContext(ctx, c.family("udp"), c.target().String())
		if err != nil {
			return err
		}
		d.socket = conn.(*net.UDPConn)
		return nil
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open a socket: %w", err), d.close())
	}
	d.closers = append(d.closers, d.socket.Close)
	d.group.Go(d.read)
	return d, nil
}

// serve echoes at a receiver.
func (d *datagrams) serve(ctx context.Context, w *Wire, at wire.Backend) error {
	var server net.PacketConn
	err := w.room.InEndpoint(at.Endpoint, func() (err error) {
		server, err = (&net.ListenConfig{}).ListenPacket(ctx, d.family("udp"), at.At.String())
		return err
	})
	if err != nil {
		return fmt.Errorf("listen at %s: %w", at.Endpoint, err)
	}
	d.closers = append(d.closers, server.Close)
	d.group.Go(func() {
		buf := make([]byte, 1<<16)
		for {
			n, from, err := server.ReadFrom(buf)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err == nil {
				_, _ = server.WriteTo(buf[:n], from) // lost like any other
			}
		}
	})
	return nil
}

// ask implements talk.
func (d *datagrams) ask(i int) error {
	_, err := d.socket.Write(d.payload(i))
	if refused(err) {
		_, err = d.socket.Write(d.payload(i)) // that was the answer to the one before
	}
	if err != nil && !refused(err) {
		return fmt.Errorf("send a datagram: %w", err)
	}
	return nil
}

// refusal waits for what the socket is told of an ICMP error.
func (d *datagrams) refusal() error {
	select {
	case err := <-d.failed:
		return err
	case <-time.After(d.Timeout):
		return nil
	}
}

// read tells replies until the socket is closed.
func (d *datagrams) read() {
	buf := make([]byte, 1<<16)
	for {
		n, err := d.socket.Read(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			select {
			case d.failed <- err:
			default: // more than were asked for
			}
		}
		if err == nil && n == d.Size {
			d.told(number16(buf[:n]))
		}
	}
}

// number16 is the number of the request that a payload is of; 0 when the payload
// has no room for it.
func number16(payload []byte) int {
	if len(payload) < 4 {
		return 0
	}
	return int(binary.BigEndian.Uint16(payload[2:]))
}

func (d *datagrams) request(i int) match {
	return func(y frame.Layer) bool {
		return y.Proto == frame.ProtoUDP && d.forthAt(y) && d.marked(i, y.Payload)
	}
}

func (d *datagrams) reply(i int) match {
	return func(y frame.Layer) bool {
		return y.Proto == frame.ProtoUDP && d.backAt(y) && d.marked(i, y.Payload)
	}
}
