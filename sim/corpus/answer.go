// SPDX-License-Identifier: Apache-2.0

package corpus

import (
	"encoding/binary"
	"fmt"

	"github.com/mizar-net/mizar/sim/frame"
)

// answered holds an answer to the question: it goes back to who asked, from the
// gateway's MAC, with the address that was asked for.
func (t trial) answered() string {
	if ifindex := t.out.Record.Ifindex; ifindex != myPort {
		return fmt.Sprintf("answered out of port %d, want where the question came from, %d", ifindex, myPort)
	}
	want, said := t.answer()
	if said != "" {
		return said
	}
	if said := different(want, t.out.Frame); said != "" {
		return said
	}
	if wrong := badChecksums(t.out.Frame); len(wrong) > 0 {
		return "the answer's " + wrong[0].Error()
	}
	return ""
}

// answer is the right answer.
func (t trial) answer() ([]byte, string) {
	d, err := frame.Decode(t.in.frame)
	if err != nil {
		return nil, fmt.Sprintf("answered a question that cannot be read: %v", err)
	}
	b := append([]byte(nil), t.in.frame...)
	copy(b, myMAC[:])
	copy(b[6:], gatewayMAC[:])
	l3 := b[ethernet:]
	switch {
	case d.Inner.ARP != nil && d.Inner.ARP.Op == 1:
		q := d.Inner.ARP
		binary.BigEndian.PutUint16(l3[6:], 2)
		copy(l3[8:], gatewayMAC[:])
		copy(l3[14:], q.TargetIP.AsSlice())
		copy(l3[18:], q.SenderMAC[:])
		copy(l3[24:], q.SenderIP.AsSlice())
	case d.Inner.ND != nil && d.Inner.ICMPType == 135:
		advertise(l3, t.out.Frame)
	default:
		return nil, fmt.Sprintf("answered what is no question: %s", d)
	}
	return b, ""
}

// advertise makes an advertisement of a solicitation; the router flag and the
// checksum are taken from the answer, whose checksum is proved apart.
func advertise(l3, answer []byte) {
	copy(l3[24:40], l3[8:24])
	copy(l3[8:24], l3[48:64])
	l3[7] = 255
	l3[40] = 136
	copy(l3[42:44], answer[ethernet+42:])
	l3[44] = 0x60 | answer[ethernet+44]&0x80
	copy(l3[45:48], []byte{0, 0, 0})
	l3[64] = 2
	copy(l3[66:72], gatewayMAC[:])
}
