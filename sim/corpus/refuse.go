// SPDX-License-Identifier: Apache-2.0

package corpus

import (
	"bytes"
	"fmt"

	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/sim/frame"
)

// said is what an endpoint is told, by reason: type and code of ICMP and ICMPv6.
var said = map[bpf.RowDropReason][2][2]uint8{
	bpf.RowDropReasonDROP_TTL:         {{11, 0}, {3, 0}},
	bpf.RowDropReasonDROP_MTU:         {{3, 4}, {2, 0}},
	bpf.RowDropReasonDROP_NO_ENDPOINT: {{3, 1}, {1, 3}},
	bpf.RowDropReasonDROP_NO_SUBNET:   {{3, 0}, {1, 0}},
	bpf.RowDropReasonDROP_GATEWAY:     {{3, 3}, {1, 4}},
}

// refused holds an ICMP error to the packet that it is about: it goes back to who
// sent it, from the gateway, says the reason and quotes the packet as it was.
func (t trial) refused() string {
	if ifindex := t.out.Record.Ifindex; ifindex != myPort {
		return fmt.Sprintf("refused out of port %d, want where the packet came from, %d", ifindex, myPort)
	}
	d, err := frame.Decode(t.out.Frame)
	if err != nil || d.Inner.Error == nil {
		return fmt.Sprintf("refused with what is no ICMP error: %s (%v)", d, err)
	}
	y := d.Inner
	if y.SrcMAC != gatewayMAC || y.DstMAC != myMAC || y.Dst != t.head.source {
		return fmt.Sprintf("refused to %s (%s) from %s: the sender is %s (%s)", y.Dst, y.DstMAC, y.SrcMAC, t.head.source, myMAC)
	}
	family := 0
	if y.Dst.Is6() {
		family = 1
	}
	want, known := said[t.reason()]
	if got := [2]uint8{y.ICMPType, y.ICMPCode}; !known || got != want[family] {
		return fmt.Sprintf("refused for %s with type and code %v, want %v", t.reason(), got, want[family])
	}
	if quoted := y.Error.Quoted; !bytes.HasPrefix(t.in.frame[ethernet:], quoted) || len(quoted) < 20 {
		return fmt.Sprintf("refused with %d quoted bytes that are not the packet's", len(quoted))
	}
	if wrong := badChecksums(t.out.Frame); len(wrong) > 0 {
		return "the error's " + wrong[0].Error()
	}
	return ""
}
