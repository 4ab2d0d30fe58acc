// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"encoding/binary"
	"slices"

	"github.com/mizar-net/mizar/sim/frame"
	"github.com/mizar-net/mizar/sim/wire"
)

// tunnel says where the outer headers of a tunnel frame stand. The outer IP
// header has neither options nor extension headers.
type tunnel struct {
	ip, udp int
	v6      bool
}

// eachFrame changes a copy of each tunnel frame that a packet was on its
// way.
func eachFrame(change func(b []byte, t tunnel) []byte) func(*wire.Packet) {
	changed := func(b []byte) []byte {
		t, ok := locate(b)
		if !ok {
			return b
		}
		b = change(slices.Clone(b), t)
		t.sum(b)
		return b
	}
	return func(p *wire.Packet) {
		for i := range p.Steps {
			p.Steps[i].In, p.Steps[i].Out = changed(p.Steps[i].In), changed(p.Steps[i].Out)
		}
		for i := range p.Frames {
			p.Frames[i] = changed(p.Frames[i])
		}
	}
}

// locate finds the outer headers of a tunnel frame; false for other frames.
func locate(b []byte) (tunnel, bool) {
	packet, err := frame.Decode(b)
	if err != nil || !packet.Tunnel {
		return tunnel{}, false
	}
	t := tunnel{ip: 14, v6: packet.OuterSrc.Is6()}
	if binary.BigEndian.Uint16(b[12:]) == frame.TypeVLAN {
		t.ip += 4
	}
	t.udp = t.ip + 20
	if t.v6 {
		t.udp = t.ip + 40
	}
	return t, true
}

// sum makes the checksum of an outer IPv4 header right again.
func (t tunnel) sum(b []byte) {
	if t.v6 {
		return
	}
	binary.BigEndian.PutUint16(b[t.ip+10:], 0)
	var sum uint32
	for i := t.ip; i < t.udp; i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	binary.BigEndian.PutUint16(b[t.ip+10:], ^uint16(sum))
}

// constantPort sets the one outer source port.
func constantPort(b []byte, t tunnel) []byte {
	binary.BigEndian.PutUint16(b[t.udp:], 49152)
	return b
}

// clearTOS clears the outer DSCP and ECN.
func clearTOS(b []byte, t tunnel) []byte {
	if t.v6 {
		b[t.ip], b[t.ip+1] = b[t.ip]&0xf0, b[t.ip+1]&0x0f
	} else {
		b[t.ip+1] = 0
	}
	return b
}

// addOption puts an empty option of a foreign class behind the Geneve header.
func addOption(b []byte, t tunnel) []byte {
	geneve := t.udp + 8
	b = slices.Insert(b, geneve+8, 0xff, 0xff, 0x01, 0)
	b[geneve]++ // length of the options, in words
	length := t.ip + 2
	if t.v6 {
		length = t.ip + 4
	}
	for _, at := range []int{length, t.udp + 4} {
		binary.BigEndian.PutUint16(b[at:], binary.BigEndian.Uint16(b[at:])+4)
	}
	return b
}
