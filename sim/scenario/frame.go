// SPDX-License-Identifier: Apache-2.0

package scenario

import (
	"strings"

	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/controlplane/object/strict"
	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/wire"
)

func (d *decoder) send(v, expect strict.Value) *Send {
	f := v.Fields("at", "uplink", "frames", "answers")
	s := &Send{
		At:     d.port(v, f),
		Frames: strict.Each(f.Required("frames", "a list of frames"), d.frame),
	}
	if !expect.Present() {
		v.FailGot("frames without expect", "beside them, expect: {verdict: drop, reason: …}, deliver or answer")
	}
	s.Expect = d.expect(expect, Deliver, Drop, Answer, Pass)
	if s.Expect.Paths > 0 && s.Expect.Verdict != Deliver {
		expect.FailGot("paths with verdict "+string(s.Expect.Verdict), "them only with verdict deliver")
	}
	if n := f.Optional("answers"); n.Present() {
		answers := n.Int(0, 1000)
		s.Answers = &answers
	}
	for i, item := range f.Optional("frames").List() {
		fr := s.Frames[i]
		if s.At.Uplink != "" && fr.Kind != "geneve" && !Outside(fr.Kind) {
			item.FailGot("kind "+fr.Kind+" at an uplink", "kind geneve there, or one of host-…")
		}
		if s.At.Endpoint != "" && Outside(fr.Kind) {
			item.FailGot("kind "+fr.Kind+" at an endpoint", "such a frame at an uplink")
		}
		if s.At.Endpoint != "" && fr.To == "" && !fr.ToAddr.IsValid() && !fr.Target.IsValid() && needsPeer(fr.Kind) {
			item.FailGot("a frame to nobody", "to (an endpoint or an address), or target")
		}
	}
	return s
}

// needsPeer says whether a frame of the kind has a destination of its own.
func needsPeer(kind string) bool {
	switch kind {
	case "arp-announce", "arp-probe", "dad", "rs":
		return false
	}
	return true
}

// port reads where frames enter: "at" an endpoint, or at the "uplink" of a
// host.
func (d *decoder) port(whole strict.Value, f strict.Fields) wire.Port {
	at, uplink := f.Optional("at"), f.Optional("uplink")
	if at.Present() == uplink.Present() {
		whole.FailGot("no port, or two", "at (an endpoint) or uplink (a host)")
	}
	return wire.Port{Endpoint: d.endpoint(at), Uplink: d.host(uplink)}
}

func (d *decoder) frame(v strict.Value) FrameSpec {
	f := v.Fields("kind", "from", "to", "family", "srcMAC", "dstMAC", "srcIP", "senderMAC", "senderIP", "target",
		"ttl", "source", "port", "outerSrc", "vni", "option", "vlan", "proto", "fragment", "extensions", "options", "mapped")
	fr := FrameSpec{
		Kind:       f.Required("kind", "one of "+strings.Join(Kinds, ", ")).Enum(Kinds...),
		From:       d.endpoint(f.Optional("from")),
		Family:     family(f.Optional("family")),
		SrcMAC:     d.mac(f.Optional("srcMAC")),
		DstMAC:     d.mac(f.Optional("dstMAC")),
		SrcIP:      f.Optional("srcIP").Addr(),
		SenderMAC:  d.mac(f.Optional("senderMAC")),
		SenderIP:   f.Optional("senderIP").Addr(),
		Target:     f.Optional("target").Addr(),
		TTL:        uint8(f.Optional("ttl").Int(1, 255)),
		SourcePort: uint16(f.Optional("source").Int(1, 65535)),
		Port:       uint16(f.Optional("port").Int(1, 65535)),
		OuterSrc:   f.Optional("outerSrc").Addr(),
		VNI:        uint32(f.Optional("vni").Int(1, object.MaxVNI)),
		Option:     f.Optional("option").Enum(Options...),
		VLAN:       uint16(f.Optional("vlan").Int(1, object.MaxVLAN)),
		Proto:      uint8(f.Optional("proto").Int(1, 255)),
		Fragment:   fragment(f.Optional("fragment")),
		Extensions: strict.Each(f.Optional("extensions"), func(v strict.Value) uint8 { return uint8(v.Int(0, 255)) }),
		Options:    f.Optional("options").Int(1, 40),
		Mapped:     f.Optional("mapped").Enum("from", "to"),
		At:         object.Position{File: v.File(), Line: v.Line()},
	}
	if fr.Kind == "geneve" {
		f.Required("from", "the endpoint that the inner packet is of")
		f.Required("to", "the endpoint or address that it goes to")
		f.Required("outerSrc", "the underlay address that it comes from")
	}
	fr.To, fr.ToAddr = d.peer(f.Optional("to"))
	return fr
}

// fragment reads {offset: 8, size: 16}.
func fragment(v strict.Value) *Fragment {
	f := v.Fields("offset", "size")
	offset, size := f.Optional("offset"), f.Optional("size")
	part := &Fragment{Offset: offset.Int(0, FragmentPayload), Size: size.Int(1, FragmentPayload)}
	if !v.Present() {
		return nil
	}
	if part.Offset%8 != 0 {
		offset.Fail("a multiple of 8")
	}
	if part.Size%8 != 0 {
		size.Fail("a multiple of 8")
	}
	if isMap(v) && part.Offset+part.Size == 0 {
		v.FailGot("the whole packet", "offset, size or both")
	}
	return part
}

// mac reads an Ethernet address, or the name of the endpoint that has it.
func (d *decoder) mac(v strict.Value) state.MAC {
	if !v.Present() || strings.Contains(v.Node().Value, ":") {
		return state.MAC(v.MAC())
	}
	key := d.endpoint(v)
	for _, e := range d.set.Endpoints {
		if e.Key() == key {
			return state.MAC(e.MAC)
		}
	}
	return state.MAC{}
}

func (d *decoder) hostKey(e strict.Entry) {
	var known []string
	for _, h := range d.set.Hosts {
		if h.Name == e.Key {
			return
		}
		known = append(known, h.Name)
	}
	unknown(e.Value, "host", e.Key, known)
}
