// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mizar-net/mizar/e2e/kernel/order"
)

// Ask lets an endpoint, or the machine itself, talk to an address.
func (g *guest) Ask(a order.Ask, answered *order.Answered) error {
	if a.Endpoint == "" {
		*answered = converse(a, netip.Addr{})
		return nil
	}
	h, err := g.behind(a.Endpoint)
	if err != nil {
		return err
	}
	from, err := h.source(a.Endpoint, a.To)
	if err != nil {
		return err
	}
	return h.room.InEndpoint(a.Endpoint, func() error {
		*answered = converse(a, from)
		return nil
	})
}

// converse sends requests one after another, each when the one before is answered,
// and ends with the first that is not.
func converse(a order.Ask, from netip.Addr) (answered order.Answered) {
	conn, err := dial(a, from)
	if err != nil {
		return order.Answered{Why: err.Error()}
	}
	defer conn.Close()
	for i := range a.Count {
		if err := exchange(conn, a, i); err != nil {
			answered.Why = fmt.Sprintf("request %d: %v", i, err)
			return answered
		}
		answered.Count++
	}
	return answered
}

// dial opens a socket of the thread's namespace.
func dial(a order.Ask, from netip.Addr) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), a.Timeout)
	defer cancel()
	to := netip.AddrPortFrom(a.To, order.EchoPort).String()
	switch a.Proto {
	case order.TCP:
		return (&net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0))}).DialContext(ctx, "tcp", to)
	case order.UDP:
		return (&net.Dialer{LocalAddr: net.UDPAddrFromAddrPort(netip.AddrPortFrom(from, 0))}).DialContext(ctx, "udp", to)
	case order.ICMP:
		return dialEcho(a.To)
	}
	return nil, fmt.Errorf("protocol %q: there are %s, %s and %s", a.Proto, order.ICMP, order.UDP, order.TCP)
}

// dialEcho opens a socket for echoes alone, whose header the kernel completes:
// identifier and checksum (icmp(7), ping_group_range).
func dialEcho(to netip.Addr) (net.Conn, error) {
	family, proto := unix.AF_INET, unix.IPPROTO_ICMP
	var address unix.Sockaddr
	if to.Is4() {
		address = &unix.SockaddrInet4{Addr: to.As4()}
	} else {
		family, proto = unix.AF_INET6, unix.IPPROTO_ICMPV6
		address = &unix.SockaddrInet6{Addr: to.As16()}
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, proto)
	if err != nil {
		return nil, fmt.Errorf("open a socket for echoes: %w", err)
	}
	file := os.NewFile(uintptr(fd), "echo")
	defer file.Close()
	if err := unix.Connect(fd, address); err != nil {
		return nil, fmt.Errorf("connect a socket for echoes to %s: %w", to, err)
	}
	return net.FileConn(file)
}

// exchange sends one request and reads its answer.
func exchange(conn net.Conn, a order.Ask, i int) error {
	if err := conn.SetDeadline(time.Now().Add(a.Timeout)); err != nil {
		return err
	}
	request := bytes.Repeat([]byte{byte(i)}, max(a.Size, 1))
	want := request
	if a.Proto == order.ICMP {
		request, want = echoOf(a.To, i, request)
	}
	if _, err := conn.Write(request); err != nil {
		return err
	}
	got, n := make([]byte, len(want)), 0
	for n < len(want) {
		more, err := conn.Read(got[n:])
		if err != nil {
			return fmt.Errorf("after %d bytes: %w", n, err)
		}
		n += more
		if a.Proto != order.TCP {
			break
		}
	}
	if a.Proto == order.ICMP && n >= echoHeader {
		clear(got[1:6]) // code, checksum and identifier are the kernel's
	}
	if !bytes.Equal(got[:n], want) {
		return fmt.Errorf("the answer of %d bytes is not what was sent", n)
	}
	return nil
}

// echoHeader is the length of an echo without its payload, in bytes.
const echoHeader = 8

// echoOf is the echo request of a number and its reply (RFC 792, RFC 4443), both
// without what the kernel completes.
func echoOf(to netip.Addr, i int, payload []byte) (request, reply []byte) {
	kinds := [2]byte{8, 0}
	if to.Is6() {
		kinds = [2]byte{128, 129}
	}
	tail := append([]byte{0, 0, 0, 0, 0, byte(i >> 8), byte(i)}, payload...)
	return append([]byte{kinds[0]}, tail...), append([]byte{kinds[1]}, tail...)
}
