// SPDX-License-Identifier: Apache-2.0

package testrun

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"

	"github.com/mizar-net/mizar/dataplane/kernel"
	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/frame"
	"github.com/mizar-net/mizar/sim/wire"
)

// neighbourKey is an entry of an endpoint's neighbour cache.
type neighbourKey struct {
	endpoint string
	address  netip.Addr
}

// compose makes the frame of a packet. Where nobody answers for the neighbour
// there is none, and the way of the question is returned.
func (w *Wire) compose(e *endpoint, s frame.Spec) ([]byte, *trip, error) {
	mac, failed, err := w.neighbourOf(e, s)
	if err != nil || failed != nil {
		return nil, failed, err
	}
	s.SrcMAC, s.DstMAC = e.MAC, mac
	sent, err := frame.Build(s)
	if err != nil {
		return nil, nil, fmt.Errorf("endpoint %s: %w", e.Name, err)
	}
	if length := len(sent) - kernel.MinFrame; e.MTU > 0 && length > e.MTU {
		return nil, nil, fmt.Errorf("endpoint %s: a packet of %d bytes is more than its MTU of %d, and its stack does not fragment",
			e.Name, length, e.MTU)
	}
	return sent, nil, nil
}

// neighbourOf is the MAC of whom an endpoint gives a packet to.
func (w *Wire) neighbourOf(e *endpoint, s frame.Spec) (state.MAC, *trip, error) {
	neighbour, err := e.neighbour(s.Dst)
	if err != nil {
		return state.MAC{}, nil, err
	}
	return w.resolve(e, neighbour, s.Src)
}

func orEmpty(t *trip) trip {
	if t == nil {
		return trip{}
	}
	return *t
}

// resolve finds out a neighbour's MAC by ARP or neighbour solicitation. Without
// an answer it returns the way the question went.
func (w *Wire) resolve(e *endpoint, neighbour, source netip.Addr) (state.MAC, *trip, error) {
	key := neighbourKey{e.Name, neighbour}
	if mac, ok := w.neighbour[key]; ok {
		return mac, nil, nil
	}
	question := frame.Spec{Kind: frame.ARPRequest, SrcMAC: e.MAC, Src: source, Dst: neighbour}
	if !neighbour.Is4() {
		question.Kind, question.Dst, question.Target = frame.NS, frame.SolicitedNode(neighbour), neighbour
	}
	asked, err := frame.Build(question)
	if err != nil {
		return state.MAC{}, nil, fmt.Errorf("endpoint %s: ask for %s: %w", e.Name, neighbour, err)
	}
	t, err := w.walk(wire.Port{Endpoint: e.Name}, asked)
	if err != nil {
		return state.MAC{}, nil, fmt.Errorf("endpoint %s: ask for %s: %w", e.Name, neighbour, err)
	}
	mac, ok := answer(t, neighbour)
	if !ok {
		return state.MAC{}, &t, nil
	}
	w.neighbour[key] = mac
	return mac, nil, nil
}

// answer reads the MAC out of an ARP reply or neighbour advertisement.
func answer(t trip, neighbour netip.Addr) (state.MAC, bool) {
	if !t.answered {
		return state.MAC{}, false
	}
	p, err := frame.Decode(t.frame)
	if err != nil {
		return state.MAC{}, false
	}
	switch {
	case p.Inner.ARP != nil && p.Inner.ARP.Op == 2 && p.Inner.ARP.SenderIP == neighbour:
		return p.Inner.ARP.SenderMAC, true
	case p.Inner.ND != nil && p.Inner.ND.Target == neighbour && p.Inner.ND.HasLinkLayer && p.Inner.ICMPType == 136:
		return p.Inner.ND.LinkLayer, true
	}
	return state.MAC{}, false
}

// errOtherMAC says that a frame is for another MAC address than the endpoint's.
var errOtherMAC = errors.New(wire.OtherMAC)

// receive says what the stack of the endpoint that a packet came out at makes of
// it: the decoded packet, or why it throws it away.
func (w *Wire) receive(t trip, sent []byte, c *conversation) (frame.Layer, error) {
	e := w.endpoints[t.To]
	if err := frame.VerifyChecksums(t.frame); err != nil {
		return frame.Layer{}, err
	}
	got, err := frame.Decode(t.frame)
	if err != nil {
		return frame.Layer{}, err
	}
	want, err := frame.Decode(sent)
	if err != nil {
		return frame.Layer{}, err
	}
	switch {
	case got.Inner.DstMAC != e.MAC:
		return frame.Layer{}, errOtherMAC
	case got.Key() != c.expected(t.To, want, got).Key():
		return frame.Layer{}, fmt.Errorf("it is another packet than was sent: %s", got)
	case !bytes.Equal(got.Inner.Payload, want.Inner.Payload):
		return frame.Layer{}, fmt.Errorf("the payload was changed")
	}
	return got.Inner, nil
}
