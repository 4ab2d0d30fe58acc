// SPDX-License-Identifier: Apache-2.0

package veth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"time"

	"github.com/mizar-net/mizar/sim/frame"
	"github.com/mizar-net/mizar/sim/wire"
)

// connection is a conversation over TCP: handshake, one payload echoed, close.
// The receiver closes first, so that no port of the sender's is kept waiting.
type connection struct {
	call
	*crew
	room interface {
		InEndpoint(name string, f func() error) error
	}
	ctx    context.Context
	cancel context.CancelFunc
}

func (w *Wire) newConnection(ctx context.Context, c call) (talk, error) {
	t := &connection{call: c, crew: newCrew(c), room: w.room}
	t.ctx, t.cancel = context.WithTimeout(ctx, c.Timeout)
	t.closers = append(t.closers, func() error { t.cancel(); return nil })
	for _, b := range c.listeners() {
		if err := t.serve(b); err != nil {
			return nil, errors.Join(err, t.close())
		}
	}
	return t, nil
}

// serve takes one connection at a receiver.
func (t *connection) serve(at wire.Backend) error {
	var l net.Listener
	err := t.room.InEndpoint(at.Endpoint, func() (err error) {
		l, err = (&net.ListenConfig{}).Listen(t.ctx, t.family("tcp"), at.At.String())
		return err
	})
	if err != nil {
		return fmt.Errorf("listen at %s: %w", at.Endpoint, err)
	}
	t.closers = append(t.closers, l.Close)
	t.group.Go(func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(t.Timeout)) // of an open socket
		got := make([]byte, t.Size)
		if _, err := io.ReadFull(conn, got); err == nil {
			_, _ = conn.Write(got) // the sender sees what is missing
		}
	})
	return nil
}

// ask implements talk: it connects, and tells when all is done.
func (t *connection) ask(i int) error {
	t.group.Go(func() {
		err := t.room.InEndpoint(t.From, func() error { return t.exchange(i) })
		if err == nil {
			t.told(i)
		}
	})
	return nil
}

// exchange is the sender's side, on a thread inside its namespace.
func (t *connection) exchange(i int) error {
	dialer := net.Dialer{
		LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(t.source(), t.SourcePort)),
		Control:   t.control,
	}
	conn, err := dialer.DialContext(t.ctx, t.family("tcp"), t.target().String())
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(t.Timeout)); err != nil {
		return err
	}
	if _, err := conn.Write(t.payload(i)); err != nil {
		return err
	}
	got, err := io.ReadAll(conn)
	if err != nil {
		return err
	}
	if !bytes.Equal(got, t.payload(i)) {
		return fmt.Errorf("got %d bytes back, want %d", len(got), t.Size)
	}
	return nil
}

func (t *connection) request(int) match {
	return func(y frame.Layer) bool {
		return y.Proto == frame.ProtoTCP && t.forthAt(y) && y.TCPFlags&(frame.SYN|frame.ACK) == frame.SYN
	}
}

func (t *connection) reply(int) match {
	return func(y frame.Layer) bool {
		return y.Proto == frame.ProtoTCP && t.backAt(y) && y.TCPFlags&(frame.SYN|frame.ACK) == frame.SYN|frame.ACK
	}
}
