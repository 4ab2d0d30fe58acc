// SPDX-License-Identifier: Apache-2.0

package testrun

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"

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
		return c.come(s)
	}
	parts, failed, err := c.wire.parts(from, s)
	switch {
	case err != nil || failed != nil:
		return orEmpty(failed).Packet, nil, err
	case len(parts) > 1:
		return wire.Packet{}, nil, fmt.Errorf("endpoint %s: its answer to the outside is in %d fragments", from.Name, len(parts))
	}
	t, err := c.wire.walk(wire.Port{Endpoint: from.Name}, parts[0])
	if err != nil {
		return wire.Packet{}, nil, err
	}
	if len(t.emissions) == 0 || !goesOut(t.emissions[len(t.emissions)-1]) {
		return t.Packet, nil, nil
	}
	if err := c.reaches(t.emissions[len(t.emissions)-1].Frame, parts[0]); err != nil {
		return wire.Packet{}, nil, fmt.Errorf("host %s to %s: %w", from.host.name, c.from.Name, err)
	}
	t.Delivered, t.To = true, c.from.Name
	return t.Packet, c.from, nil
}

// come sends a packet from outside to the host that it comes to.
func (c *conversation) come(s frame.Spec) (wire.Packet, *endpoint, error) {
	h := c.from.host
	s.SrcMAC, s.DstMAC = topology.OutsideMAC, h.mac
	sent, err := frame.Build(s)
	if err != nil {
		return wire.Packet{}, nil, fmt.Errorf("%s: %w", c.from.Name, err)
	}
	if h.condition.Carrying().Down {
		return wire.Packet{Hosts: []string{h.name}, Reason: link.Down, Dropper: h.name}, nil, nil
	}
	t, err := c.wire.walk(wire.Port{Uplink: h.name}, sent)
	if err != nil || !t.Delivered {
		return t.Packet, nil, err
	}
	to := c.wire.endpoints[t.To]
	if _, err := c.wire.receive(t, sent, c); errors.Is(err, errOtherMAC) {
		t.Delivered, t.Reason, t.Dropper = false, wire.OtherMAC, to.host.name
		return t.Packet, nil, nil
	} else if err != nil {
		t.Delivered, t.Reason, t.Dropper = false, fmt.Sprintf("endpoint %s discards it: %v", t.To, err), to.host.name
		return t.Packet, nil, nil
	}
	if !c.meant(to, s.Dst) {
		return t.Packet, nil, nil
	}
	return t.Packet, to, nil
}

// goesOut says that a host has sent a frame to the outside.
func goesOut(e wire.Emission) bool {
	return e.At.Uplink != "" && len(e.Frame) >= ethernet && state.MAC(e.Frame[:6]) == topology.OutsideMAC
}

// reaches holds what the client gets against what the backend sent.
func (c *conversation) reaches(b, sent []byte) error {
	want, got, err := decodedPair(sent, b)
	switch {
	case err != nil:
		return err
	case got.Key() != c.expected(c.from.Name, want, got).Key():
		return fmt.Errorf("it is another packet than was sent: %s", got)
	case !bytes.Equal(got.Inner.Payload, want.Inner.Payload):
		return fmt.Errorf("the payload was changed")
	}
	return nil
}
