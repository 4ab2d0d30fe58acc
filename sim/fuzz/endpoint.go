// SPDX-License-Identifier: Apache-2.0

package fuzz

import (
	"bytes"
	"encoding/binary"
	"net/netip"

	"github.com/mizar-net/mizar/bpf"
)

// endpoint is what becomes of a frame that comes in by an endpoint's port.
func (o oracle) endpoint(port uint32, b []byte) outcome {
	from := atPort(port)
	if from == nil {
		return dropped(bpf.RowDropReasonDROP_NO_PORT)
	}
	p, reason := read(b)
	if reason == 0 {
		reason = guarded(from, p)
	}
	if reason != 0 {
		return dropped(reason)
	}
	switch {
	case p.family == 0:
		return answerARP(from, b)
	case p.aboutLink():
		return answerND(from, p)
	case p.dst.IsMulticast(), p.family == 4 && p.dst.As4()[0] >= 224:
		return dropped(bpf.RowDropReasonDROP_MULTICAST)
	case p.dst.IsUnspecified(), p.dst.IsLoopback(), p.family == 4 && p.dst.As4()[0] == 0:
		return dropped(bpf.RowDropReasonDROP_IP_ADDRESS)
	case !bytes.Equal(b[:6], gatewayMAC[:]):
		return dropped(bpf.RowDropReasonDROP_DESTINATION_MAC)
	}
	q, reason := served(from.vni, p)
	if reason != 0 {
		return o.told(from, p, dropped(reason), 0)
	}
	if q.dst != p.dst {
		o.parts = bpf.RowFragmented{} // of fragments to the backend nothing is known
	}
	out, mtu := o.forward(from, q)
	return o.told(from, p, out, mtu)
}

// guarded is the source guard.
func guarded(from *endpoint, p packet) bpf.RowDropReason {
	if !bytes.Equal(p.frame[6:12], from.mac[:]) {
		return bpf.RowDropReasonDROP_GUARD_MAC
	}
	own := p.family == 0 || p.src == from.v4 || p.src == from.v6
	link := p.aboutLink() && (p.src.IsLinkLocalUnicast() || p.src.IsUnspecified())
	if !own && !link {
		return bpf.RowDropReasonDROP_GUARD_ADDRESS
	}
	return 0
}

// forward sends the packet on; the MTU is told when it is too big.
func (o oracle) forward(from *endpoint, p packet) (outcome, uint16) {
	near := from.subnet.of(p.dst).Contains(p.dst) && !p.turned // a frontend lies in no subnet
	if p.ttl <= 1 && !near {
		return dropped(bpf.RowDropReasonDROP_TTL), 0
	}
	on := p
	if !near {
		on = p.routed()
	}
	k := key(from.vni, p.dst)
	row, known := o.paths[k]
	if p.src != from.v4 && p.src != from.v6 { // who asks himself
		return outcome{verdict: bpf.RowVerdictVERDICT_DELIVER, port: from.port, frame: on.delivered(from)}, 0
	}
	if to := living(from.vni, p.dst); to != nil && (!known || row.State != learned) {
		out := outcome{verdict: bpf.RowVerdictVERDICT_DELIVER, port: to.port, frame: on.delivered(to)}
		if want := (bpf.RowPath{State: local, Host: o.index[to.name]}); !known || row.State != local || row.Host != want.Host {
			out.learned = rows{k: want}
		}
		return out, 0
	}
	to, l, out := o.way(from, p, row)
	if out.reason != 0 {
		return out, 0
	}
	if p.length > most(to) {
		out.verdict, out.reason = bpf.RowVerdictVERDICT_DROP, bpf.RowDropReasonDROP_MTU
		if row.State == learned {
			out.learned = nil // what it had to say is still unsaid
		}
		return out, uint16(most(to))
	}
	out.frame = on.tunnel(to, l)
	return out, 0
}

// way is where the packet leaves to.
func (o oracle) way(from *endpoint, p packet, row bpf.RowPath) (to netip.Addr, l label, out outcome) {
	switch {
	case o.counts(p):
		return o.along(from)
	case row.State == learned:
		return o.direct(from, key(from.vni, p.dst), row)
	}
	return o.asking(from, p, sendBack)
}

// direct is the learned way.
func (o oracle) direct(from *endpoint, k bpf.RowAddrKey, row bpf.RowPath) (to netip.Addr, l label, out outcome) {
	to, ok := o.hostNumbered(row.Host)
	if !ok {
		return to, l, dropped(bpf.RowDropReasonDROP_NO_HOST)
	}
	l = label{vni: from.vni, identity: from.identity, generation: row.Generation}
	out = outcome{verdict: bpf.RowVerdictVERDICT_SEND, port: uplinkPort}
	if row.Tell != 0 {
		row.Tell = 0
		l.option = asks(1, 4, from.generation, row.Token, source(to))
		out.learned = rows{k: row}
	}
	return to, l, out
}

// told turns a drop into what the endpoint is told about it.
func (o oracle) told(from *endpoint, p packet, out outcome, mtu uint16) outcome {
	if out.reason == 0 {
		return out
	}
	out.port, out.frame, out.token = 0, nil, out.token && out.learned != nil
	if (out.reason == bpf.RowDropReasonDROP_GATEWAY || out.reason == bpf.RowDropReasonDROP_NO_SERVICE) && p.isEcho() {
		return outcome{verdict: bpf.RowVerdictVERDICT_ANSWER, port: from.port, frame: p.echoed(from)}
	}
	if b, ok := o.complaint(from, p, out.reason, mtu); ok {
		out.verdict, out.port, out.frame = bpf.RowVerdictVERDICT_REFUSE, from.port, b
	}
	return out
}

// isEcho says that it is an echo request in one piece.
func (p packet) isEcho() bool {
	return p.l4 != 0 && p.fragment == whole && (p.family == 4 && p.proto == 1 && p.frame[p.l4] == 8 || p.family == 6 && p.proto == 58 && p.frame[p.l4] == 128)
}

// echoed is the reply of the gateway.
func (p packet) echoed(to *endpoint) []byte {
	q := p.changed(func(ip []byte) {
		if p.family == 4 {
			ip[8] = 64
			copy(ip[12:], p.dst.AsSlice())
			copy(ip[16:], p.src.AsSlice())
			return
		}
		ip[7] = 64
		copy(ip[8:], p.dst.AsSlice())
		copy(ip[24:], p.src.AsSlice())
	})
	head := q.frame[q.l4:]
	was := binary.BigEndian.Uint16(head)
	head[0] = map[int]uint8{4: 0, 6: 129}[p.family]
	check := uint32(^binary.BigEndian.Uint16(head[2:])) + uint32(^was) + uint32(binary.BigEndian.Uint16(head))
	for check > 0xffff {
		check = check&0xffff + check>>16
	}
	binary.BigEndian.PutUint16(head[2:], ^uint16(check))
	return q.delivered(to)
}

func answer(from *endpoint, b []byte) outcome {
	copy(b, from.mac[:])
	copy(b[6:], gatewayMAC[:])
	return outcome{verdict: bpf.RowVerdictVERDICT_ANSWER, port: from.port, frame: b}
}

func answerARP(from *endpoint, b []byte) outcome {
	if len(b) < ethernet+28 {
		return dropped(bpf.RowDropReasonDROP_TRUNCATED)
	}
	b = bytes.Clone(b)
	a := b[ethernet:]
	sender, target := netip.AddrFrom4([4]byte(a[14:18])), netip.AddrFrom4([4]byte(a[24:28]))
	switch {
	case [6]byte(a[:6]) != [6]byte{0, 1, 8, 0, 6, 4}:
		return dropped(bpf.RowDropReasonDROP_ARP_OTHER)
	case !bytes.Equal(a[8:14], from.mac[:]), !sender.IsUnspecified() && sender != from.v4:
		return dropped(bpf.RowDropReasonDROP_GUARD_ARP)
	case binary.BigEndian.Uint16(a[6:]) != 1:
		return dropped(bpf.RowDropReasonDROP_ARP_OTHER)
	case target == from.v4:
		return dropped(bpf.RowDropReasonDROP_ARP_OWN)
	case !from.subnet.v4.Contains(target):
		return dropped(bpf.RowDropReasonDROP_ARP_FOREIGN)
	}
	a[7] = 2
	copy(a[18:], a[8:18])
	copy(a[8:], gatewayMAC[:])
	copy(a[14:], target.AsSlice())
	return answer(from, b)
}

func answerND(from *endpoint, p packet) outcome {
	other := dropped(bpf.RowDropReasonDROP_ND_OTHER)
	if p.frame[ethernet+6] != 58 || len(p.frame) < ethernet+40+24 {
		return other
	}
	b := bytes.Clone(p.frame)
	ip, nd := b[ethernet:ethernet+40], b[ethernet+40:]
	target := netip.AddrFrom16([16]byte(nd[8:24]))
	switch {
	case nd[0] == 134, nd[0] == 137, nd[0] == 136 && target != from.v6 && !target.IsLinkLocalUnicast():
		return dropped(bpf.RowDropReasonDROP_GUARD_ND)
	case nd[0] != 135, ip[7] != 255, nd[1] != 0:
		return other
	case p.src.IsUnspecified(), target == from.v6:
		return dropped(bpf.RowDropReasonDROP_ND_OWN)
	case !from.subnet.v6.Contains(target):
		return dropped(bpf.RowDropReasonDROP_ND_FOREIGN)
	case p.length != 40+32, nd[24] != 1, nd[25] != 1:
		return other
	case !bytes.Equal(nd[26:32], from.mac[:]):
		return dropped(bpf.RowDropReasonDROP_GUARD_ND)
	}
	nd = nd[:32]
	copy(nd, []byte{136, 0, 0, 0, 0x60, 0, 0, 0})
	if target == from.subnet.gateway(target) {
		nd[4] |= 0x80
	}
	nd[24] = 2
	copy(nd[26:], gatewayMAC[:])
	copy(ip[24:], ip[8:24])
	copy(ip[8:], target.AsSlice())
	ip[7] = 255
	binary.BigEndian.PutUint16(nd[2:], sum(ip[8:40], nd, []byte{0, 32, 0, 58}))
	return answer(from, b)
}
