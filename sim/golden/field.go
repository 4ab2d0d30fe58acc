// SPDX-License-Identifier: Apache-2.0

package golden

import (
	"fmt"
	"net"

	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/frame"
)

// field is one comparable field of a packet. A value prints as people write
// it; "" means that the packet has no such field.
type field struct {
	name  string
	value func(frame.Packet) string
}

// Fields are the names that a comparison can ignore, in the order in which they
// are compared. A name that ends in ".*" ignores all below it.
func Fields() []string {
	names := packetFields()
	for _, n := range notes {
		names = append(names, n.name)
	}
	return append(names, "checksum", "bytes")
}

// Value is a field of a packet as it is printed; "" when the packet has no such
// field, or there is none of that name.
func Value(p frame.Packet, name string) string {
	if f := lookup(name); f != nil {
		return f.value(p)
	}
	return ""
}

// packetFields are those that stand in a packet.
func packetFields() []string {
	names := make([]string, 0, len(fields))
	for _, f := range fields {
		names = append(names, f.name)
	}
	return names
}

// notes are what is known of a frame beside its bytes; "" is not known, and
// equals everything.
var notes = []struct {
	name  string
	value func(Frame) string
}{
	{"verdict", func(f Frame) string { return f.Verdict }},
	{"reason", func(f Frame) string { return f.Reason }},
	{"xdp", func(f Frame) string { return f.Action }},
	{"input", func(f Frame) string { return number(uint16(f.Input)) }},
}

// fields of the outer side come first, then the tunnel's, then the inner ones.
var fields = concat(outerFields, optionFields, innerFields, transportFields, neighbourFields)

func concat(lists ...[]field) []field {
	var all []field
	for _, list := range lists {
		all = append(all, list...)
	}
	return all
}

var outerFields = []field{
	{"vlan", func(p frame.Packet) string { return number(p.VLAN) }},
	{"tunnel", func(p frame.Packet) string { return fmt.Sprint(p.Tunnel) }},
	{"malformed", func(p frame.Packet) string { return p.Malformed }},
	{"outer.eth.src", func(p frame.Packet) string { return tunnel(p, mac(p.OuterSrcMAC)) }},
	{"outer.eth.dst", func(p frame.Packet) string { return tunnel(p, mac(p.OuterDstMAC)) }},
	{"outer.src", func(p frame.Packet) string { return tunnel(p, p.OuterSrc) }},
	{"outer.dst", func(p frame.Packet) string { return tunnel(p, p.OuterDst) }},
	{"outer.tos", func(p frame.Packet) string { return tunnel(p, p.OuterTOS) }},
	{"outer.ttl", func(p frame.Packet) string { return tunnel(p, p.OuterTTL) }},
	{"outer.id", func(p frame.Packet) string { return tunnel(p, p.OuterID) }},
	{"outer.df", func(p frame.Packet) string { return tunnel(p, p.OuterDF) }},
	{"outer.sport", func(p frame.Packet) string { return tunnel(p, p.OuterSport) }},
	{"geneve.vni", func(p frame.Packet) string { return tunnel(p, p.VNI) }},
	{"geneve.oam", func(p frame.Packet) string { return tunnel(p, p.OAM) }},
	{"geneve.critical", func(p frame.Packet) string { return tunnel(p, p.Critical) }},
}

var optionFields = concat(
	option("geneve.identity", func(o frame.Options) *frame.Identity { return o.Identity }, map[string]func(frame.Identity) any{
		"identity":   func(o frame.Identity) any { return o.Identity },
		"generation": func(o frame.Identity) any { return o.Generation },
	}),
	option("geneve.return", func(o frame.Options) *frame.Return { return o.Return }, map[string]func(frame.Return) any{
		"flags":      func(o frame.Return) any { return o.Flags },
		"limit":      func(o frame.Return) any { return o.Limit },
		"generation": func(o frame.Return) any { return o.Generation },
		"token":      func(o frame.Return) any { return o.Token },
		"host":       func(o frame.Return) any { return o.Host },
	}),
	option("geneve.send-back", func(o frame.Options) *frame.SendBack { return o.SendBack }, map[string]func(frame.SendBack) any{
		"identity":   func(o frame.SendBack) any { return o.Identity },
		"generation": func(o frame.SendBack) any { return o.Generation },
		"token":      func(o frame.SendBack) any { return o.Token },
		"host":       func(o frame.SendBack) any { return o.Host },
	}),
	option("geneve.not-here", func(o frame.Options) *frame.NotHere { return o.NotHere }, map[string]func(frame.NotHere) any{}),
	option("geneve.refusal", func(o frame.Options) *frame.Refusal { return o.Refusal }, map[string]func(frame.Refusal) any{
		"reason": func(o frame.Refusal) any { return o.Reason },
		"mtu":    func(o frame.Refusal) any { return o.MTU },
		"token":  func(o frame.Refusal) any { return o.Token },
	}),
	option("geneve.service", func(o frame.Options) *frame.Service { return o.Service }, map[string]func(frame.Service) any{
		"port":     func(o frame.Service) any { return o.Port },
		"proto":    func(o frame.Service) any { return o.Proto },
		"frontend": func(o frame.Service) any { return o.Frontend },
	}),
	[]field{{"geneve.other", func(p frame.Packet) string { return others(p.Options.Other) }}},
)

var innerFields = []field{
	{"inner.eth.src", func(p frame.Packet) string { return mac(p.Inner.SrcMAC) }},
	{"inner.eth.dst", func(p frame.Packet) string { return mac(p.Inner.DstMAC) }},
	{"inner.eth.vlan", func(p frame.Packet) string { return number(p.Inner.VLAN) }},
	{"inner.eth.type", func(p frame.Packet) string { return fmt.Sprintf("%#04x", p.Inner.EtherType) }},
	{"inner.ip.src", func(p frame.Packet) string { return ip(p, p.Inner.Src) }},
	{"inner.ip.dst", func(p frame.Packet) string { return ip(p, p.Inner.Dst) }},
	{"inner.ip.ttl", func(p frame.Packet) string { return ip(p, p.Inner.TTL) }},
	{"inner.ip.tos", func(p frame.Packet) string { return ip(p, p.Inner.TOS) }},
	{"inner.ip.flow", func(p frame.Packet) string { return ip(p, p.Inner.FlowLabel) }},
	{"inner.ip.id", func(p frame.Packet) string { return ip(p, p.Inner.IPID) }},
	{"inner.ip.df", func(p frame.Packet) string { return ip(p, p.Inner.DF) }},
	{"inner.ip.more", func(p frame.Packet) string { return ip(p, p.Inner.More) }},
	{"inner.ip.offset", func(p frame.Packet) string { return ip(p, p.Inner.Offset) }},
	{"inner.ip.options", func(p frame.Packet) string { return fmt.Sprintf("%x", p.Inner.IPOptions) }},
	{"inner.ip.extensions", func(p frame.Packet) string { return ip(p, p.Inner.Extensions) }},
	{"inner.ip.proto", func(p frame.Packet) string { return ip(p, p.Inner.Proto) }},
	{"inner.sport", func(p frame.Packet) string { return ports(p, p.Inner.SrcPort) }},
	{"inner.dport", func(p frame.Packet) string { return ports(p, p.Inner.DstPort) }},
}

var transportFields = []field{
	{"inner.tcp.flags", func(p frame.Packet) string { return proto(p, p.Inner.TCPFlags, frame.ProtoTCP) }},
	{"inner.tcp.seq", func(p frame.Packet) string { return proto(p, p.Inner.Seq, frame.ProtoTCP) }},
	{"inner.tcp.ack", func(p frame.Packet) string { return proto(p, p.Inner.Ack, frame.ProtoTCP) }},
	{"inner.tcp.window", func(p frame.Packet) string { return proto(p, p.Inner.Window, frame.ProtoTCP) }},
	{"inner.tcp.urgent", func(p frame.Packet) string { return proto(p, p.Inner.Urgent, frame.ProtoTCP) }},
	{"inner.tcp.options", func(p frame.Packet) string { return fmt.Sprintf("%x", p.Inner.TCPOptions) }},
	{"inner.udp.checksum", func(p frame.Packet) string {
		return proto(p, map[bool]string{true: "absent", false: "present"}[p.Inner.Checksum == 0], frame.ProtoUDP)
	}},
	{"inner.icmp.type", func(p frame.Packet) string {
		return proto(p, p.Inner.ICMPType, frame.ProtoICMP, frame.ProtoICMPv6)
	}},
	{"inner.icmp.code", func(p frame.Packet) string {
		return proto(p, p.Inner.ICMPCode, frame.ProtoICMP, frame.ProtoICMPv6)
	}},
	{"inner.icmp.id", func(p frame.Packet) string {
		return proto(p, p.Inner.ICMPID, frame.ProtoICMP, frame.ProtoICMPv6)
	}},
	{"inner.icmp.seq", func(p frame.Packet) string {
		return proto(p, p.Inner.ICMPSeq, frame.ProtoICMP, frame.ProtoICMPv6)
	}},
}

var neighbourFields = []field{
	{"inner.arp.op", arp(func(a frame.ARP) any { return a.Op })},
	{"inner.arp.sender.mac", arp(func(a frame.ARP) any { return mac(a.SenderMAC) })},
	{"inner.arp.sender.ip", arp(func(a frame.ARP) any { return a.SenderIP })},
	{"inner.arp.target.mac", arp(func(a frame.ARP) any { return mac(a.TargetMAC) })},
	{"inner.arp.target.ip", arp(func(a frame.ARP) any { return a.TargetIP })},
	{"inner.nd.target", nd(func(n frame.ND) any { return n.Target })},
	{"inner.nd.router", nd(func(n frame.ND) any { return n.Router })},
	{"inner.nd.solicited", nd(func(n frame.ND) any { return n.Solicited })},
	{"inner.nd.override", nd(func(n frame.ND) any { return n.Override })},
	{"inner.nd.link-layer", nd(func(n frame.ND) any {
		if !n.HasLinkLayer {
			return ""
		}
		return mac(n.LinkLayer)
	})},
	{"inner.payload", func(p frame.Packet) string { return fmt.Sprintf("%x", p.Inner.Payload) }},
	{"inner.trailer", func(p frame.Packet) string { return fmt.Sprintf("%x", p.Inner.Trailer) }},
}

func mac(m state.MAC) string { return net.HardwareAddr(m[:]).String() }

// number prints a number for which zero means absent.
func number(n uint16) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprint(n)
}

func tunnel(p frame.Packet, v any) string {
	if !p.Tunnel {
		return ""
	}
	return fmt.Sprint(v)
}

func ip(p frame.Packet, v any) string {
	if !p.Inner.Src.IsValid() {
		return ""
	}
	return fmt.Sprint(v)
}

// proto prints a field that only some protocols have, and later fragments not.
func proto(p frame.Packet, v any, protocols ...uint8) string {
	for _, n := range protocols {
		if p.Inner.Proto == n && p.Inner.Offset == 0 && p.Inner.Src.IsValid() {
			return fmt.Sprint(v)
		}
	}
	return ""
}

func ports(p frame.Packet, v uint16) string {
	return proto(p, v, frame.ProtoTCP, frame.ProtoUDP, frame.ProtoSCTP)
}

func arp(get func(frame.ARP) any) func(frame.Packet) string {
	return func(p frame.Packet) string {
		if p.Inner.ARP == nil {
			return ""
		}
		return fmt.Sprint(get(*p.Inner.ARP))
	}
}

func nd(get func(frame.ND) any) func(frame.Packet) string {
	return func(p frame.Packet) string {
		if p.Inner.ND == nil {
			return ""
		}
		return fmt.Sprint(get(*p.Inner.ND))
	}
}
