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

	"golang.org/x/sys/unix"
)

// stream is a TCP connection that stays: what the sender writes is echoed by the
// receiver. The sockets live in the endpoints' namespaces, wherever those are
// plugged in.
type stream struct {
	call
	*crew
	conn *net.TCPConn
	// broke is told what was wrong.
	broke func(error)
}

// connecting is how long a stream may take for its handshake.
const connecting = 2 * time.Second

func (w *Wire) newStream(ctx context.Context, c call, broke func(error)) (*stream, error) {
	s := &stream{call: c, crew: newCrew(c), broke: broke}
	if err := s.serve(ctx, w); err != nil {
		return nil, errors.Join(err, s.close())
	}
	ctx, cancel := context.WithTimeout(ctx, connecting)
	defer cancel()
	err := w.room.InEndpoint(c.From, func() error {
		dialer := net.Dialer{
			LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(c.source(), c.SourcePort)),
			Control:   c.control,
		}
		conn, err := dialer.DialContext(ctx, c.family("tcp"), c.listenAt())
		if err == nil {
			s.conn = conn.(*net.TCPConn)
		}
		return err
	})
	switch {
	case err != nil && refused(err):
		broke(err)
		return s, nil
	case err != nil:
		return nil, errors.Join(err, s.close())
	}
	s.closers = append(s.closers, s.conn.Close)
	s.group.Go(s.read)
	return s, nil
}

// serve echoes what one connection brings, at the receiver, if there is one.
func (s *stream) serve(ctx context.Context, w *Wire) error {
	if s.to == nil {
		return nil
	}
	var l net.Listener
	err := w.room.InEndpoint(s.to.Name, func() (err error) {
		l, err = (&net.ListenConfig{}).Listen(ctx, s.family("tcp"), s.listenAt())
		return err
	})
	if err != nil {
		return fmt.Errorf("listen at %s: %w", s.to.Name, err)
	}
	conns := make(chan net.Conn, 1)
	s.closers = append(s.closers, l.Close, func() error {
		if conn, ok := <-conns; ok {
			return conn.Close()
		}
		return nil
	})
	s.group.Go(func() {
		conn, err := l.Accept()
		if err != nil {
			close(conns)
			return
		}
		conns <- conn
		_, _ = io.Copy(conn, conn) // the sender sees what is missing
	})
	return nil
}

// ask writes a request.
func (s *stream) ask(i int) error {
	if s.conn == nil {
		return nil // there never was a connection, which was told
	}
	_, err := s.conn.Write(s.payload(i))
	return err
}

// read takes the echoes in order, and tells each that is whole.
func (s *stream) read() {
	got := make([]byte, s.Size)
	for i := 0; ; i++ {
		_, err := io.ReadFull(s.conn, got)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil && !bytes.Equal(got, s.payload(i)) {
			err = fmt.Errorf("the echo of request %d is not what was sent", i)
		}
		if err != nil {
			s.broke(err)
			return
		}
		s.told(i)
	}
}

// resent counts the segments that the sender's kernel sent again.
func (s *stream) resent() int {
	if s.conn == nil {
		return 0
	}
	raw, err := s.conn.SyscallConn()
	if err != nil {
		return 0
	}
	var n int
	_ = raw.Control(func(fd uintptr) {
		if info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			n = int(info.Total_retrans)
		}
	})
	return n
}
