// SPDX-License-Identifier: Apache-2.0

package replay

import (
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"strings"

	"github.com/mizar-net/mizar/sim/frame"
	"github.com/mizar-net/mizar/sim/golden"
)

// checksumCause says why a checksum is wrong: a field was changed and its
// difference not folded in, or the sum was never finished.
func checksumCause(e Evidence) string {
	if e.Field != "checksum" {
		return ""
	}
	var wrong *frame.ChecksumError
	if !errors.As(frame.VerifyChecksums(e.Emitted), &wrong) {
		return ""
	}
	want, got := uint16(wrong.Want), uint16(wrong.Got)
	switch {
	case wrong.Layer == "outer.udp":
		return "the outer UDP checksum must be zero (RFC 6935, RFC 6936)"
	case strings.HasSuffix(wrong.Layer, "sctp"):
		return "SCTP's checksum is a CRC32c over the whole packet, not a sum"
	case got == bits.ReverseBytes16(want):
		return "byte order: the two bytes of the checksum are swapped"
	}
	if text := notFolded(e, wrong.Layer, want, got); text != "" {
		return text
	}
	pseudo, ok := pseudoSum(e.Emitted, wrong.Layer)
	switch {
	case got == ^want:
		return "the sum was not complemented at its end"
	case ok && got == pseudo:
		return "only the sum of the pseudo-header is there: " + partial
	case ok && subtract(^got, ^want) == ^pseudo:
		return "the pseudo-header was left out of the sum"
	case got == 0:
		return "left zero: " + partial
	}
	return ""
}

// partial is what checksum offload leaves in a packet.
const partial = "the sender left the checksum to its device (offload), and no device has computed it"

// covered are the fields that a checksum covers, by the end of its layer's name.
var covered = map[string][]string{
	"ip":     {"ip.src", "ip.dst", "ip.ttl", "ip.tos", "ip.id"},
	"tcp":    {"ip.src", "ip.dst", "sport", "dport", "tcp.seq", "tcp.ack", "tcp.flags"},
	"udp":    {"ip.src", "ip.dst", "sport", "dport"},
	"icmp":   {"icmp.type", "icmp.code", "icmp.id", "icmp.seq"},
	"icmpv6": {"ip.src", "ip.dst", "icmp.type", "icmp.code", "icmp.id", "icmp.seq"},
}

// notFolded looks for changes whose differences are just what the checksum is
// off by: against the packet that was put in, then against the golden one.
func notFolded(e Evidence, layer string, want, got uint16) string {
	side, name, _ := strings.Cut(layer, ".")
	off := subtract(^want, ^got)
	for _, before := range [][]byte{e.Input, e.Golden} {
		var changed []change
		for _, suffix := range covered[name] {
			field := side + "." + suffix
			if side == "outer" {
				field = side + "." + strings.TrimPrefix(suffix, "ip.")
			}
			if c, ok := changeOf(before, e.Emitted, field); ok {
				changed = append(changed, c)
			}
		}
		if names := explain(changed, off); names != nil {
			return fmt.Sprintf("off by exactly the change of %s: that was not folded into the checksum", strings.Join(names, " and "))
		}
	}
	return ""
}

// change is what a field's change adds to a sum.
type change struct {
	text  string
	delta uint16
}

func changeOf(before, after []byte, field string) (change, bool) {
	old, ok := wordSum(before, field)
	now, also := wordSum(after, field)
	if !ok || !also || old == now {
		return change{}, false
	}
	return change{fmt.Sprintf("%s (%s → %s)", field, value(before, field), value(after, field)), subtract(now, old)}, true
}

// explain finds the fewest changes that add up to a difference.
func explain(changed []change, off uint16) []string {
	var best []string
	for set := 1; set < 1<<len(changed); set++ {
		var sum uint16
		var names []string
		for i, c := range changed {
			if set>>i&1 == 1 {
				sum = add(sum, c.delta)
				names = append(names, c.text)
			}
		}
		if subtract(sum, off)%0xffff == 0 && (best == nil || len(names) < len(best)) {
			best = slices.Clone(names)
		}
	}
	return best
}

// wordSum is what a field adds to the sum of 16-bit words, at its place.
func wordSum(b []byte, field string) (uint16, bool) {
	place, ok := golden.PlaceOf(b, field)
	if !ok {
		return 0, false
	}
	start, _ := golden.PlaceOf(b, strings.SplitN(field, ".", 2)[0]+".eth.dst")
	var sum uint16
	for i := range place.Size {
		at := place.Offset + i
		shift := 8
		if (at-start.Offset)%2 == 1 {
			shift = 0
		}
		sum = add(sum, uint16(b[at])<<shift)
	}
	return sum, true
}

// add and subtract are those of one's complement.
func add(a, b uint16) uint16 {
	s := uint32(a) + uint32(b)
	return uint16(s&0xffff + s>>16)
}

func subtract(a, b uint16) uint16 { return add(a, ^b) }

// pseudoSum is that of the inner packet's pseudo-header.
func pseudoSum(b []byte, layer string) (uint16, bool) {
	p, err := frame.Decode(b)
	name := strings.TrimPrefix(layer, "inner.")
	if err != nil || name == layer || name == "ip" || name == "icmp" {
		return 0, false
	}
	first := "inner.sport"
	if name == "icmpv6" {
		first = "inner.icmp.type"
	}
	transport, ok := golden.PlaceOf(b, first)
	src, _ := wordSum(b, "inner.ip.src")
	dst, _ := wordSum(b, "inner.ip.dst")
	length := len(b) - len(p.Inner.Trailer) - transport.Offset
	return add(add(src, dst), add(uint16(p.Inner.Proto), uint16(length))), ok
}
