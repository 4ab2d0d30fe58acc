// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"sync/atomic"

	"github.com/mizar-net/mizar/e2e/kernel/order"
)

// echo answers what comes to the echo port of a namespace, over TCP and UDP, for as
// long as the machine runs. Echoes of ICMP the kernel answers.
type echo struct {
	// datagrams counts those that were read.
	datagrams atomic.Uint64
}

// newEcho listens in the thread's namespace, and allows sockets for echoes there.
func newEcho(ctx context.Context) (*echo, error) {
	address := fmt.Sprintf(":%d", order.EchoPort)
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen at tcp %s: %w", address, err)
	}
	socket, err := (&net.ListenConfig{}).ListenPacket(ctx, "udp", address)
	if err != nil {
		return nil, fmt.Errorf("listen at udp %s: %w", address, err)
	}
	e := &echo{}
	go e.streams(listener)
	go e.packets(socket)
	if err := os.WriteFile("/proc/sys/net/ipv4/ping_group_range", []byte("0 0"), 0); err != nil {
		return nil, fmt.Errorf("allow sockets for echoes: %w", err)
	}
	return e, nil
}

func (e *echo) streams(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			_, _ = io.Copy(conn, conn) // the sender sees what is missing
			conn.Close()
		}()
	}
}

func (e *echo) packets(socket net.PacketConn) {
	buffer := make([]byte, 1<<16)
	for {
		n, from, err := socket.ReadFrom(buffer)
		if err != nil {
			return
		}
		e.datagrams.Add(1)
		_, _ = socket.WriteTo(buffer[:n], from) // lost like any other
	}
}
