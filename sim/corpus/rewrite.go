// SPDX-License-Identifier: Apache-2.0

package corpus

import (
	"encoding/binary"
	"errors"
	"net/netip"

	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/capture"
	"github.com/mizar-net/mizar/sim/frame"
)

// roles say who takes the place of a frame's source and destination; an
// endpoint without addresses takes none, and gives its MAC address alone.
type roles struct {
	source, destination capture.Endpoint
	gateway             state.MAC
}

// Sent is a foreign frame as one endpoint sends it to another by the gateway:
// both addresses are replaced, transport and length stay, and a checksum that was
// wrong is as wrong as before. Groups stay groups. Forced says that the frame is
// too broken to be understood, and only the bytes where its addresses should stand
// were replaced.
func Sent(foreign []byte, from, to capture.Endpoint, gateway state.MAC) (b []byte, forced bool) {
	if len(foreign) < ethernet {
		return append([]byte(nil), foreign...), true
	}
	r := roles{from, to, gateway}.rewrite(foreign)
	if !r.forced {
		spoil(r.frame, foreign)
	}
	return r.frame, r.forced
}

// Destination is who a foreign frame is to, seen from outside any tunnel; the
// zero address when it says nobody.
func Destination(foreign []byte) netip.Addr {
	d, _ := frame.Decode(foreign) // what could be read is what there is
	_, dst := parties(d)
	return dst
}

// rewritten is a frame with other addresses.
type rewritten struct {
	frame []byte
	// forced says that the frame is too broken for [capture.Capture.Rewrite]
	// and only the bytes of its addresses were replaced.
	forced bool
}

// rewrite puts the roles into a frame. A checksum that was wrong is wrong by as
// much afterwards.
func (r roles) rewrite(b []byte) rewritten {
	d, err := frame.Decode(b)
	src, dst := parties(d)
	if err != nil {
		return rewritten{r.force(b), true}
	}
	if src == dst && src.IsValid() {
		// One address cannot become two: the destination gets another
		// one, which is replaced in its turn.
		dst = placeholder(dst)
		b = append([]byte(nil), b...)
		patch(b, netip.Addr{}, dst)
	}
	c := capture.Capture{Packets: []capture.Packet{{Number: 1, Offset: -1, Frame: b}}}
	c, err = c.Rewrite(r.mapping(src, dst), r.gateway)
	if err != nil {
		return rewritten{r.force(b), true}
	}
	out := c.Packets[0].Frame
	r.dress(out)
	return rewritten{frame: out}
}

// mapping keeps addresses that a conversation cannot have as its own: groups
// stay groups, who has no address yet goes on without.
func (r roles) mapping(src, dst netip.Addr) map[netip.Addr]capture.Endpoint {
	to := map[netip.Addr]capture.Endpoint{}
	if len(r.destination.Addresses) > 0 && !dst.IsMulticast() && !dst.IsUnspecified() && dst != broadcast {
		to[dst] = r.destination
	}
	if len(r.source.Addresses) > 0 && !src.IsUnspecified() {
		to[src] = r.source
	}
	return to
}

var broadcast = netip.MustParseAddr("255.255.255.255")

// parties are who a frame is from and to, seen from outside any tunnel.
func parties(d frame.Packet) (src, dst netip.Addr) {
	y := d.Inner
	switch {
	case d.Tunnel:
		return d.OuterSrc, d.OuterDst
	case y.ARP != nil:
		return y.ARP.SenderIP, y.ARP.TargetIP
	case y.ND != nil && y.Dst.IsMulticast() && y.ND.Target.IsValid():
		return y.Src, y.ND.Target
	}
	return y.Src, y.Dst
}

func placeholder(a netip.Addr) netip.Addr {
	if a.Is4() {
		return netip.MustParseAddr("198.19.255.254")
	}
	return netip.MustParseAddr("2001:2:0:ffff::fe")
}

// dress puts the Ethernet addresses on; a group stays a group.
func (r roles) dress(b []byte) {
	if r.source.MAC != (state.MAC{}) {
		copy(b[6:12], r.source.MAC[:])
	}
	if b[0]&1 == 0 {
		copy(b[:6], r.gateway[:])
	}
}

// force writes the addresses where a sound frame would have them, as far as it
// reaches.
func (r roles) force(b []byte) []byte {
	out := append([]byte(nil), b...)
	if len(out) < ethernet {
		return out
	}
	r.dress(out)
	var src, dst netip.Addr
	v6 := binary.BigEndian.Uint16(out[12:]) == frame.TypeIPv6
	for side, e := range map[*netip.Addr]capture.Endpoint{&src: r.source, &dst: r.destination} {
		for _, a := range e.Addresses {
			if a.Is6() == v6 {
				*side = a
			}
		}
	}
	patch(out, src, dst)
	return out
}

// ethernet is the length of an untagged Ethernet header.
const ethernet = 14

// patch overwrites the addresses of an untagged IP header, or of ARP; an
// invalid one is left as it is.
func patch(b []byte, src, dst netip.Addr) {
	var at [2]int
	size := 4
	switch binary.BigEndian.Uint16(b[12:]) {
	case frame.TypeIPv4:
		at = [2]int{12, 16}
	case frame.TypeARP:
		at = [2]int{14, 24}
	case frame.TypeIPv6:
		at, size = [2]int{8, 24}, 16
	default:
		return
	}
	for i, a := range []netip.Addr{src, dst} {
		if from := ethernet + at[i]; a.IsValid() && a.BitLen() == size*8 && from+size <= len(b) {
			copy(b[from:], a.AsSlice())
		}
	}
}

// spoil makes the checksums that were wrong in the original as wrong in the
// rewritten frame, which has the same layout.
func spoil(b, original []byte) {
	if d, err := frame.Decode(original); err != nil || d.Tunnel {
		return
	}
	for _, wrong := range badChecksums(original) {
		place := b[wrong.At:]
		if wrong.Layer == "inner.sctp" {
			binary.LittleEndian.PutUint32(place, binary.LittleEndian.Uint32(place)^wrong.Want^wrong.Got)
			continue
		}
		sum := uint32(binary.BigEndian.Uint16(place)) + wrong.Got + (wrong.Want ^ 0xffff)
		for sum>>16 != 0 {
			sum = sum&0xffff + sum>>16
		}
		if sum == 0 {
			sum = 0xffff // the other zero, which does not mean "none"
		}
		binary.BigEndian.PutUint16(place, uint16(sum))
	}
}

// badChecksums are the wrong ones of a frame; none when it cannot be read.
func badChecksums(b []byte) []*frame.ChecksumError {
	err := frame.VerifyChecksums(b)
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return nil
	}
	var list []*frame.ChecksumError
	for _, e := range joined.Unwrap() {
		var wrong *frame.ChecksumError
		if errors.As(e, &wrong) {
			list = append(list, wrong)
		}
	}
	return list
}
