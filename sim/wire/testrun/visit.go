// SPDX-License-Identifier: Apache-2.0

package testrun

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/frame"
	"github.com/mizar-net/mizar/sim/link"
	"github.com/mizar-net/mizar/sim/wire"
	"github.com/mizar-net/mizar/topology"
)

// visitor is who is outside, at the host that he comes to.
func (w *Wire) visitor(p wire.Probe) (*endpoint, error) {
	h := w.hosts[p.Visit.Via]
	switch {
	case h == nil:
		return nil, fmt.Errorf("%s comes to host %q, and there is no such host", p.From, p.Visit.Via)
	case p.Proto == wire.ICMP:
		return nil, fmt.Errorf("%s speaks icmp: nothing is served to that", p.From)
	}
	e := state.Endpoint{Name: p.From, Addresses: []netip.Addr{p.Visit.Address}, MAC: topology.OutsideMAC, MTU: h.state.MTU}
	return &endpoint{Endpoint: e, host: h}, nil
}

// visit sends a packet of a client outside, or what answers it.
func (c *conversation) visit(from *endpoint, s frame.Spec) (wire.Packet, *endpoint, error) {
	if from == c.from {
		told, err := c.come(s, s)
		to := c.wire.endpoints[told.To]
		if err != nil || !told.Delivered || !c.meant(to, s.Dst) {
			return told, nil, err
		}
		return told, to, nil
	}
	told, err := c.send(from, s)
	if err != nil || told.To != c.from.Name {
		return told, nil, err
	}
	return told, c.from, nil
}

// leave sends a packet of an endpoint to somebody outside, or what he answers.
func (c *conversation) leave(from *endpoint, s frame.Spec) (wire.Packet, *endpoint, error) {
	if from == c.from {
		told, err := c.send(from, s)
		if err != nil || told.To != c.probe.Outsider {
			return told, nil, err
		}
		return told, c.outsider(), nil
	}
	// He answers whom he has seen.
	asked := s
	if s.Dst = c.seen.Addr(); c.probe.Proto == wire.ICMP {
		s.ID = c.seen.Port()
	} else {
		s.DstPort = c.seen.Port()
	}
	told, err := c.come(s, asked)
	to := c.wire.endpoints[told.To]
	if err != nil || to == nil || !told.Delivered {
		return told, nil, err
	}
	return told, to, nil
}

// outsider is who is outside, and talks to an endpoint: as if he were one, too.
func (c *conversation) outsider() *endpoint {
	e := state.Endpoint{Name: c.probe.Outsider, Addresses: []netip.Addr{c.probe.To}, MAC: topology.OutsideMAC, MTU: c.from.host.state.MTU}
	return &endpoint{Endpoint: e, host: c.from.host}
}

// come sends a packet from outside to the host that it comes to. Who gets it sees it as
// `seen`, but for what services change.
func (c *conversation) come(s, seen frame.Spec) (wire.Packet, error) {
	h := c.from.host
	s.SrcMAC, s.DstMAC = topology.OutsideMAC, h.mac
	seen.SrcMAC, seen.DstMAC = s.SrcMAC, s.DstMAC
	sent, err := frame.Build(s)
	if err != nil {
		return wire.Packet{}, fmt.Errorf("%s: %w", c.from.Name, err)
	}
	want, err := frame.Build(seen)
	if err != nil {
		return wire.Packet{}, fmt.Errorf("%s: %w", c.from.Name, err)
	}
	if h.condition.Carrying().Down {
		return wire.Packet{Hosts: []string{h.name}, Reason: link.Down, Dropper: h.name}, nil
	}
	t, err := c.wire.walk(wire.Port{Uplink: h.name}, sent)
	if n := len(t.emissions); err == nil && t.Reason != "" && n > 0 && goesOut(t.emissions[n-1]) {
		t.Refused, err = wire.ReadRefusal(t.emissions[n-1].Frame, sent, []netip.Addr{s.Dst})
	}
	if err != nil || !t.Delivered {
		return t.Packet, err
	}
	to := c.wire.endpoints[t.To]
	if _, err := c.wire.receive(t, want, c); errors.Is(err, errOtherMAC) {
		t.Delivered, t.Reason, t.Dropper = false, wire.OtherMAC, to.host.name
	} else if err != nil {
		t.Delivered, t.Reason, t.Dropper = false, fmt.Sprintf("endpoint %s discards it: %v", t.To, err), to.host.name
	}
	return t.Packet, nil
}

// goesOut says that a host has sent a frame to the outside.
func goesOut(e wire.Emission) bool {
	return e.At.Uplink != "" && len(e.Frame) >= ethernet && state.MAC(e.Frame[:6]) == topology.OutsideMAC
}

// goneOut tells of a packet that came out outside: who is there gets it if it is for him.
func (c *conversation) goneOut(t trip, sent []byte) (wire.Packet, error) {
	e := t.emissions[len(t.emissions)-1]
	want, got, err := decodedPair(sent, e.Frame)
	if err != nil {
		return wire.Packet{}, fmt.Errorf("host %s to the outside: %w", e.At.Uplink, err)
	}
	to := c.probe.Outsider
	if c.probe.Visit.IsSet() {
		to = c.from.Name
	} else if err := c.appear(&want.Inner, got.Inner, e.At.Uplink); err != nil {
		return wire.Packet{}, fmt.Errorf("host %s to the outside: %w", e.At.Uplink, err)
	}
	switch {
	case to == "":
		return wire.Packet{}, fmt.Errorf("host %s sends to the outside what is for nobody there: %s", e.At.Uplink, got)
	case got.Key() != c.expected(to, want, got).Key():
		return wire.Packet{}, fmt.Errorf("host %s to the outside: it is another packet than was sent: %s", e.At.Uplink, got)
	case !bytes.Equal(got.Inner.Payload, want.Inner.Payload):
		return wire.Packet{}, fmt.Errorf("host %s to the outside: the payload was changed", e.At.Uplink)
	}
	t.Delivered, t.To, t.Reason, t.Dropper = true, to, "", ""
	return t.Packet, nil
}

// appear makes a packet what who is outside has to see of it: it comes from an address of
// the host, at one port as long as the conversation lasts.
func (c *conversation) appear(want *frame.Layer, got frame.Layer, host string) error {
	if !slices.Contains(c.wire.hosts[host].state.Addresses, got.Src) {
		return fmt.Errorf("%s shows itself outside, which is no address of host %s", got.Src, host)
	}
	port := &want.SrcPort
	as := netip.AddrPortFrom(got.Src, got.SrcPort)
	if c.probe.Proto == wire.ICMP {
		port, as = &want.ICMPID, netip.AddrPortFrom(got.Src, got.ICMPID)
	}
	switch {
	case got.Offset > 0: // it has no ports
		as = netip.AddrPortFrom(got.Src, c.seen.Port())
	case !c.seen.IsValid():
		c.seen = as
	}
	if as != c.seen {
		return fmt.Errorf("the conversation came from %s, and now from %s", c.seen, as)
	}
	if want.Src = as.Addr(); got.Offset == 0 {
		*port = as.Port()
	}
	return nil
}
