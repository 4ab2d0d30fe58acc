// SPDX-License-Identifier: Apache-2.0

package testrun

import (
	"net/netip"
	"slices"

	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/frame"
	"github.com/mizar-net/mizar/sim/wire"
)

// frontend is where a service of a VPC is reached.
type frontend struct {
	vni      uint32
	protocol uint8
	at       netip.AddrPort
}

var protocols = map[wire.Proto]uint8{wire.TCP: frame.ProtoTCP, wire.UDP: frame.ProtoUDP}

// remember notes what stands behind frontends: flows may go on to it when it does no more.
func (w *Wire) remember(hosts []state.Host) {
	for _, h := range hosts {
		for _, s := range h.Services {
			for _, at := range s.Frontends {
				key := frontend{s.VNI, s.Protocol, at}
				if w.behind[key] == nil {
					w.behind[key] = map[netip.AddrPort]bool{}
				}
				for _, b := range s.Backends {
					w.behind[key][b] = true
				}
			}
		}
	}
}

// served says whether the conversation is with a frontend.
func (c *conversation) served() bool { return len(c.probe.Backends)+len(c.behind) > 0 }

// backend is which one an endpoint is that a packet to the frontend came out at: of those
// that it may be, the one that the packet is for. Later fragments say no port.
func (c *conversation) backend(at string, got frame.Layer) (netip.AddrPort, bool) {
	is := netip.AddrPortFrom(got.Dst, got.DstPort)
	e := c.wire.endpoints[at]
	for b := range c.behind {
		if (b == is || b.Addr() == is.Addr() && got.Offset != 0) && e != nil && slices.Contains(e.Addresses, b.Addr()) {
			return b, true
		}
	}
	b, ok := c.probe.Behind(at)
	return b.At, ok
}

// reached remembers which backend has got a request, and returns it.
func (c *conversation) reached(from *endpoint, p wire.Packet, sent frame.Spec, got frame.Layer) netip.AddrPort {
	asks := from == c.from && sent.Dst == c.probe.To && sent.SrcPort == c.probe.SourcePort && sent.DstPort == c.probe.Port
	if !asks {
		return netip.AddrPort{}
	}
	c.at = netip.AddrPort{}
	if b, ok := c.backend(p.To, got); ok && p.Delivered {
		c.at = b
	}
	return c.at
}

// reply is a packet like s in the other direction, from who got it.
func (c *conversation) reply(to *endpoint, s frame.Spec) frame.Spec {
	s = opposite(s)
	at := c.at
	if b, ok := c.probe.Behind(to.Name); ok && !at.IsValid() {
		at = b.At
	}
	if at.IsValid() {
		s.Src, s.SrcPort = at.Addr(), at.Port()
		if s.Src == s.Dst {
			s.Dst = c.probe.To // who asks himself through a frontend takes himself for it
		}
	}
	return s
}

// meant says whether a packet to an address is for the endpoint that it came out at.
func (c *conversation) meant(to *endpoint, dst netip.Addr) bool {
	if _, ok := c.probe.Behind(to.Name); (ok || c.at.IsValid()) && dst == c.probe.To {
		return true
	}
	return slices.Contains(to.Addresses, dst)
}

// expected is a packet as it has to come out at an endpoint, where got has: at a backend
// with its address, at who asked with the frontend's.
func (c *conversation) expected(at string, sent, got frame.Packet) frame.Packet {
	if c == nil || !c.served() {
		return sent
	}
	y, ports := &sent.Inner, sent.Inner.Offset == 0 // later fragments have none
	b, ok := c.backend(at, got.Inner)
	if at == c.from.Name && y.Dst == c.probe.To {
		return c.self(sent, b)
	}
	if ok && y.Dst == c.probe.To {
		if y.Dst = b.Addr(); ports {
			y.DstPort = b.Port()
		}
	}
	if at == c.from.Name && (y.Src == c.at.Addr() || slices.ContainsFunc(c.probe.Backends, func(b wire.Backend) bool { return b.At.Addr() == y.Src })) {
		if y.Src = c.probe.To; ports {
			y.SrcPort = c.probe.Port
		}
	}
	return sent
}

// self is a packet as it has to come out at its sender, who is the backend.
func (c *conversation) self(sent frame.Packet, is netip.AddrPort) frame.Packet {
	y := &sent.Inner
	asks := y.DstPort == c.probe.Port && y.SrcPort == c.probe.SourcePort
	y.Src, y.Dst = c.probe.To, c.source
	switch {
	case y.Offset != 0: // later fragments have no ports
	case asks:
		y.DstPort = is.Port()
	default:
		y.SrcPort = c.probe.Port
	}
	return sent
}
