// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/sim/oracle/judge"
	"github.com/mizar-net/mizar/sim/wire"
)

// Sizes of headers that stacks put before a payload, in bytes.
const (
	shortHeader    = 8 // UDP, ICMP echo
	tcpHeader      = 20
	fragmentHeader = 8 // of IPv6
	defaultSize    = 32
	defaultTTL     = 64
)

// Probe says what becomes of a conversation, and what it teaches the hosts.
// Endpoints are named "namespace/name" in the answer. A sender that does not
// exist, or lacks an address of the destination's family, is an error.
func (o *Oracle) Probe(p wire.Probe) (wire.Outcome, error) {
	var out wire.Outcome
	p.To = p.To.Unmap()
	from, ok := o.real.set.Endpoint(p.From)
	src, speaks := ofFamily(from.Addresses, p.To)
	if p.Visit.IsSet() {
		src, speaks = p.Visit.Address, p.Visit.Address.Is4() == p.To.Is4()
		from, ok = object.Endpoint{}, o.nodes[p.Visit.Via] != nil
	}
	if !ok {
		return out, fmt.Errorf("probe from %s: there is no such endpoint, or host to come to", p.From)
	}
	if !speaks {
		return out, fmt.Errorf("probe from %s to %s: the endpoint has no address of that family", p.From, p.To)
	}
	p.Count, p.Size = max(p.Count, 1), cmp.Or(p.Size, defaultSize)
	if p.SourcePort == 0 {
		o.port = max(o.port+1, firstPort)
		p.SourcePort = o.port
	}
	request := datagram{Probe: p, src: src, dst: p.To, ttl: cmp.Or(int(p.TTL), defaultTTL), size: p.Size}
	if p.Proto == wire.TCP {
		o.connect(from, request, &out)
		return out, nil
	}
	for range p.Count {
		there := o.datagram(from, request)
		out.Requests = append(out.Requests, there)
		answerer, ok := o.answerer(there, request)
		if !ok {
			continue
		}
		out.Replies = append(out.Replies, o.datagram(answerer, request.reply(answerer, there.At)))
	}
	return out, nil
}

// answerer is the endpoint that a packet came out at, if it was meant for it.
func (o *Oracle) answerer(p wire.Packet, d datagram) (object.Endpoint, bool) {
	if !p.Delivered {
		return object.Endpoint{}, false
	}
	if d.Visit.IsSet() && d.reversed || d.Outsider != "" && p.To == d.Outsider {
		return object.Endpoint{}, true // who is outside
	}
	e, ok := o.real.set.Endpoint(p.To)
	_, stands := d.Behind(p.To)
	return e, ok && (slices.Contains(e.Addresses, d.dst) || stands || p.At.IsValid())
}

// datagram is what a stack sends at once: size bytes of payload.
type datagram struct {
	wire.Probe
	src, dst  netip.Addr
	ttl, size int
	reversed  bool
	tcp       flags
}

// firstPort is the first that a stack chooses.
const firstPort = 32768

// tuple is what the datagram says of its flow.
func (d datagram) tuple() tuple {
	t := tuple{protocol: d.number(), from: d.SourcePort, to: d.Port, tcp: d.tcp}
	if d.Proto == wire.ICMP {
		t.to = 0
	}
	if d.reversed {
		t.from, t.to = t.to, t.from
	}
	return t
}

// reply is what the endpoint that got it answers, if it is a backend from where it came
// out: it need not be one any more.
func (d datagram) reply(from object.Endpoint, at netip.AddrPort) datagram {
	d.src, d.dst, d.ttl, d.reversed, d.DontFragment = d.dst, d.src, defaultTTL, !d.reversed, false
	if b, ok := d.Behind(from.Key()); ok && !at.IsValid() {
		at = b.At
	}
	if at.IsValid() {
		d.src, d.Port = at.Addr(), at.Port()
		if d.src == d.dst {
			d.dst = d.To // who asks himself through a frontend takes himself for it
		}
	}
	return d
}

func (d datagram) ipHeader() int {
	if d.src.Is4() {
		return header4
	}
	return header6
}

// datagram sends one as the endpoint's stack does: whole, in fragments, or not at
// all. It tells of the first fragment, or of the first that got lost.
func (o *Oracle) datagram(e object.Endpoint, d datagram) wire.Packet {
	if slices.Contains(e.Addresses, d.dst) && len(d.Backends) == 0 {
		// To itself: the stack keeps it, no port sees it.
		return wire.Packet{Delivered: true, To: e.Key(), Hosts: []string{e.Host}}
	}
	transport := shortHeader
	if d.Proto == wire.TCP {
		transport = tcpHeader
	}
	body, room := transport+d.size, endpointMTU(o.real.set)-d.ipHeader()
	if d.Visit.IsSet() {
		return o.visit(e, d, transport)
	}
	if d.Outsider != "" && d.reversed {
		asked, _ := o.real.set.Endpoint(d.From)
		return o.comeBack(asked, d, transport)
	}
	whole := packet{src: d.src, dst: d.dst, ttl: d.ttl, length: d.ipHeader() + body, echo: d.Proto == wire.ICMP && !d.reversed, flow: d.tuple(), outsider: d.Outsider}
	if d.DontFragment && body > room {
		return wire.Packet{Hosts: []string{e.Host}, Reason: wire.StackMTU, Dropper: e.Host}
	}
	if found := o.finds(e, d.dst); !found || body <= room {
		return o.send(e, whole) // a stack that finds no neighbour cuts nothing
	}
	return o.fragments(e, d, body, room)
}

func (o *Oracle) fragments(e object.Endpoint, d datagram, body, room int) (told wire.Packet) {
	header := d.ipHeader()
	if d.src.Is6() {
		room, header = room-fragmentHeader, header+fragmentHeader
	}
	room -= room % 8
	var whole departure
	var parts []wire.Packet
	for at := 0; at < body; at += room {
		p := packet{src: d.src, dst: d.dst, ttl: d.ttl, length: header + min(room, body-at), silent: at > 0, whole: &whole, flow: d.tuple(), outsider: d.Outsider}
		if at > 0 {
			p.later = &later{offset: at, protocol: d.number()}
		}
		became := o.send(e, p)
		if parts = append(parts, became); at == 0 || told.Delivered && !became.Delivered {
			told = became
		}
	}
	told.Parts = parts
	return told
}

// number is the protocol's.
func (d datagram) number() uint8 {
	switch {
	case d.Proto == wire.TCP:
		return judge.TCP
	case d.Proto == wire.UDP:
		return judge.UDP
	case d.src.Is4():
		return 1
	}
	return 58
}

// connect walks a TCP conversation: handshake, the payload in segments, the
// payload back, and a close from either side. A lost segment ends it.
func (o *Oracle) connect(from object.Endpoint, d datagram, out *wire.Outcome) {
	d.DontFragment = true
	syn := d
	syn.size, syn.tcp = 0, flags{syn: true}
	there := o.datagram(from, syn)
	out.Requests = []wire.Packet{there}
	answerer, ok := o.answerer(there, syn)
	if !ok {
		return
	}
	both := syn.reply(answerer, there.At)
	both.tcp.ack = true
	back := o.datagram(answerer, both)
	out.Replies = []wire.Packet{back}
	if _, ok := o.answerer(back, both); !ok {
		return
	}
	segments := o.segments(d)
	for _, turn := range []struct {
		back, fin bool
		sizes     []int
	}{
		{sizes: []int{0}}, {sizes: segments}, {back: true, sizes: segments}, {sizes: []int{0}},
		{fin: true, sizes: []int{0}}, {back: true, fin: true, sizes: []int{0}}, {sizes: []int{0}},
	} {
		for _, size := range turn.sizes {
			one, sender, told := d, from, &out.Requests[0]
			if turn.back {
				one, sender, told = d.reply(answerer, there.At), answerer, &out.Replies[0]
			}
			one.size, one.DontFragment, one.tcp = size, true, flags{ack: true, fin: turn.fin}
			if became := o.datagram(sender, one); !became.Delivered {
				*told = became
				return
			}
		}
	}
}

// segments are the sizes of those that a payload is sent in.
func (o *Oracle) segments(d datagram) (sizes []int) {
	most := endpointMTU(o.real.set) - d.ipHeader() - tcpHeader
	for left := d.size; left > 0; left -= most {
		sizes = append(sizes, min(left, most))
	}
	return sizes
}

func ofFamily(addrs []netip.Addr, like netip.Addr) (netip.Addr, bool) {
	for _, addr := range addrs {
		if addr.Is4() == like.Is4() {
			return addr, true
		}
	}
	return netip.Addr{}, false
}
