// SPDX-License-Identifier: Apache-2.0

package golden

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/mizar-net/mizar/sim/frame"
)

// broken is a relation that does not hold.
type broken struct{ field, want, got string }

// relate checks the relations of every emitted frame, in the order in which
// they came out. Frames that were put in have asked, too.
func (r Rules) relate(inputs [][]byte, got []Frame) map[int]broken {
	wrong := map[int]broken{}
	if len(r.Relations) == 0 {
		return wrong
	}
	h := history{}
	for _, b := range inputs {
		if p, err := frame.Decode(b); err == nil {
			h.note(p)
		}
	}
	names := slices.Sorted(maps.Keys(r.Relations))
	for i, f := range got {
		p, err := frame.Decode(f.Bytes)
		if err != nil {
			continue
		}
		for _, name := range names {
			if b, ok := h.relation(p, name, r.Relations[name]); ok {
				wrong[i+1] = b
				break
			}
		}
		h.note(p)
	}
	return wrong
}

// question is a token that was asked, and for which packet.
type question struct {
	key      frame.Key
	src, dst netip.Addr
	limit    uint8
	token    uint32
}

// history are the questions so far.
type history []question

func (h *history) note(p frame.Packet) {
	if o := p.Options.Return; o != nil && o.Flags&frame.ReturnAnswer == 0 {
		*h = append(*h, question{p.Key(), p.Inner.Src, p.Inner.Dst, o.Limit, o.Token})
	}
}

// relation returns how one relation is broken.
func (h history) relation(p frame.Packet, name, relation string) (broken, bool) {
	got := lookup(name).value(p)
	if got == "" {
		return broken{}, false
	}
	want := ""
	switch relation {
	case Entropy:
		want = fmt.Sprint(frame.OuterPort(p.Inner))
	case Echoed:
		if want = h.echo(p, name); want == "" {
			return broken{}, false
		}
		return broken{name, want, got}, true
	default:
		want = lookup(relation).value(p)
	}
	if want == got {
		return broken{}, false
	}
	return broken{name, fmt.Sprintf("%s (%s)", want, relation), got}, true
}

// echo says what a token should be; "" when it is right.
func (h history) echo(p frame.Packet, name string) string {
	o := p.Options
	there, back := p.Inner.Src, p.Inner.Dst
	switch {
	case name == "geneve.send-back.token":
		return h.asked(o.SendBack.Token, there, back)
	case name == "geneve.refusal.token":
		return h.asked(o.Refusal.Token, there, back)
	case o.Return.Flags&frame.ReturnAnswer != 0:
		return h.asked(o.Return.Token, back, there)
	case o.Return.Token == 0:
		return "a token that is not 0"
	}
	for _, q := range slices.Backward(h) {
		if q.key == p.Key() {
			if o.Return.Limit < q.limit && o.Return.Token != q.token {
				return fmt.Sprintf("%d, the one that it was asked with", q.token)
			}
			break
		}
	}
	return ""
}

// asked says which tokens were asked by packets from src to dst; "" when the
// token is one of them.
func (h history) asked(token uint32, src, dst netip.Addr) string {
	var known []uint32
	for _, q := range h {
		if q.src == src && q.dst == dst {
			known = append(known, q.token)
		}
	}
	switch {
	case slices.Contains(known, token):
		return ""
	case len(known) == 0:
		return fmt.Sprintf("none: no packet from %s to %s asked", src, dst)
	}
	return fmt.Sprintf("one of the tokens that %s → %s asked with: %v", src, dst, known)
}
