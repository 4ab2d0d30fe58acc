// SPDX-License-Identifier: Apache-2.0

package replay

import (
	"bytes"
	"fmt"

	"github.com/mizar-net/mizar/sim/frame"
	"github.com/mizar-net/mizar/sim/golden"
)

// enough bytes in a row are no coincidence; farthest is how far away they are
// looked for.
const (
	enough   = 12
	farthest = 64
)

// truncatedCause finds packets that were cut at their ends.
func truncatedCause(e Evidence) string {
	want, err := frame.Decode(e.Golden)
	got, also := frame.Decode(e.Emitted)
	if e.Golden == nil || err != nil || len(e.Emitted) >= len(e.Golden) {
		return ""
	}
	lost := len(e.Golden) - len(e.Emitted)
	if also != nil {
		if bytes.HasPrefix(e.Golden, e.Emitted) {
			return cut(e, lost) + ", and its length fields still say the old length"
		}
		return ""
	}
	a, b := want.Inner.Payload, got.Inner.Payload
	if len(a)-len(b) == lost && bytes.HasPrefix(a, b) {
		return cut(e, lost)
	}
	return ""
}

func cut(e Evidence, lost int) string {
	text := fmt.Sprintf("truncated: the last %d bytes are missing", lost)
	for _, mtu := range []int{1280, 1500, 9000} {
		if len(e.Emitted) == mtu+14 || len(e.Emitted) == mtu {
			text += fmt.Sprintf(", the frame ends at an MTU of %d", mtu)
		}
	}
	return text
}

// paddingCause finds bytes behind the end of the packet.
func paddingCause(e Evidence) string {
	if e.Golden == nil || e.Emitted == nil {
		return ""
	}
	want, got := e.Golden, e.Emitted
	switch more := len(got) - len(want); {
	case more > 0 && bytes.HasPrefix(got, want):
		return fmt.Sprintf("padding: %d bytes more behind the packet%s", more, short(len(got)))
	case more < 0 && bytes.HasPrefix(want, got) && e.Field == "inner.trailer":
		return fmt.Sprintf("padding: %d bytes behind the packet are missing", -more)
	case more > 0 && e.Field == "inner.trailer":
		return fmt.Sprintf("padding: the inner frame carries %d bytes behind its packet that were not taken off", more)
	}
	return ""
}

func short(size int) string {
	if size == 60 {
		return ", up to the shortest frame of an Ethernet device (60)"
	}
	return ""
}

// shiftedFrameCause finds a header that is too long, too short or in the wrong
// place: from there on, all bytes stand elsewhere.
func shiftedFrameCause(e Evidence) string {
	if e.Golden == nil || e.Emitted == nil {
		return ""
	}
	best, distance, start := 0, 0, 0
	for from := 0; from < len(e.Golden); from++ {
		if inPlace := run(e.Golden, e.Emitted, from, 0); inPlace > 0 {
			from += inPlace - 1
			continue
		}
		for n := -farthest; n <= farthest; n++ {
			if r := run(e.Golden, e.Emitted, from, n); r > best && !constant(e.Golden[from:from+r]) {
				best, distance, start = r, n, from
			}
		}
	}
	if best < enough {
		return ""
	}
	return fmt.Sprintf("header offset: what belongs at byte %d stands %s", start, away(distance))
}

// run is how many bytes from a place in one are in the other, n bytes on.
func run(a, b []byte, from, n int) int {
	length := 0
	for from+length < len(a) && from+n+length < len(b) && from+n >= 0 && a[from+length] == b[from+n+length] {
		length++
	}
	return length
}

func constant(b []byte) bool {
	return len(b) == 0 || bytes.Count(b, b[:1]) == len(b)
}

func away(n int) string {
	if n < 0 {
		return fmt.Sprintf("%d bytes earlier", -n)
	}
	return fmt.Sprintf("%d bytes later", n)
}

// shiftedValueCause finds the right value near the place where it belongs.
func shiftedValueCause(e Evidence) string {
	const near = 16
	place, ok := golden.PlaceOf(e.Golden, e.Field)
	if !ok || place.Size < 2 {
		return ""
	}
	want := e.Golden[place.Offset : place.Offset+place.Size]
	if constant(want) {
		return ""
	}
	for n := 1; n <= near; n++ {
		for _, n := range []int{n, -n} {
			if run(want, e.Emitted[:min(len(e.Emitted), max(0, place.Offset+n+place.Size))], 0, place.Offset+n) == place.Size &&
				run(want, e.Golden, 0, place.Offset+n) < place.Size {
				return "header offset: its value stands " + away(n)
			}
		}
	}
	return ""
}
