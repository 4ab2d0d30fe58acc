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
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mizar-net/mizar/sim/wire"
)

// stream is a TCP connection that stays: what the sender writes is echoed by the
// receiver. The sockets live in the endpoints' namespaces, wherever those are
// plugged in. Requests wait while the handshake goes on.
type stream struct {
	call
	*crew
	// broke is told what was wrong.
	broke func(error)

	mu sync.Mutex
	// conn is nil before the connection stands; asked are the requests so far.
	conn  *net.TCPConn
	asked int
	// stuck: nothing is taken any more.
	stuck bool
}

const (
	// connecting is how long a stream may take for its handshake, long enough for
	// three SYNs more.
	connecting = 10 * time.Second
	// prompt is how long a handshake takes at most that is not disturbed.
	prompt = 50 * time.Millisecond
)

// newStream begins a connection, and waits for it only as long as it takes when
// nothing is wrong: who starts traffic has more to do meanwhile.
func (w *Wire) newStream(ctx context.Context, c call, broke func(error)) (*stream, error) {
	s := &stream{call: c, crew: newCrew(c), broke: broke}
	for _, b := range c.listeners() {
		if err := s.serve(ctx, w, b); err != nil {
			return nil, errors.Join(err, s.close())
		}
	}
	ctx, cancel := context.WithTimeout(ctx, connecting)
	done := make(chan struct{})
	s.closers = append(s.closers, func() error { cancel(); <-done; return s.hangUp() })
	s.group.Go(func() {
		conn, err := s.dial(ctx, w)
		if err == nil {
			err = s.begin(conn)
		}
		if err != nil && !errors.Is(err, context.Canceled) {
			broke(err)
		}
		close(done)
		if conn != nil {
			s.read(conn)
		}
	})
	select {
	case <-done:
	case <-time.After(prompt):
	}
	return s, nil
}

// dial connects from inside the sender's namespace.
func (s *stream) dial(ctx context.Context, w *Wire) (*net.TCPConn, error) {
	var conn net.Conn
	err := w.room.InEndpoint(s.From, func() (err error) {
		dialer := net.Dialer{
			LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(s.source(), s.SourcePort)),
			Control:   s.control,
		}
		conn, err = dialer.DialContext(ctx, s.family("tcp"), s.target().String())
		return err
	})
	if err != nil {
		return nil, err
	}
	return conn.(*net.TCPConn), nil
}

// begin writes what was asked while the handshake went on.
func (s *stream) begin(conn *net.TCPConn) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conn = conn
	for i := range s.asked {
		if _, err := conn.Write(s.payload(i)); err != nil {
			return err
		}
	}
	return nil
}

// hangUp closes the connection, if it ever stood.
func (s *stream) hangUp() error {
	if s.conn == nil {
		return nil
	}
	return abandon(s.conn)
}

// abandon closes a connection of which nothing must be heard any more: what is cut
// would be sent again for minutes, and dropped while others are watched.
func abandon(conn net.Conn) error {
	if tcp, ok := conn.(*net.TCPConn); ok {
		if err := tcp.SetLinger(0); err != nil {
			return errors.Join(err, tcp.Close())
		}
	}
	return conn.Close()
}

// serve echoes what one connection brings, at a receiver.
func (s *stream) serve(ctx context.Context, w *Wire, at wire.Backend) error {
	var l net.Listener
	err := w.room.InEndpoint(at.Endpoint, func() (err error) {
		l, err = (&net.ListenConfig{}).Listen(ctx, s.family("tcp"), at.At.String())
		return err
	})
	if err != nil {
		return fmt.Errorf("listen at %s: %w", at.Endpoint, err)
	}
	conns := make(chan net.Conn, 1)
	s.closers = append(s.closers, l.Close, func() error {
		if conn, ok := <-conns; ok {
			return abandon(conn)
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

// ask writes a request, or lets it wait for the connection.
func (s *stream) ask(i int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	if s.conn == nil || s.stuck {
		return nil
	}
	// Who stops the stream must not wait for one that carries nothing any more.
	if err := s.conn.SetWriteDeadline(time.Now().Add(streamGrace)); err != nil {
		return err
	}
	_, err := s.conn.Write(s.payload(i))
	s.stuck = err != nil
	return err
}

// read takes the echoes in order, and tells each that is whole.
func (s *stream) read(conn *net.TCPConn) {
	got := make([]byte, s.Size)
	for i := 0; ; i++ {
		_, err := io.ReadFull(conn, got)
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
	s.mu.Lock()
	defer s.mu.Unlock()
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
