// SPDX-License-Identifier: Apache-2.0

package testrun

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/mizar-net/mizar/dataplane/kernel"
	"github.com/mizar-net/mizar/sim/frame"
	"github.com/mizar-net/mizar/sim/wire"
)

// exchange lets an endpoint send a packet and tells what became of it, and who
// will answer: the endpoint that it came out at, if it is meant for it. Of a
// packet in fragments it tells of the first, or of the first that got lost.
func (c *conversation) exchange(from *endpoint, s frame.Spec) (wire.Packet, *endpoint, error) {
	if c.probe.Visit.IsSet() {
		return c.visit(from, s)
	}
	if c.probe.Outsider != "" {
		return c.leave(from, s)
	}
	if slices.Contains(from.Addresses, s.Dst) && !c.served() {
		// To itself: the stack keeps it, no port sees it.
		return wire.Packet{Delivered: true, To: from.Name, Hosts: []string{from.host.name}}, from, nil
	}
	told, err := c.send(from, s)
	to := c.wire.endpoints[told.To]
	if err != nil || !told.Delivered || !c.meant(to, s.Dst) {
		return told, nil, err
	}
	return told, to, nil
}

// send sends a packet of an endpoint, and tells what became of it, or of its fragments.
func (c *conversation) send(from *endpoint, s frame.Spec) (told wire.Packet, err error) {
	parts, failed, err := c.wire.parts(from, s)
	if err != nil || failed != nil {
		return orEmpty(failed).Packet, err
	}
	var all []wire.Packet
	for i, part := range parts {
		became, got, err := c.wire.part(from, part, c)
		if err != nil {
			return wire.Packet{}, err
		}
		if i == 0 {
			became.At = c.reached(from, became, s, got)
		}
		if all = append(all, became); i == 0 || told.Delivered && !became.Delivered {
			told = became
		}
	}
	if len(all) > 1 {
		told.Parts = all
	}
	return told, nil
}

// part sends one frame and tells what became of it, and what it came out as.
func (w *Wire) part(from *endpoint, sent []byte, c *conversation) (wire.Packet, frame.Layer, error) {
	t, err := w.walk(wire.Port{Endpoint: from.Name}, sent)
	var got frame.Layer
	switch {
	case err != nil:
		return wire.Packet{}, got, err
	case len(t.emissions) > 0 && goesOut(t.emissions[len(t.emissions)-1]):
		p, err := c.goneOut(t, sent)
		return p, got, err
	case t.answered:
		t.Answered = true
		if err := echoed(t.frame, sent, append(slices.Clone(from.subnet.Gateways), c.probe.To)); err != nil {
			return wire.Packet{}, got, fmt.Errorf("the answer at the port of endpoint %s: %w", from.Name, err)
		}
	case t.Delivered:
		got, err = w.receive(t, sent, c)
		if t.Delivered = err == nil; errors.Is(err, errOtherMAC) {
			t.Reason, t.Dropper = wire.OtherMAC, w.endpoints[t.To].host.name
		} else if err != nil {
			t.Reason, t.Dropper = fmt.Sprintf("endpoint %s discards it: %v", t.To, err), w.endpoints[t.To].host.name
		}
		err = nil
	case t.frame != nil:
		if t.To != from.Name {
			return wire.Packet{}, got, fmt.Errorf("the ICMP error for endpoint %s came out at %s", from.Name, t.To)
		}
		t.Refused, err = wire.ReadRefusal(t.frame, sent, from.subnet.Gateways)
		t.To = ""
	}
	return t.Packet, got, err
}

// parts makes the frames of a packet as a stack sends it: whole, or in fragments.
// What may not be cut is not sent, and the way of that is returned; so is the way
// of the question for a neighbour that nobody answered for.
func (w *Wire) parts(e *endpoint, s frame.Spec) ([][]byte, *trip, error) {
	room := e.MTU - 20
	if s.Src.Is6() {
		room = e.MTU - 40
	}
	whole := s
	whole.SrcMAC, whole.DstMAC = e.MAC, e.MAC
	b, err := frame.Build(whole)
	if err != nil {
		return nil, nil, fmt.Errorf("endpoint %s: %w", e.Name, err)
	}
	switch {
	case e.MTU == 0 || len(b)-kernel.MinFrame <= e.MTU:
		b, failed, err := w.compose(e, s)
		return [][]byte{b}, failed, err
	case s.DF || s.Kind == frame.TCP:
		return nil, &trip{Packet: wire.Packet{Hosts: []string{e.host.name}, Reason: wire.StackMTU, Dropper: e.host.name}}, nil
	case s.Src.Is6():
		room -= 8 // the fragment header
	}
	w.nextID++
	s.IPID = w.nextID
	mac, failed, err := w.neighbourOf(e, s)
	if err != nil || failed != nil {
		return nil, failed, err
	}
	s.SrcMAC, s.DstMAC = e.MAC, mac
	parts, err := frame.Fragments(s, room&^7)
	return parts, nil, err
}

// decodedPair reads what was sent and what came of it, whose checksums must be right.
func decodedPair(sent, got []byte) (was, is frame.Packet, err error) {
	if err := frame.VerifyChecksums(got); err != nil {
		return was, is, err
	}
	if was, err = frame.Decode(sent); err != nil {
		return was, is, err
	}
	is, err = frame.Decode(got)
	return was, is, err
}

// echoed says what is wrong with a gateway's answer to an echo.
func echoed(got, sent []byte, gateways []netip.Addr) error {
	asked, answer, err := decodedPair(sent, got)
	if err != nil {
		return err
	}
	q, a := asked.Inner, answer.Inner
	const reply4, reply6 = 0, 129
	switch {
	case a.Proto != q.Proto || a.ICMPCode != 0 || (a.ICMPType != reply4) == a.Src.Is4() || (a.ICMPType != reply6) == a.Src.Is6():
		return fmt.Errorf("want an echo reply, got %s", answer)
	case !slices.Contains(gateways, a.Src) || a.Src != q.Dst || a.Dst != q.Src:
		return fmt.Errorf("want it from the gateway %s to %s, got %s", q.Dst, q.Src, answer)
	case a.SrcMAC != q.DstMAC || a.DstMAC != q.SrcMAC:
		return fmt.Errorf("want MAC %s to %s, got %s to %s", q.DstMAC, q.SrcMAC, a.SrcMAC, a.DstMAC)
	case a.ICMPID != q.ICMPID || a.ICMPSeq != q.ICMPSeq || !bytes.Equal(a.Payload, q.Payload):
		return fmt.Errorf("want what was asked, got another id, number or payload: %s", answer)
	}
	return nil
}
