// SPDX-License-Identifier: Apache-2.0

package veth

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/mizar-net/mizar/sim/frame"
	"github.com/mizar-net/mizar/sim/wire"
)

// talk opens the sockets of a conversation, each inside its namespace.
func (w *Wire) talk(ctx context.Context, c call) (talk, error) {
	switch c.Proto {
	case wire.ICMP:
		return w.newEcho(c)
	case wire.UDP:
		return w.newDatagrams(ctx, c)
	case wire.TCP:
		return w.newConnection(ctx, c)
	}
	return nil, fmt.Errorf("protocol %q: want %s, %s or %s", c.Proto, wire.ICMP, wire.TCP, wire.UDP)
}

// source is the address that the sender's packets come from.
func (c call) source() netip.Addr {
	for _, a := range c.from.Addresses {
		if a.Is4() == c.To.Is4() {
			return a
		}
	}
	return netip.Addr{}
}

// payload is that of request i: who and which, then the alphabet.
func (c call) payload(i int) []byte {
	p := binary.BigEndian.AppendUint16(nil, c.nonce)
	p = binary.BigEndian.AppendUint16(p, uint16(i))
	for k := len(p); k < c.Size; k++ {
		p = append(p, 'a'+byte(k%26))
	}
	return p[:c.Size]
}

// marked says whether a payload is that of request i, as far as it is seen.
func (c call) marked(i int, payload []byte) bool {
	want := c.payload(i)
	n := min(len(want), len(payload), 4)
	return bytes.Equal(want[:n], payload[:n])
}

// forth and back say whether a packet goes between the two, either way.
func (c call) forth(y frame.Layer) bool { return y.Src == c.source() && y.Dst == c.To }
func (c call) back(y frame.Layer) bool  { return y.Src == c.To && y.Dst == c.source() }

// asAsked are sightings of a probe to a frontend as the sender would see them: with the
// frontend in the place of a backend. That each got the right one is for its stack to say.
func (c call) asAsked(seen []sighting) []sighting {
	if c.Outsider != "" {
		return c.unmasked(seen)
	}
	if len(c.Backends) == 0 {
		return seen
	}
	seen = slices.Clone(seen)
	for i := range seen {
		y := &seen[i].packet.Inner
		if own, ok := c.Behind(c.From); ok && y.Src == c.To && y.Dst == c.source() && y.SrcPort == c.SourcePort && y.DstPort == own.At.Port() {
			y.Src, y.Dst, y.DstPort = c.source(), c.To, c.Port // who asks himself
		} else if y.Src == c.source() {
			c.turn(&y.Dst, &y.DstPort)
		} else if y.Dst == c.source() {
			c.turn(&y.Src, &y.SrcPort)
		}
	}
	return seen
}

// unmasked are sightings of a probe to somebody outside as the sender would see them: with
// himself in the place of his host. Who of its endpoints gets an answer is for their stacks
// to say.
func (c call) unmasked(seen []sighting) []sighting {
	seen = slices.Clone(seen)
	for i := range seen {
		y := &seen[i].packet.Inner
		addr, port := &y.Src, &y.SrcPort
		if y.Src == c.To {
			addr, port = &y.Dst, &y.DstPort
		}
		if seen[i].packet.Tunnel || (y.Src != c.To && y.Dst != c.To) || !slices.Contains(c.faces, *addr) {
			continue
		}
		if *addr = c.source(); y.Offset > 0 {
			continue // it has no ports
		}
		if c.Proto == wire.ICMP {
			y.ICMPID = c.nonce
		} else {
			*port = c.SourcePort
		}
	}
	return seen
}

// turn puts the frontend in the place of a backend. Later fragments have no port.
func (c call) turn(addr *netip.Addr, port *uint16) {
	for _, b := range c.Backends {
		if *addr == b.At.Addr() && (*port == b.At.Port() || *port == 0) {
			*addr = c.To
			if *port != 0 {
				*port = c.Port
			}
			return
		}
	}
}

// forthAt and backAt look at the ports, too.
func (c call) forthAt(y frame.Layer) bool {
	return c.forth(y) && y.SrcPort == c.SourcePort && y.DstPort == c.Port
}

func (c call) backAt(y frame.Layer) bool {
	return c.back(y) && y.SrcPort == c.Port && y.DstPort == c.SourcePort
}

// control sets what all senders' sockets have: DSCP and ECN, TTL, whether packets
// may be cut, that ICMP errors are told, and that a port may be used again at once.
func (c call) control(_, _ string, raw syscall.RawConn) error {
	level, tos, ttl, cut, told := unix.IPPROTO_IP, unix.IP_TOS, unix.IP_TTL, unix.IP_MTU_DISCOVER, unix.IP_RECVERR
	if c.To.Is6() {
		level, tos, ttl = unix.IPPROTO_IPV6, unix.IPV6_TCLASS, unix.IPV6_UNICAST_HOPS
		cut, told = unix.IPV6_MTU_DISCOVER, unix.IPV6_RECVERR
	}
	options := [][3]int{{unix.SOL_SOCKET, unix.SO_REUSEADDR, 1}}
	if c.TOS != 0 {
		options = append(options, [3]int{level, tos, int(c.TOS)})
	}
	if c.TTL != 0 {
		options = append(options, [3]int{level, ttl, int(c.TTL)})
	}
	if c.DontFragment {
		options = append(options, [3]int{level, cut, unix.IP_PMTUDISC_DO})
	}
	if c.Proto == wire.UDP {
		options = append(options, [3]int{level, told, 1})
	}
	var err error
	outer := raw.Control(func(fd uintptr) {
		for _, o := range options {
			err = errors.Join(err, unix.SetsockoptInt(int(fd), o[0], o[1], o[2]))
		}
	})
	return errors.Join(outer, err)
}

// family is a network's name with the family of the call: "udp" is "udp4".
func (c call) family(network string) string {
	if c.To.Is4() {
		return network + "4"
	}
	return network + "6"
}

// target is where the sender's packets go.
func (c call) target() netip.AddrPort { return netip.AddrPortFrom(c.To, c.Port) }

// listeners are who may get them, and where they listen.
func (c call) listeners() []wire.Backend {
	if c.Outsider != "" {
		return []wire.Backend{{Endpoint: c.Outsider, At: c.target()}}
	}
	if len(c.Backends) == 0 && c.to != nil {
		return []wire.Backend{{Endpoint: c.to.Name, At: c.target()}}
	}
	return c.Backends
}

// answers says whether an endpoint that a request came out at answers it.
func (c call) answers(endpoint string) bool {
	return slices.ContainsFunc(c.listeners(), func(b wire.Backend) bool { return b.Endpoint == endpoint })
}

// crew is the goroutines of a conversation, what they have to close, and the
// replies that they tell.
type crew struct {
	group   sync.WaitGroup
	replies chan struct{}
	closers []func() error
	// tell, when set, is told each reply instead.
	tell func(i int)
}

// newCrew has room for all replies, so that nobody waits to tell one.
func newCrew(c call) *crew { return &crew{replies: make(chan struct{}, c.Count), tell: c.tell} }

func (r *crew) answered() <-chan struct{} { return r.replies }

// told tells the reply to a request.
func (r *crew) told(i int) {
	if r.tell != nil {
		r.tell(i)
		return
	}
	select {
	case r.replies <- struct{}{}:
	default: // more than were asked for
	}
}

// close closes the sockets, which ends the goroutines, and waits for them.
func (r *crew) close() error {
	var errs []error
	for _, c := range r.closers {
		if err := c(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	r.group.Wait()
	return errors.Join(errs...)
}

// refused says that an error of a sender's socket is the network's answer, not
// a fault of the simulator.
func refused(err error) bool {
	for _, e := range []error{
		unix.ECONNREFUSED, unix.EHOSTUNREACH, unix.ENETUNREACH, unix.ETIMEDOUT, unix.ECONNRESET, unix.EPIPE,
		unix.EHOSTDOWN, unix.ENETDOWN, unix.ENOBUFS, unix.EACCES, os.ErrDeadlineExceeded, context.DeadlineExceeded, context.Canceled, net.ErrClosed,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
