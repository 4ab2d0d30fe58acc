// SPDX-License-Identifier: Apache-2.0

package fuzz

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"

	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/frame"
)

// Where clients outside come to: an address of their own, and the host's by node ports.
// Ports are as behind has them.
var (
	gate4, gate6 = netip.MustParseAddr("198.51.100.1"), netip.MustParseAddr("2001:db8:77::1")
	nodePorts    = map[uint16]uint16{30080: 80, 30081: 81, 30082: 82, 30084: 84}
)

// outsideServices are what the host holds for clients outside, with backends of VPC red.
func outsideServices() []state.OutsideService {
	var all []state.OutsideService
	for node, port := range nodePorts {
		for family, backend := range behind[port] {
			gate, self := [2]netip.Addr{gate4, gate6}[family], [2]netip.Addr{self4, self6}[family]
			for _, proto := range speaks {
				s := state.OutsideService{
					Name: fmt.Sprintf("ns/%d:%d/%d/outside", proto, port, family), VNI: red, Protocol: proto,
					Frontends: []netip.AddrPort{netip.AddrPortFrom(self, node), netip.AddrPortFrom(gate, port)},
				}
				slices.SortFunc(s.Frontends, netip.AddrPort.Compare)
				if backend.IsValid() {
					host, generation := located(backend)
					s.Backends, s.Table = []state.OutsideBackend{{At: netip.AddrPortFrom(backend, backendPort), Host: host, Generation: generation}}, []uint16{0}
				}
				all = append(all, s)
			}
		}
	}
	return all
}

// located is where a backend of VPC red is.
func located(backend netip.Addr) (host string, generation uint8) {
	if e := living(red, backend); e != nil {
		return "h3", e.generation
	}
	p := elsewhere[backend]
	return p.host, p.generation
}

// come is what becomes of a frame from the underlay that is none of the tunnel: a client's
// packet to a frontend goes to its backend, all else to the stack.
func (o oracle) come(h heard) outcome {
	pass := outcome{verdict: bpf.RowVerdictVERDICT_PASS, frame: h.b}
	if len(h.b) < ethernet {
		return pass
	}
	b := h.b
	if binary.BigEndian.Uint16(b[12:]) == frame.TypeVLAN {
		if len(b) < ethernet+4 || binary.BigEndian.Uint16(b[14:])&0xfff != 0 {
			return pass
		}
		b = b[4:]
	}
	p, reason := read(b)
	if reason == 0 && p.l4 != 0 && (p.proto == frame.ProtoICMP || p.proto == frame.ProtoICMPv6) {
		pass.unknown = quotesFrontend(b)
		return pass
	}
	if reason != 0 || p.l4 == 0 || !slices.Contains(speaks, p.proto) {
		return pass // a later fragment follows a first one, and here none has come
	}
	backends, ok := atGate(p.dst, p.dport)
	if !ok {
		return pass
	}
	family := 0
	if p.family == 6 {
		family = 1
	}
	return lead(p, backends[family])
}

// atGate is what stands behind an address and port, one a family, if clients outside come
// there.
func atGate(dst netip.Addr, port uint16) (backends [2]netip.Addr, ok bool) {
	ok = dst == gate4 || dst == gate6
	if dst == self4 || dst == self6 {
		port, ok = nodePorts[port], nodePorts[port] != 0
	}
	if !slices.Contains([]uint16{80, 81, 82, 84}, port) {
		return backends, false
	}
	backends, some := behind[port]
	return backends, ok && some
}

// quotesFrontend says that an ICMP error quotes what has come from a frontend. It goes to
// the backend then, which tests of the wires look at packet by packet.
func quotesFrontend(b []byte) bool {
	p, err := frame.Decode(b)
	if err != nil || p.Inner.Error == nil {
		return false
	}
	q, err := p.Inner.Error.Quote()
	if err != nil {
		return false
	}
	_, ok := atGate(q.Src, q.SrcPort)
	return ok
}

// lead is a client's packet on its way to a backend; none: nobody is there.
func lead(p packet, backend netip.Addr) outcome {
	if !backend.IsValid() {
		return dropped(bpf.RowDropReasonDROP_NO_BACKEND)
	}
	name, generation := located(backend)
	to, here := named[name], name == "h3"
	switch {
	case here && p.length > endpointMTU || !here && p.length > most(to):
		return dropped(bpf.RowDropReasonDROP_MTU) // it can't tell who is outside
	case p.src == backend:
		return dropped(bpf.RowDropReasonDROP_FLOW_TAKEN)
	case p.proto == frame.ProtoSCTP && p.fragment != whole:
		return dropped(bpf.RowDropReasonDROP_FRAGMENT_UNKNOWN)
	case p.ttl <= 1:
		return dropped(bpf.RowDropReasonDROP_TTL)
	case here:
		return dropped(bpf.RowDropReasonDROP_NO_HOST) // it has no way to the outside
	}
	front := option(frame.OptionService, uint32(p.dport)<<16|uint32(p.proto)<<8, 0, p.dst)
	return outcome{
		verdict: bpf.RowVerdictVERDICT_SERVE, port: uplinkPort,
		frame: p.sentTo(backend).routed().tunnel(to, label{vni: red, generation: generation, option: front}),
	}
}
