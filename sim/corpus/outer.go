// SPDX-License-Identifier: Apache-2.0

package corpus

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"reflect"
	"slices"

	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/sim/capture"
	"github.com/mizar-net/mizar/sim/frame"
	"github.com/mizar-net/mizar/sim/wire/testrun"
)

// outer holds the tunnel's headers to what they must be, and returns what
// stands behind them.
func (t trial) outer() ([]byte, string) {
	d, err := frame.Decode(t.out.Frame)
	if !d.Tunnel {
		return nil, fmt.Sprintf("verdict %s, but no tunnel packet came out: %s (%v) %s", t.verdict(), d, err, d.Malformed)
	}
	if want, got := t.wantOuter(), shown(d); !reflect.DeepEqual(want, got) {
		return nil, fmt.Sprintf("outer headers: want %+v, got %+v", want, got)
	}
	if said := t.outerLengths(d); said != "" {
		return nil, said
	}
	if err == nil && t.head.version != 0 {
		if want := frame.OuterPort(d.Inner); d.OuterSport != want {
			return nil, fmt.Sprintf("outer source port %d, want the entropy of the inner fields, %d", d.OuterSport, want)
		}
	}
	inner := t.out.Frame[overhead(t.out.Frame):]
	for _, wrong := range badChecksums(t.out.Frame) {
		if wrong.Layer == "outer.ip" || wrong.Layer == "outer.udp" {
			return nil, wrong.Error()
		}
	}
	return inner, ""
}

// tunnelHead is what of a tunnel packet does not depend on lengths.
type tunnelHead struct {
	From, To      netip.Addr
	TOS, TTL      uint8
	DF, OAM       bool
	VLAN          uint16
	Checksum      uint16
	VNI, Identity uint32
	Return        *frame.Return
	SendBack      *frame.SendBack
	NotHere       *frame.NotHere
	Refusal       *frame.Refusal
	Others        int
}

func shown(d frame.Packet) tunnelHead {
	h := tunnelHead{From: d.OuterSrc, To: d.OuterDst, TOS: d.OuterTOS, TTL: d.OuterTTL, DF: d.OuterDF, OAM: d.OAM, VLAN: d.VLAN,
		Checksum: d.OuterChecksum, VNI: d.VNI, Return: d.Options.Return, SendBack: d.Options.SendBack,
		NotHere: d.Options.NotHere, Refusal: d.Options.Refusal, Others: len(d.Options.Other)}
	if d.Options.Identity != nil {
		h.Identity = d.Options.Identity.Identity
	}
	if h.Return != nil && (h.Return.Host == self4 || h.Return.Host == self6) {
		own := *h.Return // the token is the host's own choice
		own.Token = 0
		h.Return = &own
	}
	return h
}

// wantOuter is what the way makes of a tunnel's headers.
func (t trial) wantOuter() tunnelHead {
	h := tunnelHead{To: behind(t.head.destination), TOS: t.head.tos(t.in.inner), TTL: 64, VNI: vni}
	if t.way.tunnel != nil {
		h.Identity = t.way.tunnel.Options.Identity.Identity
	}
	if t.verdict() == bpf.RowVerdictVERDICT_SEND_BACK {
		back := t.way.tunnel.Options.Return
		h.SendBack = &frame.SendBack{Generation: 1, Token: back.Token, Host: h.To}
		h.To = back.Host
	}
	if t.verdict() == bpf.RowVerdictVERDICT_NOT_HERE {
		h.To, h.NotHere = t.way.tunnel.Src, &frame.NotHere{}
	}
	if back := t.way.tunnel; t.verdict() == bpf.RowVerdictVERDICT_REFUSE && back != nil && back.Options.Return != nil {
		h.To = back.Options.Return.Host
		h.Refusal = &frame.Refusal{Reason: uint8(t.reason()), Token: back.Options.Return.Token}
		if d, _ := frame.Decode(t.out.Frame); d.Options.Refusal != nil && t.reason() == bpf.RowDropReasonDROP_MTU {
			h.Refusal.MTU = d.Options.Refusal.MTU // how much fits is the host's own
		}
	}
	h.From, h.DF = self6, false
	if h.To.Is4() {
		h.From, h.DF = self4, true
	}
	switch t.verdict() {
	case bpf.RowVerdictVERDICT_RELAY:
		back := *t.way.tunnel.Options.Return
		back.Limit--
		h.Return = &back
	case bpf.RowVerdictVERDICT_ASK, bpf.RowVerdictVERDICT_SEND:
		// What is asked, and how, is the host's own state.
		h.Return = t.asked(h.From)
	}
	return h
}

// asked is the option of an endpoint's packet, as far as the frame alone says
// what must be in it: who asks, and the full limit.
func (t trial) asked(from netip.Addr) *frame.Return {
	d, _ := frame.Decode(t.out.Frame)
	if t.way.Program != testrun.Endpoint || d.Options.Return == nil && t.verdict() == bpf.RowVerdictVERDICT_SEND {
		return nil
	}
	r := &frame.Return{Limit: 4, Host: from}
	if d.Options.Return != nil {
		r.Flags = d.Options.Return.Flags
	}
	return r
}

// behind is the host that an endpoint's address is asked of, or is at.
func behind(a netip.Addr) netip.Addr {
	for e, host := range map[*capture.Endpoint]netip.Addr{&asked: h1, &near: h1, &far: h2} {
		if slices.Contains(e.Addresses, a) {
			return host
		}
	}
	return netip.Addr{}
}

// overhead is how many bytes stand before the inner frame.
func overhead(b []byte) int {
	udp := ethernet + 20
	if binary.BigEndian.Uint16(b[12:]) == frame.TypeIPv6 {
		udp = ethernet + 40
	}
	return udp + 8 + 8 + int(b[udp+8]&0x3f)*4
}

// outerLengths proves the lengths of the outer headers by the inner packet's.
func (t trial) outerLengths(d frame.Packet) string {
	b := t.out.Frame
	udp := ethernet + 20
	if d.OuterDst.Is6() {
		udp = ethernet + 40
	}
	inner := overhead(b) - udp + ethernet + t.head.length
	if got := int(binary.BigEndian.Uint16(b[udp+4:])); got != inner {
		return fmt.Sprintf("outer UDP length %d, want %d", got, inner)
	}
	if outer := headOf(b); outer.length != udp-ethernet+inner {
		return fmt.Sprintf("outer IP length %d, want %d", outer.length, udp-ethernet+inner)
	}
	return ""
}
