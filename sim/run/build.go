// SPDX-License-Identifier: Apache-2.0

package run

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"

	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/frame"
	"github.com/mizar-net/mizar/sim/scenario"
	"github.com/mizar-net/mizar/sim/wire"
)

// built is a frame made from its fields, ready to be put on a port.
type built struct {
	name  string
	bytes []byte
	// to is the full name of the endpoint that an honest network would
	// deliver to; "" for none.
	to   string
	cell Cell
}

// frameKinds are how frames of a scenario are built, and which cell they are
// evidence for.
var frameKinds = map[string]struct {
	kind   frame.Kind
	proto  string
	family int // 0: any
}{
	"udp":          {frame.UDP, "udp", 0},
	"tcp-syn":      {frame.TCP, "tcp", 0},
	"tcp-syn-ack":  {frame.TCP, "tcp", 0},
	"tcp-ack":      {frame.TCP, "tcp", 0},
	"tcp-fin":      {frame.TCP, "tcp", 0},
	"tcp-rst":      {frame.TCP, "tcp", 0},
	"sctp":         {frame.SCTP, "sctp", 0},
	"icmp":         {frame.Echo, "icmp", 0},
	"arp-request":  {frame.ARPRequest, "arp", 4},
	"arp-reply":    {frame.ARPReply, "arp", 4},
	"arp-announce": {frame.ARPAnnounce, "arp", 4},
	"arp-probe":    {frame.ARPProbe, "arp", 4},
	"ns":           {frame.NS, "nd", 6},
	"na":           {frame.NA, "nd", 6},
	"dad":          {frame.DAD, "nd", 6},
	"rs":           {frame.RS, "nd", 6},
	"geneve":       {frame.UDP, "udp", 0},
}

// segments are the flags of those that do not open a connection.
var segments = map[string]frame.TCPFlags{
	"tcp-syn-ack": frame.SYN | frame.ACK,
	"tcp-ack":     frame.ACK,
	"tcp-fin":     frame.FIN | frame.ACK,
	"tcp-rst":     frame.RST,
}

// fragmentID is the identification of all fragments: those of two addresses are
// of one packet.
const fragmentID = 0x6d7a

// noOperation is the IPv4 option that means nothing (RFC 791).
const noOperation = 1

// frames builds a frame for each family that its fields leave open.
func (w world) frames(f scenario.FrameSpec, at wire.Port) ([]built, error) {
	if scenario.Outside(f.Kind) {
		return w.outside(f, at)
	}
	kind := frameKinds[f.Kind]
	from := w.endpoints[f.From]
	if from == nil {
		from = w.endpoints[at.Endpoint]
	}
	if from == nil {
		return nil, fmt.Errorf("%s:%d: the frame is of no endpoint; name one with from", f.At.File, f.At.Line)
	}
	var all []built
	for _, family := range []int{4, 6} {
		if !fits(f, kind.family, family) {
			continue
		}
		b, ok, err := w.frame(f, kind.kind, from, at, family)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: build %s frame: %w", f.At.File, f.At.Line, f.Kind, err)
		}
		if ok {
			b.cell.Proto = kind.proto
			if f.Kind == "geneve" && f.Proto == frame.ProtoTCP {
				b.cell.Proto = "tcp"
			}
			all = append(all, b)
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s:%d: the fields of the %s frame belong to different address families", f.At.File, f.At.Line, f.Kind)
	}
	return all, nil
}

// fits says whether a frame can be of a family: what is written decides.
func fits(f scenario.FrameSpec, kind, family int) bool {
	for _, said := range []int{kind, f.Family} {
		if said != 0 && said != family {
			return false
		}
	}
	if (len(f.Extensions) > 0 || f.Mapped != "") && family == 4 || f.Options > 0 && family == 6 {
		return false
	}
	for _, a := range []netip.Addr{f.ToAddr, f.SrcIP, f.SenderIP, f.Target} {
		if a.IsValid() && familyOf(a) != family {
			return false
		}
	}
	return true
}

func (w world) frame(f scenario.FrameSpec, kind frame.Kind, from *object.Endpoint, at wire.Port, family int) (built, bool, error) {
	src, ok := address(from, family)
	if !ok {
		return built{}, false, nil
	}
	dst, to := f.ToAddr, w.endpoints[f.To]
	if to != nil {
		if dst, ok = address(to, family); !ok {
			return built{}, false, nil
		}
	} else if dst.IsValid() {
		to = w.at(w.vni(from), dst)
	}
	spec := frame.Spec{
		Kind: kind, SrcMAC: state.MAC(from.MAC), DstMAC: f.DstMAC, Src: src, Dst: dst, TTL: f.TTL,
		SrcPort: f.SourcePort, DstPort: f.Port, SenderMAC: f.SenderMAC, SenderIP: f.SenderIP, Target: f.Target,
		Payload: []byte("mizar"),
	}
	w.defaults(&spec, f, from)
	if a, ok := mapped(from); ok && f.Mapped == "from" {
		spec.Src = a
	}
	if a, ok := mapped(to); ok && f.Mapped == "to" {
		spec.Dst = a
	}
	if f.Kind == "geneve" && f.Proto == frame.ProtoTCP {
		spec.Kind, spec.TCPFlags = frame.TCP, frame.SYN
	}
	if flags, later := segments[f.Kind]; later {
		spec.TCPFlags = flags
	}
	for _, kind := range f.Extensions {
		spec.Extensions = append(spec.Extensions, frame.Extension{Type: kind, Data: make([]byte, 6)})
	}
	spec.IPOptions = bytes.Repeat([]byte{noOperation}, f.Options)
	if part := f.Fragment; part != nil {
		spec.Fragment, spec.IPID = &frame.Fragment{Offset: part.Offset, Size: part.Size}, fragmentID
		spec.Payload = make([]byte, scenario.FragmentPayload)
	}
	if f.Kind == "geneve" {
		tunnel, ok := w.tunnel(f, from, at)
		if !ok {
			return built{}, false, fmt.Errorf("host %s has no underlay address of the family of %s", at.Uplink, f.OuterSrc)
		}
		spec.Tunnel = tunnel
	}
	whole, err := frame.Build(spec)
	b := built{bytes: whole, cell: w.cell(from, to, family, "")}
	if to != nil {
		b.to = to.Key()
	}
	b.name = describe(f, from, spec, family)
	return b, true, err
}

// mapped is the IPv4 address of an endpoint in the form of IPv6.
func mapped(e *object.Endpoint) (netip.Addr, bool) {
	if e == nil {
		return netip.Addr{}, false
	}
	a, ok := address(e, 4)
	return netip.AddrFrom16(a.As16()), ok
}

// defaults makes what is left open honest.
func (w world) defaults(s *frame.Spec, f scenario.FrameSpec, from *object.Endpoint) {
	if f.SrcMAC != (state.MAC{}) {
		s.SrcMAC = f.SrcMAC
	}
	if f.SrcIP.IsValid() {
		s.Src = f.SrcIP
	}
	if s.SrcPort == 0 {
		s.SrcPort = 40000
	}
	if s.DstPort == 0 {
		s.DstPort = 7
	}
	switch s.Kind {
	case frame.UDP, frame.TCP, frame.SCTP, frame.Echo, frame.NA, frame.ARPReply:
		if s.DstMAC == (state.MAC{}) {
			s.DstMAC = w.gateways[from.Subnet]
		}
	}
	if s.Kind == frame.TCP {
		s.TCPFlags, s.Payload = frame.SYN, nil
	}
	if !s.Target.IsValid() && (s.Kind == frame.NS || s.Kind == frame.ARPRequest) {
		s.Target, s.Dst = s.Dst, netip.Addr{}
	}
	switch s.Kind {
	case frame.NS, frame.NA, frame.DAD, frame.RS, frame.ARPRequest, frame.ARPReply, frame.ARPAnnounce, frame.ARPProbe:
		s.Payload = nil
	}
}

// tunnel is the outer side of a frame that comes in at a host's uplink.
func (w world) tunnel(f scenario.FrameSpec, from *object.Endpoint, at wire.Port) (*frame.Tunnel, bool) {
	vni := f.VNI
	if vni == 0 {
		vni = w.vni(from)
	}
	addresses := w.hosts[at.Uplink].Addresses
	i := slices.IndexFunc(addresses, func(a netip.Addr) bool { return a.Is4() == f.OuterSrc.Is4() })
	if i < 0 {
		return nil, false
	}
	return &frame.Tunnel{
		Src: f.OuterSrc, Dst: addresses[i], VNI: vni,
		Options: forged(f),
	}, true
}

// forged are the options of a tunnel that nobody asked for.
func forged(f scenario.FrameSpec) frame.Options {
	const token = 1
	o := frame.Options{Identity: &frame.Identity{}}
	switch f.Option {
	case "question":
		o.Return = &frame.Return{Limit: 4, Token: token, Host: f.OuterSrc}
	case "send-back":
		o.SendBack = &frame.SendBack{Token: token, Host: f.OuterSrc}
	case "not-here":
		o.NotHere = &frame.NotHere{}
	case "refusal":
		o.Refusal = &frame.Refusal{Reason: uint8(bpf.RowDropReasonDROP_NO_ENDPOINT), Token: token}
	}
	return o
}

// describe names a frame by what is special about it.
func describe(f scenario.FrameSpec, from *object.Endpoint, s frame.Spec, family int) string {
	text := fmt.Sprintf("%s of %s", f.Kind, scenario.Short(from.Key()))
	switch {
	case s.Target.IsValid() && s.Kind != frame.DAD:
		text += fmt.Sprintf(" for %s", s.Target)
	case f.To != "":
		text += fmt.Sprintf(" → %s", scenario.Short(f.To))
	case f.ToAddr.IsValid():
		text += fmt.Sprintf(" → %s", f.ToAddr)
	}
	if f.SrcMAC != (state.MAC{}) {
		text += ", other source MAC"
	}
	if f.DstMAC != (state.MAC{}) {
		text += ", other destination MAC"
	}
	if f.SrcIP.IsValid() {
		text += fmt.Sprintf(", source %s", f.SrcIP)
	}
	if f.SenderMAC != (state.MAC{}) || f.SenderIP.IsValid() {
		text += ", other sender in the body"
	}
	if f.OuterSrc.IsValid() {
		text += fmt.Sprintf(", outer source %s", f.OuterSrc)
	}
	if part := f.Fragment; part != nil {
		text += fmt.Sprintf(", fragment from %d", part.Offset)
		if part.Size > 0 {
			text += fmt.Sprintf(" of %d bytes", part.Size)
		}
	}
	if len(f.Extensions) > 0 {
		text += fmt.Sprintf(", extensions %v", f.Extensions)
	}
	if f.Mapped != "" {
		text += ", " + f.Mapped + " an IPv4 address in the form of IPv6"
	}
	if f.Options > 0 {
		text += fmt.Sprintf(", %d bytes of options", f.Options)
	}
	if f.Option != "" {
		text += ", a forged " + f.Option
	}
	return text + " " + familyName(family)
}
