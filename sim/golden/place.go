// SPDX-License-Identifier: Apache-2.0

package golden

import (
	"encoding/binary"

	"github.com/mizar-net/mizar/sim/frame"
)

// Place is where a field stands in a frame.
type Place struct{ Offset, Size int }

// PlaceOf finds a field in a frame; false for fields without a place of their
// own (a flag, a derived one) and those that the frame does not have.
//
//	outer:  Ethernet [tag] | IP | UDP | Geneve | options …
//	inner:                                       Ethernet [tag] | IP | transport
func PlaceOf(b []byte, name string) (Place, bool) {
	p, err := frame.Decode(b)
	if err != nil {
		return Place{}, false
	}
	f := lookup(name)
	if f == nil || f.value(p) == "" {
		return Place{}, false
	}
	places := map[string]Place{}
	inner := 0
	if p.Tunnel {
		inner = outerPlaces(b, places)
	}
	innerPlaces(b[inner:], inner, p.Inner, places)
	place, ok := places[name]
	return place, ok && place.Offset+place.Size <= len(b)
}

// ethernet is the size of the Ethernet header, tags and all.
func ethernet(b []byte) int {
	at := 14
	for binary.BigEndian.Uint16(b[at-2:]) == frame.TypeVLAN || binary.BigEndian.Uint16(b[at-2:]) == frame.TypeQinQ {
		at += 4
	}
	return at
}

// outerPlaces puts the places of a tunnel's headers in, and returns where the
// inner frame starts.
func outerPlaces(b []byte, places map[string]Place) int {
	ip := ethernet(b)
	places["outer.eth.dst"], places["outer.eth.src"] = Place{0, 6}, Place{6, 6}
	if ip > 14 {
		places["vlan"] = Place{14, 2}
	}
	udp := ip + 40
	if b[ip]>>4 == 4 {
		udp = ip + int(b[ip]&0x0f)*4
		places["outer.tos"], places["outer.id"], places["outer.ttl"] = Place{ip + 1, 1}, Place{ip + 4, 2}, Place{ip + 8, 1}
		places["outer.src"], places["outer.dst"] = Place{ip + 12, 4}, Place{ip + 16, 4}
	} else {
		places["outer.ttl"], places["outer.src"], places["outer.dst"] = Place{ip + 7, 1}, Place{ip + 8, 16}, Place{ip + 24, 16}
	}
	geneve := udp + 8
	places["outer.sport"], places["geneve.vni"] = Place{udp, 2}, Place{geneve + 4, 3}
	end := geneve + 8 + int(b[geneve]&0x3f)*4
	for at := geneve + 8; at+4 <= end; at += 4 + int(b[at+3]&0x1f)*4 {
		if binary.BigEndian.Uint16(b[at:]) == frame.Class {
			optionPlaces(b[at+2], at+4, places)
		}
	}
	return end
}

// optionPlaces are those of one option's body (bpf/include/geneve.h).
func optionPlaces(kind uint8, at int, places map[string]Place) {
	switch kind {
	case frame.OptionIdentity:
		places["geneve.identity.identity"], places["geneve.identity.generation"] = Place{at, 3}, Place{at + 3, 1}
	case frame.OptionReturn:
		places["geneve.return.flags"], places["geneve.return.limit"] = Place{at, 1}, Place{at + 1, 1}
		places["geneve.return.generation"] = Place{at + 2, 1}
		places["geneve.return.token"], places["geneve.return.host"] = Place{at + 4, 4}, Place{at + 8, 16}
	case frame.OptionSendBack:
		places["geneve.send-back.identity"], places["geneve.send-back.generation"] = Place{at, 3}, Place{at + 3, 1}
		places["geneve.send-back.token"], places["geneve.send-back.host"] = Place{at + 4, 4}, Place{at + 8, 16}
	case frame.OptionNotHere:
		places["geneve.not-here"] = Place{at, 24}
	case frame.OptionRefusal:
		places["geneve.refusal.reason"], places["geneve.refusal.mtu"] = Place{at, 1}, Place{at + 2, 2}
		places["geneve.refusal.token"] = Place{at + 4, 4}
	case frame.OptionService:
		places["geneve.service.port"], places["geneve.service.proto"] = Place{at, 2}, Place{at + 2, 1}
		places["geneve.service.frontend"] = Place{at + 4, 16}
	}
}

// innerPlaces are those of a plain frame that starts at byte `start`.
func innerPlaces(b []byte, start int, y frame.Layer, places map[string]Place) {
	put := func(name string, at, size int) { places[name] = Place{start + at, size} }
	l3 := ethernet(b)
	put("inner.eth.dst", 0, 6)
	put("inner.eth.src", 6, 6)
	put("inner.eth.type", l3-2, 2)
	if l3 > 14 {
		put("inner.eth.vlan", 14, 2)
	}
	switch {
	case y.ARP != nil:
		put("inner.arp.op", l3+6, 2)
		put("inner.arp.sender.mac", l3+8, 6)
		put("inner.arp.sender.ip", l3+14, 4)
		put("inner.arp.target.mac", l3+18, 6)
		put("inner.arp.target.ip", l3+24, 4)
	case y.Src.IsValid():
		ipPlaces(b, l3, y, put)
	}
}

// ipPlaces are those of an IP packet at byte l3 of its frame.
func ipPlaces(b []byte, l3 int, y frame.Layer, put func(name string, at, size int)) {
	l4 := l3 + 40
	if y.Src.Is4() {
		l4 = l3 + int(b[l3]&0x0f)*4
		put("inner.ip.tos", l3+1, 1)
		put("inner.ip.id", l3+4, 2)
		put("inner.ip.ttl", l3+8, 1)
		put("inner.ip.proto", l3+9, 1)
		put("inner.ip.src", l3+12, 4)
		put("inner.ip.dst", l3+16, 4)
	} else {
		put("inner.ip.flow", l3+1, 3)
		put("inner.ip.ttl", l3+7, 1)
		put("inner.ip.src", l3+8, 16)
		put("inner.ip.dst", l3+24, 16)
		if len(y.Extensions) == 0 {
			put("inner.ip.proto", l3+6, 1)
		}
	}
	if len(y.Extensions) > 0 { // where they end is known from behind
		l4 = len(b) - len(y.Trailer) - len(y.Payload) - transportSize(y)
	}
	transportPlaces(y, func(name string, at, size int) { put(name, l4+at, size) })
	if n := len(y.Payload); n > 0 && y.ND == nil {
		put("inner.payload", len(b)-len(y.Trailer)-n, n)
	}
	if n := len(y.Trailer); n > 0 {
		put("inner.trailer", len(b)-n, n)
	}
}

// transportSize is that of the header that was understood.
func transportSize(y frame.Layer) int {
	if y.Offset != 0 {
		return 0
	}
	switch y.Proto {
	case frame.ProtoTCP:
		return 20 + len(y.TCPOptions)
	case frame.ProtoUDP:
		return 8
	case frame.ProtoSCTP:
		return 12
	case frame.ProtoICMP, frame.ProtoICMPv6:
		if echo(y) {
			return 8
		}
		return 4
	}
	return 0
}

// echo says that the ICMP header has an identifier and a sequence number.
func echo(y frame.Layer) bool {
	switch y.ICMPType {
	case 0, 8:
		return y.Proto == frame.ProtoICMP
	case 128, 129:
		return y.Proto == frame.ProtoICMPv6
	}
	return false
}

func transportPlaces(y frame.Layer, put func(name string, at, size int)) {
	if y.Offset != 0 {
		return
	}
	switch y.Proto {
	case frame.ProtoTCP:
		put("inner.tcp.seq", 4, 4)
		put("inner.tcp.ack", 8, 4)
		put("inner.tcp.flags", 13, 1)
		put("inner.tcp.window", 14, 2)
		put("inner.tcp.urgent", 18, 2)
		fallthrough
	case frame.ProtoUDP, frame.ProtoSCTP:
		put("inner.sport", 0, 2)
		put("inner.dport", 2, 2)
	case frame.ProtoICMP, frame.ProtoICMPv6:
		put("inner.icmp.type", 0, 1)
		put("inner.icmp.code", 1, 1)
		if echo(y) {
			put("inner.icmp.id", 4, 2)
			put("inner.icmp.seq", 6, 2)
		}
		if y.ND != nil && y.ND.Target.IsValid() {
			put("inner.nd.target", 8, 16)
		}
	}
}
