// SPDX-License-Identifier: Apache-2.0

package scenario

import (
	"net/netip"
	"strings"

	"go.yaml.in/yaml/v3"

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
	s.Expect = d.expect(expect, Deliver, Drop, Answer)
	if n := f.Optional("answers"); n.Present() {
		answers := n.Int(0, 1000)
		s.Answers = &answers
	}
	for i, item := range f.Optional("frames").List() {
		fr := s.Frames[i]
		if s.At.Uplink != "" && fr.Kind != "geneve" {
			item.FailGot("kind "+fr.Kind+" at an uplink", "kind geneve there")
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
		"ttl", "source", "port", "outerSrc", "vni")
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

func (d *decoder) replay(v strict.Value) *Replay {
	f := v.Fields("at", "uplink", "file", "rewrite", "golden", "ignore", "fresh")
	r := &Replay{
		At:     d.port(v, f),
		File:   d.file(f.Required("file", "the name of a capture")),
		Ignore: strict.Each(f.Optional("ignore"), strict.Value.Text),
		Fresh:  f.Optional("fresh").Bool(),
	}
	d.golden(r, f.Required("golden", "the name of a capture of what must come out"))
	for _, e := range f.Optional("rewrite").Entries() {
		addr, err := netip.ParseAddr(e.Key)
		if err != nil {
			e.Value.FailGot(strict.Quote(e.Key)+" as a key", "addresses of the capture as keys, endpoints as values")
			continue
		}
		if r.Rewrite == nil {
			r.Rewrite = map[netip.Addr]string{}
		}
		r.Rewrite[addr] = d.endpoint(e.Value)
	}
	return r
}

// golden reads one name, or one for each family of the underlay.
func (d *decoder) golden(r *Replay, v strict.Value) {
	if !v.Present() || v.Node().Kind != yaml.MappingNode {
		r.Golden = d.file(v)
		return
	}
	f := v.Fields("v4", "v6")
	r.Over = map[int]string{
		4: d.file(f.Required("v4", "the name of a capture")),
		6: d.file(f.Required("v6", "the name of a capture")),
	}
	if len(d.underlays) == 0 {
		v.FailGot("golden captures by family", "underlay.families in the topology, or one name")
	}
}

// file reads the name of a file that is there.
func (d *decoder) file(v strict.Value) string {
	name, _, _ := d.read(v)
	return name
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
