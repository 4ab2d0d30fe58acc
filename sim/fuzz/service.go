// SPDX-License-Identifier: Apache-2.0

package fuzz

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"net/netip"
	"slices"

	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/dataplane/state"
)

// Frontends of VPC red, with one backend for each of their ports.
var (
	front4, front6 = netip.MustParseAddr("172.20.0.1"), netip.MustParseAddr("fd99::1")
	// behind are the backends by the frontend's port: an endpoint of this host, one of
	// another in each subnet, and who asks himself. Nobody is behind the last.
	behind = map[uint16][2]netip.Addr{
		80: {neighbour.v4, neighbour.v6}, 81: {near4, near6}, 82: {far4, far6}, 83: {me.v4, me.v6}, 84: {},
	}
	// speaks are the protocols of all of them.
	speaks = []uint8{6, 17, 132}
)

// backendPort is that of all backends.
const backendPort = 8080

// front is the frontends' address of a family, as behind has them.
func front(family int) netip.Addr { return [2]netip.Addr{front4, front6}[family] }

// services are what the host holds for VPC red.
func services() []state.Service {
	var all []state.Service
	for port, backends := range behind {
		for family, backend := range backends {
			for _, proto := range speaks {
				s := state.Service{
					Name: fmt.Sprintf("ns/%d:%d/%d", proto, port, family), VNI: red, Protocol: proto,
					Frontends: []netip.AddrPort{netip.AddrPortFrom(front(family), port)},
				}
				if backend.IsValid() {
					s.Backends, s.Table = []netip.AddrPort{netip.AddrPortFrom(backend, backendPort)}, []uint16{0}
				}
				all = append(all, s)
			}
		}
	}
	return all
}

// served is a packet of an endpoint as its backend is to get it, if it is for a frontend.
// Nothing is known of its flow.
func served(vni uint32, p packet) (packet, bpf.RowDropReason) {
	family := slices.Index([]netip.Addr{front4, front6}, p.dst)
	if vni != red || family < 0 {
		return p, 0
	}
	if p.fragment == laterFragment {
		return p, bpf.RowDropReasonDROP_FRAGMENT_UNKNOWN
	}
	backends, ok := behind[p.dport]
	switch {
	case p.proto == 0:
		return p, bpf.RowDropReasonDROP_NO_BACKEND // it meets the row that says that this is a frontend
	case !ok || !slices.Contains(speaks, p.proto):
		return p, bpf.RowDropReasonDROP_NO_SERVICE
	case !backends[family].IsValid():
		return p, bpf.RowDropReasonDROP_NO_BACKEND
	case p.proto == 132 && p.fragment != whole:
		return p, bpf.RowDropReasonDROP_FRAGMENT_UNKNOWN // its checksum could not follow
	}
	return p.sentTo(backends[family]), 0
}

// sentTo has the backend as its destination; who asks himself has the frontend as its
// source.
func (p packet) sentTo(backend netip.Addr) packet {
	was := p
	if p.src == backend {
		p.src = p.dst
	}
	p.dst, p.dport, p.turned = backend, backendPort, true
	p = p.changed(func(ip []byte) {
		from, size := 12, 4
		if p.family == 6 {
			from, size = 8, 16
		}
		copy(ip[from:], p.src.AsSlice())
		copy(ip[from+size:], p.dst.AsSlice())
	})
	l4 := p.frame[p.l4 : ethernet+p.length]
	binary.BigEndian.PutUint16(l4[2:], backendPort)
	if p.proto == 132 {
		old := was.frame[was.l4 : ethernet+was.length]
		table := crc32.MakeTable(crc32.Castagnoli)
		change := crc32.Checksum(l4, table) ^ crc32.Checksum(old, table)
		binary.LittleEndian.PutUint32(l4[8:], binary.LittleEndian.Uint32(l4[8:])^change)
		return p
	}
	at := map[uint8]int{6: 16, 17: 6}[p.proto]
	check := binary.BigEndian.Uint16(l4[at:])
	if p.proto == 17 && check == 0 {
		return p
	}
	before := slices.Concat(was.src.AsSlice(), was.dst.AsSlice(), binary.BigEndian.AppendUint16(nil, was.dport))
	after := slices.Concat(p.src.AsSlice(), p.dst.AsSlice(), binary.BigEndian.AppendUint16(nil, p.dport))
	if check = adjusted(check, before, after); p.proto == 17 && check == 0 {
		check = 0xffff
	}
	binary.BigEndian.PutUint16(l4[at:], check)
	return p
}

// adjusted is a checksum after what is under it has changed (RFC 1624).
func adjusted(check uint16, before, after []byte) uint16 {
	if bytes.Equal(before, after) {
		return check
	}
	total := uint32(^check)
	for at := 0; at < len(before); at += 2 {
		total += uint32(^binary.BigEndian.Uint16(before[at:])) + uint32(binary.BigEndian.Uint16(after[at:]))
	}
	for total > 0xffff {
		total = total&0xffff + total>>16
	}
	return ^uint16(total)
}
