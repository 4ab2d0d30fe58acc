// SPDX-License-Identifier: Apache-2.0

package fuzz

import (
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/controlplane/overlay"
	"github.com/mizar-net/mizar/dataplane/encode"
	"github.com/mizar-net/mizar/dataplane/state"
)

// The states of paths, as the rows hold them.
const (
	asked   = uint8(bpf.RowPathStatePATH_ASKED)
	learned = uint8(bpf.RowPathStatePATH_LEARNED)
	local   = uint8(bpf.RowPathStatePATH_LOCAL)
)

type rows map[bpf.RowAddrKey]bpf.RowPath

// outcome is what must become of a frame.
type outcome struct {
	verdict bpf.RowVerdict
	reason  bpf.RowDropReason
	// port it leaves by, and how; none when it is dropped or passes.
	port  uint32
	frame []byte
	// token says that the host chose a token, in the option and in the row.
	token bool
	// learned are the rows of paths that are written.
	learned rows
	// lowered is the host whose MTU an ICMP error lowers.
	lowered string
	mtu     uint16
	// unknown says that the oracle does not know what becomes of the frame.
	unknown bool
}

func dropped(reason bpf.RowDropReason) outcome { return outcome{reason: reason} }

// oracle is what the host knows when a frame comes.
type oracle struct {
	role   Role
	number map[string]uint32 // of hosts
	index  map[string]uint32 // of endpoints
	now    time.Duration
	paths  rows
	parts  bpf.RowFragmented // of the packet's other fragments
}

func key(vni uint32, a netip.Addr) bpf.RowAddrKey { return encode.Addr(vni, a) }

// hostNumbered is the address of the host that a row names.
func (o oracle) hostNumbered(n uint32) (netip.Addr, bool) {
	for name, number := range o.number {
		if number == n && name != "h3" {
			return named[name], true
		}
	}
	return netip.Addr{}, false
}

// choice is who is asked, or where the destination is.
type choice struct {
	host       netip.Addr
	located    bool
	identity   uint32
	generation uint8
}

// directory is the choice of who asks the host's own directory.
func (o oracle) directory(p place) (choice, bpf.RowDropReason) {
	if p.host == "h3" {
		return choice{}, bpf.RowDropReasonDROP_STALE
	}
	return choice{named[p.host], true, p.identity, p.generation}, 0
}

// others are who else knows a subnet's endpoints.
func (o oracle) others(s *subnet, p packet) (choice, bpf.RowDropReason) {
	bouncing := o.role.bounces()
	if s.vni != red {
		bouncing = state.NoBouncer
	}
	if bouncing == state.Complete {
		return choice{}, bpf.RowDropReasonDROP_NO_ENDPOINT
	}
	best := overlay.Choose(o.role.bouncers(s), overlay.Pair{VNI: s.vni, Src: p.src, Dst: p.dst})
	if bouncing == state.Filling && best != "h3" {
		best = "" // nobody comes after this host
	} else if bouncing == state.Filling {
		best = s.bouncers[0]
	}
	if best == "" {
		return choice{}, bpf.RowDropReasonDROP_NO_BOUNCER
	}
	return choice{host: named[best]}, 0
}

// bouncer is asked for an address of a subnet.
func (o oracle) bouncer(s *subnet, p packet) (choice, bpf.RowDropReason) {
	if l, ok := o.role.located(s.vni, p.dst); ok {
		return o.directory(l)
	}
	return o.others(s, p)
}

// ask is whom an endpoint's packet is sent to.
func (o oracle) ask(from *endpoint, p packet) (choice, bpf.RowDropReason) {
	if from.subnet.of(p.dst).Contains(p.dst) {
		if p.dst == from.subnet.gateway(p.dst) {
			return choice{}, bpf.RowDropReasonDROP_GATEWAY
		}
		return o.bouncer(from.subnet, p)
	}
	s := subnetOf(from.vni, p.dst)
	switch {
	case s != nil && o.role.routed(s):
		return o.bouncer(s, p)
	case from.vni != red:
		return choice{}, bpf.RowDropReasonDROP_NO_BOUNCER
	case o.role.divides():
		return choice{}, bpf.RowDropReasonDROP_NO_SUBNET
	}
	return choice{host: h1}, 0
}

// sendBack is the flag of a question that is to come back with the answer.
const sendBack = 2

// asking is an endpoint's packet whose way is not learned; again are the flags of a
// question that was asked a moment ago.
func (o oracle) asking(from *endpoint, p packet, again uint8) (to netip.Addr, l label, out outcome) {
	c, reason := o.ask(from, p)
	if reason != 0 {
		return to, l, dropped(reason)
	}
	k := key(from.vni, p.dst)
	out = outcome{verdict: bpf.RowVerdictVERDICT_ASK, port: uplinkPort}
	l = label{vni: from.vni, identity: from.identity, generation: c.generation}
	row, known := o.paths[k]
	if known && row.State == asked && !c.located && o.now-time.Duration(row.Since) < time.Second {
		l.option = asks(again, 4, from.generation, row.Token, source(c.host))
		return c.host, l, out
	}
	l.option = asks(0, 4, from.generation, 0, source(c.host))
	put := bpf.RowPath{State: asked, Since: uint64(o.now)}
	if c.located {
		out.verdict = bpf.RowVerdictVERDICT_SEND
		put = bpf.RowPath{State: learned, Since: uint64(o.now), Host: o.number[nameOf(c.host)], Identity: c.identity, Generation: c.generation}
	}
	out.token, out.learned = true, rows{k: put}
	return c.host, l, out
}

// complaint is the ICMP error about a packet, to the endpoint that sent it.
func (o oracle) complaint(to *endpoint, p packet, reason bpf.RowDropReason, mtu uint16) ([]byte, bool) {
	said := map[bpf.RowDropReason][2][2]uint8{
		bpf.RowDropReasonDROP_TTL:         {{11, 0}, {3, 0}},
		bpf.RowDropReasonDROP_MTU:         {{3, 4}, {2, 0}},
		bpf.RowDropReasonDROP_NO_ENDPOINT: {{3, 1}, {1, 3}},
		bpf.RowDropReasonDROP_NO_SUBNET:   {{3, 0}, {1, 0}},
		bpf.RowDropReasonDROP_GATEWAY:     {{3, 3}, {1, 4}},
		bpf.RowDropReasonDROP_NO_SERVICE:  {{3, 3}, {1, 4}},
		bpf.RowDropReasonDROP_NO_BACKEND:  {{3, 3}, {1, 4}},
	}
	head, ok := said[reason]
	if !ok || p.isError() || p.fragment == laterFragment {
		return nil, false
	}
	rest := uint32(0)
	if reason == bpf.RowDropReasonDROP_MTU {
		rest = uint32(mtu)
		if p.family == 6 {
			rest = max(rest, 1280)
		}
	}
	b := append(append([]byte(nil), to.mac[:]...), gatewayMAC[:]...)
	if p.family == 4 {
		quote := p.ip()[:min(548, p.length)&^3]
		icmp := append(binary.BigEndian.AppendUint32([]byte{head[0][0], head[0][1], 0, 0}, rest), quote...)
		binary.BigEndian.PutUint16(icmp[2:], sum(icmp))
		ip := binary.BigEndian.AppendUint16([]byte{0x45, 0xc0}, uint16(20+len(icmp)))
		ip = append(append(append(ip, 0, 0, 0x40, 0, 64, 1, 0, 0), to.subnet.gateway(p.src).AsSlice()...), p.src.AsSlice()...)
		binary.BigEndian.PutUint16(ip[10:], sum(ip))
		return append(append(append(b, 8, 0), ip...), icmp...), true
	}
	quote := p.ip()[:min(1232, p.length)&^3]
	icmp := append(binary.BigEndian.AppendUint32([]byte{head[1][0], head[1][1], 0, 0}, rest), quote...)
	addresses := append(to.subnet.gateway(p.src).AsSlice(), p.src.AsSlice()...)
	binary.BigEndian.PutUint16(icmp[2:], sum(icmp, addresses, []byte{0, 58}, binary.BigEndian.AppendUint16(nil, uint16(len(icmp)))))
	ip := append(binary.BigEndian.AppendUint16([]byte{0x60, 0, 0, 0}, uint16(len(icmp))), 58, 64)
	return append(append(append(append(b, 0x86, 0xdd), ip...), addresses...), icmp...), true
}
