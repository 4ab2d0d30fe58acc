// SPDX-License-Identifier: Apache-2.0

package replay

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/mizar-net/mizar/sim/frame"
	"github.com/mizar-net/mizar/sim/golden"
)

// Evidence is what a likely cause is judged by.
type Evidence struct {
	// Field, Want and Got are the difference as [golden.Difference] has it.
	Field, Want, Got string
	// Golden and Emitted are the two frames; Input is the frame that was put
	// in. nil: not known.
	Input, Golden, Emitted []byte
	// Names say whose a MAC or an address is, by how it is printed:
	// "02:4d:5a:00:00:64" is "the gateway of VPC red".
	Names map[string]string
}

// judges look for one kind of cause each; the first that finds one is right
// more often than those that follow.
var judges = []func(Evidence) string{
	checksumCause, vniCause, ttlCause, entropyCause, swappedCause, nameCause, oppositeCause, byteOrderCause,
	truncatedCause, paddingCause, shiftedFrameCause, shiftedValueCause, serviceCause, unchangedCause,
}

// Cause is what most likely went wrong, for people; "" when nothing fits. It is
// a guess from the frames alone.
func Cause(e Evidence) string {
	for _, judge := range judges {
		if text := judge(e); text != "" {
			return text
		}
	}
	return ""
}

// numbers reads both values as numbers.
func (e Evidence) numbers() (want, got uint64, ok bool) {
	want, err := strconv.ParseUint(e.Want, 0, 64)
	if err != nil {
		return 0, 0, false
	}
	got, err = strconv.ParseUint(e.Got, 0, 64)
	return want, got, err == nil
}

// value is what a field prints as in a frame; "" for none.
func value(b []byte, field string) string {
	if b == nil {
		return ""
	}
	p, err := frame.Decode(b)
	if err != nil {
		return ""
	}
	return golden.Value(p, field)
}

func vniCause(e Evidence) string {
	want, got, ok := e.numbers()
	if !ok || e.Field != "geneve.vni" || want == 0 {
		return ""
	}
	switch {
	case got == want<<8&0xffffff || got == want>>8:
		return "VNI shifted by 8 bits: it is the upper 24 of 32 bits, the last byte is reserved"
	case got == swap(want, 3):
		return "byte order: the VNI's 3 bytes are swapped"
	}
	return ""
}

func ttlCause(e Evidence) string {
	want, got, ok := e.numbers()
	if !ok || !strings.HasSuffix(e.Field, ".ttl") {
		return ""
	}
	switch {
	case e.Field == "outer.ttl":
		return ""
	case got == want+1:
		return "TTL not decremented, though the packet goes to another subnet"
	case got+1 == want && value(e.Input, e.Field) == e.Want:
		return "TTL decremented, though the packet stays in its subnet"
	case got+1 == want:
		return "TTL decremented twice: only the source host does that, once"
	}
	return ""
}

func entropyCause(e Evidence) string {
	if e.Field != "outer.sport" {
		return ""
	}
	p, err := frame.Decode(e.Emitted)
	if err != nil {
		return ""
	}
	got, y := fmt.Sprint(p.OuterSport), p.Inner
	without, back := y, y
	without.SrcPort, without.DstPort = 0, 0
	back.Src, back.Dst, back.SrcPort, back.DstPort = y.Dst, y.Src, y.DstPort, y.SrcPort
	switch got {
	case fmt.Sprint(frame.OuterPort(y)):
		return "the entropy is right for the inner packet: that has other fields than the golden one"
	case fmt.Sprint(frame.OuterPort(without)):
		return "the entropy leaves the inner ports out: it was taken of three fields, as for a fragment"
	case fmt.Sprint(frame.OuterPort(back)):
		return "the entropy is that of the other direction: source and destination swapped"
	}
	if before, err := frame.Decode(e.Input); err == nil && got == fmt.Sprint(frame.OuterPort(before.Inner)) {
		return "the entropy is that of the packet as it was put in, before its translation"
	}
	if p.OuterSport < 49152 {
		return "no entropy: outer source ports are 49152 and above"
	}
	return ""
}

// opposites are fields that are easily taken for each other.
var opposites = strings.NewReplacer(".src", ".dst", ".dst", ".src", ".sport", ".dport", ".dport", ".sport",
	"sender", "target", "target", "sender")

func swappedCause(e Evidence) string {
	other := opposites.Replace(e.Field)
	if other == e.Field || e.Want == "" || e.Got == "" {
		return ""
	}
	if value(e.Golden, other) == e.Got && value(e.Emitted, other) == e.Want {
		return fmt.Sprintf("swapped: %s and %s stand in each other's place", e.Field, other)
	}
	return ""
}

func oppositeCause(e Evidence) string {
	other := opposites.Replace(e.Field)
	if other != e.Field && e.Got != "" && value(e.Golden, other) == e.Got {
		return fmt.Sprintf("%s holds what belongs into %s", e.Field, other)
	}
	return ""
}

// nameCause knows whose address it is, such as a gateway's instead of an
// endpoint's.
func nameCause(e Evidence) string {
	got, want := e.Names[e.Got], e.Names[e.Want]
	switch {
	case got != "" && want != "":
		return fmt.Sprintf("it is %s, in the place of %s", got, want)
	case got != "":
		return "it is " + got
	case want != "" && strings.Trim(e.Got, "0:.") == "" && e.Got != "":
		return fmt.Sprintf("left zero in the place of %s", want)
	}
	return ""
}

// swap reverses the order of the last bytes of a number.
func swap(n uint64, size int) uint64 {
	var out uint64
	for range size {
		out, n = out<<8|n&0xff, n>>8
	}
	return out
}

func byteOrderCause(e Evidence) string {
	place, ok := golden.PlaceOf(e.Golden, e.Field)
	also, found := golden.PlaceOf(e.Emitted, e.Field)
	if !ok || !found || place.Size != also.Size || place.Size < 2 || place.Size == 6 {
		return ""
	}
	want := e.Golden[place.Offset : place.Offset+place.Size]
	got := e.Emitted[also.Offset : also.Offset+also.Size]
	reversed := slices.Clone(want)
	slices.Reverse(reversed)
	switch {
	case bytes.Equal(want, got):
		return ""
	case bytes.Equal(reversed, got):
		return fmt.Sprintf("byte order: its %d bytes are swapped (host and network order)", place.Size)
	case place.Size == 4 && bytes.Equal(slices.Concat(want[2:], want[:2]), got):
		return "byte order: its two 16-bit halves are swapped"
	case place.Size == 4 && bytes.Equal([]byte{want[1], want[0], want[3], want[2]}, got):
		return "byte order: the bytes of both 16-bit halves are swapped"
	}
	return ""
}

func serviceCause(e Evidence) string {
	if e.Field == "outer.tos" && e.Got == "0" {
		return "DSCP and ECN of the inner packet were not carried out"
	}
	return ""
}

// unchangedCause is for fields that a program should have written.
func unchangedCause(e Evidence) string {
	if e.Got != "" && strings.HasPrefix(e.Field, "inner.") && value(e.Input, e.Field) == e.Got && e.Input != nil && e.Got != e.Want {
		return "it is as it was put in: no program has rewritten it, or another packet was put in"
	}
	return ""
}
