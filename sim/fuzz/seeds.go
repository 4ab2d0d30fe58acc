// SPDX-License-Identifier: Apache-2.0

package fuzz

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/frame"
)

var (
	near4, near6   = netip.MustParseAddr("10.0.0.20"), netip.MustParseAddr("fd00:a::20")
	far4, far6     = netip.MustParseAddr("10.0.1.22"), netip.MustParseAddr("fd00:b::22")
	stale4         = netip.MustParseAddr("10.0.0.30")
	nobody4        = netip.MustParseAddr("10.0.0.99")
	nobody6        = netip.MustParseAddr("fd00:b::99")
	outside4       = netip.MustParseAddr("10.9.0.1")
	gateway4       = subnetA.gateway(near4)
	gateway6       = subnetA.gateway(near6)
	routerOption   = []byte{0x94, 4, 0, 0}
	recordOption   = []byte{7, 11, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	destinationOpt = frame.Extension{Type: 60, Data: make([]byte, 6)}
)

// built is the frame of a spec; one that cannot be built is this file's mistake.
func built(s frame.Spec) []byte {
	b, err := frame.Build(s)
	if err != nil {
		panic(fmt.Sprintf("fuzz: build %+v: %v", s, err))
	}
	return b
}

// sent is an honest packet of an endpoint.
func sent(kind frame.Kind, to netip.Addr, changes ...func(*frame.Spec)) frame.Spec {
	s := frame.Spec{Kind: kind, SrcMAC: me.mac, DstMAC: gatewayMAC, Src: me.v4, Dst: to, SrcPort: 1000, DstPort: 2000, Payload: []byte("payload of it")}
	if to.Is6() {
		s.Src = me.v6
	}
	for _, change := range changes {
		change(&s)
	}
	return s
}

// EndpointSeeds are frames of endpoints, of every kind that can be built.
func EndpointSeeds() [][]byte {
	var all [][]byte
	for _, s := range inner() {
		all = append(all, built(s))
	}
	for _, kind := range []frame.Kind{frame.ARPRequest, frame.ARPReply, frame.ARPAnnounce, frame.ARPProbe} {
		all = append(all, built(frame.Spec{Kind: kind, SrcMAC: me.mac, Src: me.v4, Dst: near4, Target: near4}))
	}
	for _, kind := range []frame.Kind{frame.NS, frame.NA, frame.RS, frame.DAD} {
		all = append(all, built(frame.Spec{Kind: kind, SrcMAC: me.mac, Src: me.v6, Dst: near6, Target: near6}))
	}
	all = append(all, built(frame.Spec{Kind: frame.NS, SrcMAC: me.mac, Src: me.v6, Dst: gateway6, Target: gateway6}),
		built(frame.Spec{Kind: frame.Raw, SrcMAC: me.mac, DstMAC: gatewayMAC, EtherType: 0x88cc, Payload: make([]byte, 46)}))
	// The same of another endpoint, and a tunnel of one's own.
	s := sent(frame.UDP, near4)
	s.SrcMAC, s.Src = neighbour.mac, neighbour.v4
	all = append(all, built(s), built(sent(frame.UDP, self4, func(s *frame.Spec) {
		s.Tunnel = &frame.Tunnel{Src: me.v4, Dst: self4, SrcMAC: me.mac, DstMAC: gatewayMAC, VNI: red, Options: frame.Options{Identity: &frame.Identity{}}}
	})))
	return all
}

// inner are IP packets of an endpoint.
func inner() []frame.Spec {
	var all []frame.Spec
	for _, to := range []netip.Addr{near4, near6, far4, far6, neighbour.v4, neighbour.v6, gateway4, gateway6, stale4, nobody4, nobody6, outside4} {
		for _, kind := range []frame.Kind{frame.UDP, frame.TCP, frame.SCTP, frame.Echo, frame.EchoReply} {
			all = append(all, sent(kind, to))
		}
	}
	for _, to := range []netip.Addr{near4, near6, far4, far6} {
		large := func(s *frame.Spec) { s.Payload = make([]byte, 1450) }
		all = append(all, sent(frame.UDP, to, large), sent(frame.TCP, to, func(s *frame.Spec) { s.TTL, s.TOS = 1, 0xb9 }),
			sent(frame.UDP, to, func(s *frame.Spec) { s.NoChecksum, s.DF = true, to.Is4() }),
			sent(frame.RawIP, to, func(s *frame.Spec) { s.Proto = 47 }))
		for _, f := range []frame.Fragment{{Size: 8}, {Size: 24}, {Offset: 8, Size: 16}, {Offset: 24}, {Offset: 128}} {
			all = append(all, sent(frame.UDP, to, func(s *frame.Spec) { s.IPID, s.Fragment, s.Payload = 7, &f, make([]byte, 200) }))
		}
	}
	for _, to := range []netip.Addr{front4, front6} {
		for _, port := range []uint16{80, 81, 83, 84, 85} {
			at := func(s *frame.Spec) { s.DstPort = port }
			for _, kind := range []frame.Kind{frame.UDP, frame.TCP, frame.SCTP, frame.Echo} {
				all = append(all, sent(kind, to, at))
			}
			all = append(all, sent(frame.UDP, to, at, func(s *frame.Spec) { s.TTL = 1 }), sent(frame.UDP, to, at, func(s *frame.Spec) { s.Payload = make([]byte, 1450) }),
				sent(frame.UDP, to, at, func(s *frame.Spec) { s.NoChecksum = to.Is4() }))
			for _, f := range []frame.Fragment{{Size: 24}, {Offset: 24}} {
				all = append(all, sent(frame.UDP, to, at, func(s *frame.Spec) { s.IPID, s.Fragment, s.Payload = 7, &f, make([]byte, 200) }))
			}
		}
	}
	for _, options := range [][]byte{routerOption, recordOption, {0x83, 7, 4, 10, 0, 0, 1, 0}} {
		all = append(all, sent(frame.UDP, near4, func(s *frame.Spec) { s.IPOptions = options }))
	}
	for _, e := range extensions() {
		all = append(all, sent(frame.TCP, near6, func(s *frame.Spec) { s.Extensions = e }))
	}
	for _, to := range []string{"::ffff:10.0.0.20", "::1", "::", "ff02::1", "::10.0.0.20"} {
		s := sent(frame.UDP, far6)
		b := netip.MustParseAddr(to)
		all = append(all, s)
		all[len(all)-1].Dst = b
	}
	for _, to := range []string{"127.0.0.1", "0.0.0.0", "0.1.2.3", "224.0.0.1", "255.255.255.255"} {
		all = append(all, sent(frame.UDP, netip.MustParseAddr(to)))
	}
	return all
}

// extensions are chains of IPv6 extension headers.
func extensions() [][]frame.Extension {
	many := func(n int) (list []frame.Extension) {
		for range n {
			list = append(list, destinationOpt)
		}
		return list
	}
	// First fragments, whose headers end before byte 128 and behind it.
	first := frame.Extension{Type: frame.ExtensionFragment, Data: []byte{0, 1, 0, 0, 0, 7}}
	return [][]frame.Extension{{first, {Type: 60, Data: make([]byte, 94)}}, {first, {Type: 60, Data: make([]byte, 110)}},
		{{Type: 0, Data: make([]byte, 6)}}, {{Type: 43, Data: []byte{4, 0, 0, 0, 0, 0}}}, {{Type: 43, Data: make([]byte, 6)}},
		many(1), many(4), many(5), many(6), many(7), {{Type: 60, Data: make([]byte, 1022)}}, {{Type: 60, Data: make([]byte, 254)}}}
}

// outer are the tunnels that a packet comes in by.
func outer() []frame.Tunnel {
	identity := func(generation uint8) *frame.Identity {
		return &frame.Identity{Identity: 99, Generation: generation}
	}
	back := func(flags uint8, host netip.Addr) *frame.Return {
		return &frame.Return{Flags: flags, Limit: 4, Generation: 6, Token: Token, Host: host}
	}
	refusal := func(reason bpf.RowDropReason, mtu uint16) *frame.Refusal {
		return &frame.Refusal{Reason: uint8(reason), MTU: mtu, Token: Token}
	}
	options := []frame.Options{
		{}, {Identity: identity(3)}, {Identity: identity(0)}, {Identity: identity(200)},
		{Identity: identity(0), Return: back(0, h1)}, {Identity: identity(3), Return: back(0, h2)}, {Identity: identity(9), Return: back(0, h4)},
		{Identity: identity(3), Return: back(1, h1)}, {Identity: identity(3), Return: back(1, h4)}, {Identity: identity(3), Return: back(2, h4)},
		{Identity: identity(3), Return: back(0, stranger)}, {Identity: identity(3), Return: back(2, stranger)},
		{Identity: identity(3), Return: &frame.Return{Token: Token, Host: h1}},
		{Identity: identity(3), SendBack: &frame.SendBack{Identity: 81, Generation: 4, Token: Token, Host: h4}},
		{Identity: identity(3), SendBack: &frame.SendBack{Identity: 81, Generation: 4, Token: Token + 1, Host: h4}},
		{Identity: identity(3), SendBack: &frame.SendBack{Identity: 81, Generation: 4, Token: Token, Host: stranger}},
		{Identity: identity(3), NotHere: &frame.NotHere{}},
		{Identity: identity(3), Refusal: refusal(bpf.RowDropReasonDROP_MTU, 1300)}, {Identity: identity(3), Refusal: refusal(bpf.RowDropReasonDROP_NO_ENDPOINT, 0)},
		{Identity: identity(3), Refusal: refusal(bpf.RowDropReasonDROP_NO_SUBNET, 0)}, {Identity: identity(3), Refusal: refusal(bpf.RowDropReasonDROP_TTL, 0)},
		{Identity: identity(3), Service: &frame.Service{Port: 80, Proto: 6, Frontend: far4}}, {Identity: identity(0), Service: &frame.Service{Port: 80, Proto: 17, Frontend: far6}},
		{Identity: identity(3), Return: back(0, h1), Other: []frame.Option{{Class: 0x0102, Type: 7, Data: make([]byte, 8)}}},
		{Identity: identity(3), Other: []frame.Option{{Class: 0x0102, Type: 0x87}}},
	}
	var all []frame.Tunnel
	for _, o := range options {
		all = append(all, frame.Tunnel{Src: h1, Dst: self4, SrcMAC: hopMAC[h1], DstMAC: uplinkMAC, VNI: red, Options: o})
	}
	plain := frame.Options{Identity: identity(3)}
	return append(all,
		frame.Tunnel{Src: h2, Dst: self6, VNI: red, Options: plain}, frame.Tunnel{Src: h4, Dst: self4, VNI: blue, Options: frame.Options{Identity: identity(5)}},
		frame.Tunnel{Src: h2, Dst: self6, VNI: red, Options: frame.Options{Identity: identity(0), Return: back(0, h2)}},
		frame.Tunnel{Src: h4, Dst: self4, VNI: red, Options: frame.Options{Identity: identity(3), Return: back(0, h4)}},
		frame.Tunnel{Src: stranger, Dst: self4, VNI: red, Options: plain}, frame.Tunnel{Src: h1, Dst: self4, TOS: 3, VNI: red, Options: plain},
		frame.Tunnel{Src: h1, Dst: self4, VNI: red, Options: plain, OAM: true}, frame.Tunnel{Src: h1, Dst: self4, VNI: red, Options: plain, Checksum: true})
}

// UplinkSeeds are frames of the underlay.
func UplinkSeeds() [][]byte {
	var all [][]byte
	for _, t := range outer() {
		for _, pair := range [][2]netip.Addr{{near4, me.v4}, {me.v4, near4}, {near6, me.v6}, {me.v6, far6}, {near4, far4}, {near6, nobody6}, {me.v4, neighbour.v4}} {
			s := frame.Spec{Kind: frame.UDP, SrcMAC: gatewayMAC, DstMAC: me.mac, Src: pair[0], Dst: pair[1], SrcPort: 1000, DstPort: 2000, TOS: 2, Payload: []byte("of a tunnel"), Tunnel: &t}
			all = append(all, built(s))
		}
		// What just fits this way, and may not on the next.
		for _, pair := range [][2]netip.Addr{{me.v4, near4}, {me.v4, neighbour.v4}, {near4, far4}, {near4, stale4}} {
			s := frame.Spec{Kind: frame.UDP, SrcMAC: gatewayMAC, DstMAC: me.mac, Src: pair[0], Dst: pair[1], Tunnel: &t}
			s.Payload = make([]byte, ethernet+underlayMTU-len(built(s)))
			all = append(all, built(s))
		}
	}
	tunnel := outer()[1]
	for _, s := range inner() {
		if s.Kind == frame.UDP || s.Kind == frame.TCP {
			s.Tunnel = &tunnel
			all = append(all, built(s))
		}
	}
	for _, t := range outer() {
		if t.Options.SendBack == nil && t.Options.NotHere == nil {
			continue
		}
		for _, to := range []netip.Addr{near4, far6} {
			for _, part := range []frame.Fragment{{Size: 24}, {Offset: 24}} {
				all = append(all, built(sent(frame.UDP, to, func(s *frame.Spec) { s.IPID, s.Fragment, s.Payload, s.Tunnel = 7, &part, make([]byte, 200), &t })))
			}
		}
	}
	all = append(all, mapped(), tagged(all[7]))
	for _, mtu := range []uint16{68, 575, 576, 1300, 1499, 1500, 65535} {
		all = append(all, TooBig(h1, mtu), TooBig(h2, mtu), TooBig(stranger, mtu))
	}
	all = append(all, visits()...)
	other := sent(frame.UDP, self4)
	return append(all, built(other), later(TooBig(h1, 1300)))
}

// visits are packets of clients outside, to what is served there and what is not; the
// first has the address of its backend.
func visits() [][]byte {
	all := [][]byte{built(frame.Spec{Kind: frame.TCP, SrcMAC: state.MAC{2, 9, 9, 9, 9, 9}, DstMAC: uplinkMAC, Src: near4, Dst: gate4, SrcPort: 1000, DstPort: 81})}
	for _, to := range []netip.Addr{gate4, gate6, self4, self6} {
		from := stranger
		if to.Is6() {
			from = netip.MustParseAddr("2001:db8:9::9")
		}
		for _, port := range []uint16{80, 81, 83, 84, 30081} {
			for _, kind := range []frame.Kind{frame.UDP, frame.TCP, frame.SCTP, frame.Echo} {
				s := frame.Spec{Kind: kind, SrcMAC: state.MAC{2, 9, 9, 9, 9, 9}, DstMAC: uplinkMAC, Src: from, Dst: to, SrcPort: 1000, DstPort: port, Payload: []byte("of a client")}
				all = append(all, built(s))
				if kind == frame.UDP {
					last := s
					last.TTL = 1
					large := s
					large.Payload = make([]byte, 1450)
					part := s
					part.IPID, part.Fragment, part.Payload = 7, &frame.Fragment{Size: 24}, make([]byte, 200)
					all = append(all, built(last), built(large), built(part), tagged(built(s)))
				}
			}
		}
	}
	return all
}

// mapped comes from the IPv6 address that maps the IPv4 address of a host.
func mapped() []byte {
	t := frame.Tunnel{Src: h2, Dst: self6, VNI: red, Options: frame.Options{Identity: &frame.Identity{Identity: 99, Generation: 3}}}
	b := built(frame.Spec{Kind: frame.UDP, SrcMAC: gatewayMAC, DstMAC: me.mac, Src: near4, Dst: me.v4, Payload: []byte("mapped"), Tunnel: &t})
	a := h1.As16()
	copy(b[ethernet+8:], a[:])
	return b
}

// tagged has the tag of a mere priority.
func tagged(b []byte) []byte {
	return append(append(bytes.Clone(b[:12]), 0x81, 0, 0x20, 0), b[12:]...)
}

// later makes a later fragment of an IPv4 packet.
func later(b []byte) []byte {
	ip := b[ethernet:]
	binary.BigEndian.PutUint16(ip[6:], 100)
	copy(ip[10:], []byte{0, 0})
	binary.BigEndian.PutUint16(ip[10:], sum(ip[:20]))
	return b
}

// TooBig is what a router says of our tunnel's packet to a host.
func TooBig(to netip.Addr, mtu uint16) []byte {
	quoted := packet{frame: make([]byte, ethernet+64), family: 4, src: me.v4, dst: near4, length: 64}.tunnel(to, label{vni: red})[ethernet:]
	s := frame.Spec{Kind: frame.RawIP, SrcMAC: state.MAC{2, 9, 9, 9, 9, 9}, DstMAC: uplinkMAC, Dst: source(to)}
	if to.Is4() {
		s.Src, s.Proto = stranger, 1
		s.Payload = append(binary.BigEndian.AppendUint16([]byte{3, 4, 0, 0, 0, 0}, mtu), quoted...)
	} else {
		s.Src, s.Proto = netip.MustParseAddr("2001:db8:9::9"), 58
		s.Payload = append(binary.BigEndian.AppendUint16([]byte{2, 0, 0, 0, 0, 0}, mtu), quoted...)
	}
	return built(s)
}
