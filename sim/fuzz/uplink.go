// SPDX-License-Identifier: Apache-2.0

package fuzz

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/sim/frame"
)

// uplink is what becomes of a frame that comes from the underlay.
func (o oracle) uplink(b []byte) outcome {
	h, kind := hear(b)
	if kind != ours {
		out := o.come(h)
		if kind == icmp {
			out.lowered, out.mtu = h.tooBig()
		}
		return out
	}
	h, reason := h.open()
	if reason != 0 {
		return dropped(reason)
	}
	switch h.control.kind {
	case frame.OptionSendBack:
		return o.sentBack(h)
	case frame.OptionNotHere:
		return o.notHere(h)
	case frame.OptionRefusal:
		return o.refused(h)
	case frame.OptionService:
		return o.visited(h)
	}
	return o.arrived(h)
}

// visited is a packet of a client outside, who came to another host. This one has no way
// to the outside, and serves nobody there.
func (o oracle) visited(h heard) outcome {
	to := living(h.vni, h.inner.dst)
	if to == nil || h.generation != to.generation {
		return dropped(bpf.RowDropReasonDROP_STALE)
	}
	if _, reason := h.carried(); reason != 0 {
		return dropped(reason)
	}
	return dropped(bpf.RowDropReasonDROP_NO_HOST)
}

// question says that the packet may be relayed.
func (h heard) question() bool {
	return h.control.kind == frame.OptionReturn && h.control.flags&1 == 0
}

// arrived is a packet that goes somewhere.
func (o oracle) arrived(h heard) outcome {
	to := living(h.vni, h.inner.dst)
	if h.question() {
		l, known := o.role.located(h.vni, h.inner.dst)
		if known && l.host != "h3" || to == nil {
			return o.relayed(h)
		}
	}
	if h.question() && h.control.flags&frame.ReturnJudge != 0 {
		return o.unjudged(h, to)
	}
	if to == nil || h.generation != to.generation && !h.question() {
		// Not here: back to where it came from.
		if h.inner.length > most(h.from) {
			return dropped(bpf.RowDropReasonDROP_MTU)
		}
		return h.bounced(h.from, label{h.vni, h.identity, h.generation, option(frame.OptionNotHere, 0, 0, netip.Addr{})}, bpf.RowVerdictVERDICT_NOT_HERE)
	}
	if h.generation != to.generation && h.generation != 0 {
		return dropped(bpf.RowDropReasonDROP_STALE)
	}
	out := h.delivered(to)
	if out.reason == 0 {
		out.learned = o.learns(h, to)
	}
	return out
}

// unjudged is a question for an endpoint that is here, but its sender's host has to
// judge it first: it goes back with the location.
func (o oracle) unjudged(h heard, to *endpoint) outcome {
	if nameOf(h.control.host) == "" {
		return dropped(bpf.RowDropReasonDROP_NO_HOST)
	}
	back := option(frame.OptionSendBack, to.identity<<8|uint32(to.generation), h.control.token, source(h.control.host))
	return h.bounced(h.control.host, label{h.vni, h.identity, 0, back}, bpf.RowVerdictVERDICT_SEND_BACK)
}

// delivered is the inner frame at an endpoint's port, with the mark of the outer
// header.
func (h heard) delivered(to *endpoint) outcome {
	p, reason := h.carried()
	if reason != 0 {
		return dropped(reason)
	}
	return outcome{verdict: bpf.RowVerdictVERDICT_DELIVER, port: to.port, frame: p.delivered(to)}
}

// carried is the inner packet with the outer mark of congestion (RFC 6040, 4.2).
func (h heard) carried() (packet, bpf.RowDropReason) {
	if h.tos&3 != 3 || h.inner.tos&3 == 3 {
		return h.inner, 0
	}
	if h.inner.tos&3 == 0 {
		return h.inner, bpf.RowDropReasonDROP_ECN
	}
	return h.inner.congested(), 0
}

// bounced is the packet under new outer headers.
func (h heard) bounced(to netip.Addr, l label, verdict bpf.RowVerdict) outcome {
	p, reason := h.carried()
	if reason != 0 {
		return dropped(reason)
	}
	return outcome{verdict: verdict, port: uplinkPort, frame: p.tunnel(to, l)}
}

// learns is what the host takes from return-to-sender.
func (o oracle) learns(h heard, to *endpoint) rows {
	c := h.control
	host := nameOf(c.host)
	if c.kind != frame.OptionReturn || host == "" || living(h.vni, h.inner.src) != nil {
		return nil
	}
	k := key(h.vni, h.inner.src)
	row, known := o.paths[k]
	put := bpf.RowPath{Host: o.number[host], Identity: h.identity, State: learned, Generation: c.generation, Since: uint64(o.now)}
	if c.flags&1 != 0 {
		if !known || row.State != asked || row.Token != c.token || c.host != h.from {
			return nil
		}
		put.Token = c.token
		return rows{k: put}
	}
	put.Token, put.Tell = c.token, 1
	if known && row.State == learned && row.Host == put.Host && row.Token == put.Token && row.Generation == put.Generation {
		return nil
	}
	if !o.vouches(h, to, host) {
		return nil
	}
	return rows{k: put}
}

// vouches says that who handed the packet over may say where its source is.
func (o oracle) vouches(h heard, to *endpoint, host string) bool {
	from := nameOf(h.from)
	for _, name := range o.role.bouncers(to.subnet) {
		if name == from {
			return true
		}
	}
	if h.vni == red && from == "h1" { // divides red in every role
		return true
	}
	l, known := o.role.located(h.vni, h.inner.src)
	return known && l.host == host
}

// relayed is a question for an endpoint that is not here.
func (o oracle) relayed(h heard) outcome {
	c, reason := o.next(h)
	back := reason == 0 && c.located && h.control.flags&2 != 0
	if back && nameOf(h.control.host) == "" {
		return dropped(bpf.RowDropReasonDROP_NO_HOST)
	}
	if back && h.inner.length <= most(h.control.host) {
		located := option(frame.OptionSendBack, c.identity<<8|uint32(c.generation), h.control.token, c.host)
		return h.bounced(h.control.host, label{h.vni, h.identity, 0, located}, bpf.RowVerdictVERDICT_SEND_BACK)
	}
	l := label{h.vni, h.identity, h.generation, nil}
	if c.located {
		l.generation = c.generation
	}
	mtu := uint16(0)
	if reason == 0 {
		if h.control.limit == 0 {
			return dropped(bpf.RowDropReasonDROP_RELAY_LIMIT)
		}
		l.option = asks(h.control.flags, h.control.limit-1, h.control.generation, h.control.token, h.control.host)
		if h.inner.length <= most(c.host) {
			return h.relay(c, l)
		}
		reason, mtu = bpf.RowDropReasonDROP_MTU, uint16(most(c.host))
	}
	if !final(reason) || nameOf(h.control.host) == "" || h.inner.length > most(h.control.host) {
		return dropped(reason)
	}
	out := h.bounced(h.control.host, label{h.vni, h.identity, 0, option(frame.OptionRefusal, uint32(reason)<<24|uint32(mtu), h.control.token, netip.Addr{})},
		bpf.RowVerdictVERDICT_REFUSE)
	if out.reason == 0 {
		out.reason = reason
	}
	return out
}

// next is where a question goes.
func (o oracle) next(h heard) (choice, bpf.RowDropReason) {
	if l, ok := o.role.located(h.vni, h.inner.dst); ok {
		return o.directory(l)
	}
	if s := subnetOf(h.vni, h.inner.dst); s != nil && o.role.routed(s) {
		return o.others(s, h.inner)
	}
	if h.vni == red && o.role.divides() {
		return choice{}, bpf.RowDropReasonDROP_NO_SUBNET
	}
	return choice{}, bpf.RowDropReasonDROP_NOT_OURS
}

// relay to the endpoint's own host is in place where nothing but addresses
// changes, else under new headers.
func (h heard) relay(c choice, l label) outcome {
	to := c.host
	if !c.located || h.tagged || h.options > 0 || !h.alone || h.from.Is4() != to.Is4() {
		return h.bounced(to, l, bpf.RowVerdictVERDICT_RELAY)
	}
	b := bytes.Clone(h.b)
	hop := hopMAC[to]
	copy(b, hop[:])
	copy(b[6:], uplinkMAC[:])
	ip, from := b[ethernet:], source(to)
	if to.Is4() {
		copy(ip[4:], []byte{0, 0, 0x40, 0, 64})
		copy(ip[10:], []byte{0, 0})
		copy(ip[12:], from.AsSlice())
		copy(ip[16:], to.AsSlice())
		binary.BigEndian.PutUint16(ip[10:], sum(ip[:20]))
	} else {
		ip[7] = 64
		copy(ip[8:], from.AsSlice())
		copy(ip[24:], to.AsSlice())
	}
	g := b[h.udp+8:]
	binary.BigEndian.PutUint32(g[12:], l.identity<<8|uint32(l.generation))
	g[21]--
	return outcome{verdict: bpf.RowVerdictVERDICT_RELAY, port: uplinkPort, frame: b}
}

// sentBack is a packet that came back with the location.
func (o oracle) sentBack(h heard) outcome {
	k := key(h.vni, h.inner.dst)
	row := o.paths[k]
	open := row.State == asked && row.Token == h.control.token
	late := row.State == learned && row.Tell == 0 && row.Token != 0 && row.Token == h.control.token
	if !open && !late && !o.together(h) || living(h.vni, h.inner.src) == nil {
		return dropped(bpf.RowDropReasonDROP_SEND_BACK)
	}
	host := nameOf(h.control.host)
	if host == "" {
		return dropped(bpf.RowDropReasonDROP_NO_HOST)
	}
	out := o.again(h, h.control.host, label{h.vni, h.identity, uint8(h.control.word), nil}, outcome{verdict: bpf.RowVerdictVERDICT_RESEND})
	if open {
		out.learned = rows{k: {
			Host: o.number[host], Identity: h.control.word >> 8, Token: h.control.token, State: learned,
			Generation: uint8(h.control.word), Since: uint64(o.now),
		}}
	}
	return out
}

// notHere is a packet whose endpoint was not there.
func (o oracle) notHere(h heard) outcome {
	wrong := dropped(bpf.RowDropReasonDROP_NOT_HERE)
	from, k := living(h.vni, h.inner.src), key(h.vni, h.inner.dst)
	row, known := o.paths[k]
	if from == nil || !known {
		return wrong
	}
	at, _ := o.hostNumbered(row.Host)
	if row.State == learned && at != h.from {
		switch {
		case o.now-time.Duration(row.Since) >= time.Second:
			return wrong
		case !at.IsValid():
			return dropped(bpf.RowDropReasonDROP_NO_HOST)
		}
		return o.again(h, at, label{h.vni, h.identity, row.Generation, nil}, outcome{verdict: bpf.RowVerdictVERDICT_RESEND})
	}
	if to := living(h.vni, h.inner.dst); to != nil {
		out := h.delivered(to)
		if row.State != local {
			out.learned = rows{k: {State: local, Host: o.index[to.name]}}
		}
		return out
	}
	if row.State == local {
		return wrong
	}
	again := uint8(sendBack)
	if h.inner.fragment != whole {
		again = 0 // the fragment before it did not ask for that
	}
	to, l, out := o.asking(from, h.inner, again)
	if out.reason != 0 {
		return o.givenUp(h, out, 0)
	}
	l.identity = h.identity
	return o.again(h, to, l, out)
}

// refused is a packet that goes nowhere.
func (o oracle) refused(h heard) outcome {
	from := living(h.vni, h.inner.src)
	row, known := o.paths[key(h.vni, h.inner.dst)]
	if from == nil || !known || row.State != asked || row.Token != h.control.token {
		return dropped(bpf.RowDropReasonDROP_REFUSAL)
	}
	reason := bpf.RowDropReason(h.control.word >> 24)
	if !final(reason) {
		return dropped(bpf.RowDropReasonDROP_REFUSAL)
	}
	b, ok := o.complaint(from, h.inner, reason, uint16(h.control.word))
	if !ok {
		return dropped(reason)
	}
	return outcome{verdict: bpf.RowVerdictVERDICT_DELIVER, port: from.port, frame: b}
}
