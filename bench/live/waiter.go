// SPDX-License-Identifier: Apache-2.0

package live

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// waiter is sockets that a thread waits for in the kernel. Close it.
type waiter struct {
	epoll  int
	events [64]unix.EpollEvent
	// open are the connections that it closes.
	open []int
}

// forever is a time to wait.
const forever time.Duration = -1

func newWaiter() (*waiter, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make an epoll: %w", err)
	}
	return &waiter{epoll: epoll}, nil
}

func (w *waiter) close() {
	for _, fd := range w.open {
		unix.Close(fd)
	}
	unix.Close(w.epoll)
}

// watch waits for a socket, too.
func (w *waiter) watch(fd int) error {
	err := unix.EpollCtl(w.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)})
	if err != nil {
		return fmt.Errorf("watch a socket: %w", err)
	}
	return nil
}

// wait gives the sockets that something can be read from; none after a time.
func (w *waiter) wait(atMost time.Duration) ([]unix.EpollEvent, error) {
	milliseconds := -1
	if atMost != forever {
		milliseconds = int(atMost.Milliseconds())
	}
	for {
		n, err := unix.EpollWait(w.epoll, w.events[:], milliseconds)
		if errors.Is(err, unix.EINTR) {
			continue // Go's scheduler knocks at threads
		}
		if err != nil {
			return nil, fmt.Errorf("wait for sockets: %w", err)
		}
		return w.events[:n], nil
	}
}

// connect adds a connection to a server.
func (w *waiter) connect(to netip.Addr) error {
	fd, err := stream(to)
	if err != nil {
		return err
	}
	w.open = append(w.open, fd)
	limit := unix.NsecToTimeval(silence.Nanoseconds())
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &limit); err != nil {
		return fmt.Errorf("limit the time to connect: %w", err)
	}
	for {
		err = unix.Connect(fd, socketAddress(to))
		if !errors.Is(err, unix.EINTR) && !errors.Is(err, unix.EALREADY) {
			break
		}
	}
	if err != nil && !errors.Is(err, unix.EISCONN) {
		return err
	}
	return w.adopt(fd)
}

// accept adds a connection of a client.
func (w *waiter) accept(listener int) error {
	fd, _, err := unix.Accept4(listener, unix.SOCK_CLOEXEC)
	if errors.Is(err, unix.EINTR) || errors.Is(err, unix.ECONNABORTED) {
		return nil // it is told again, or is gone
	}
	if err != nil {
		return err
	}
	w.open = append(w.open, fd)
	return w.adopt(fd)
}

// adopt waits for a connection that sends every byte at once.
func (w *waiter) adopt(fd int) error {
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
		return fmt.Errorf("switch waiting for more bytes off: %w", err)
	}
	return w.watch(fd)
}

// answer sends back what came; a client that is gone is forgotten.
func (w *waiter) answer(fd int) error {
	open, err := receive(fd)
	if err != nil {
		return err
	}
	if open {
		return send(fd)
	}
	for i, other := range w.open {
		if other == fd {
			w.open = append(w.open[:i], w.open[i+1:]...)
			break
		}
	}
	return unix.Close(fd)
}

// receive reads one byte, or that the other end has closed.
func receive(fd int) (open bool, err error) {
	var b [1]byte
	for {
		n, err := unix.Read(fd, b[:])
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.ECONNRESET):
			return false, nil // with an answer unread
		case err != nil:
			return false, fmt.Errorf("receive: %w", err)
		}
		return n > 0, nil
	}
}

// send writes one byte.
func send(fd int) error {
	b := [1]byte{1}
	for {
		_, err := unix.Write(fd, b[:])
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if errors.Is(err, unix.EPIPE) || errors.Is(err, unix.ECONNRESET) {
			return nil // the other end is done; it will be read
		}
		if err != nil {
			return fmt.Errorf("send: %w", err)
		}
		return nil
	}
}
