// SPDX-License-Identifier: Apache-2.0

package golden

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/mizar-net/mizar/sim/frame"
)

// Difference is one thing that isn't as in the golden capture.
type Difference struct {
	// Packet is the number of the packet in the golden capture (from 1); of
	// an extra one, its number among what was emitted.
	Packet int
	Port   string
	// Field is its name; "packet" for a missing or extra packet,
	// "checksum" for a wrong one, "frame" for one that can't be read,
	// "bytes" where no field tells two frames apart.
	Field     string
	Want, Got string
	// Frame is the emitted packet in one line; the golden one when missing.
	Frame string
}

// String is the difference in one line.
func (d Difference) String() string {
	return fmt.Sprintf("packet %d at %s: %s: want %s, got %s (%s)", d.Packet, d.Port, d.Field, orNone(d.Want), orNone(d.Got), d.Frame)
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// Compare compares what was emitted with the golden frames, port by port and
// in order at each port. A lost or an extra packet is one difference and the
// rest is still compared. Ignored fields are names of [Fields], or such as
// "outer.*". No differences: they are equal. The error is about the comparison
// itself: a golden frame that can't be read, an unknown field.
func Compare(want, got []Frame, ignore ...string) ([]Difference, error) {
	if err := known(ignore); err != nil {
		return nil, err
	}
	c := comparison{ignore: ignore}
	for _, port := range portsOf(want, got) {
		golden, err := at(port, want)
		if err != nil {
			return nil, fmt.Errorf("compare with golden capture: %w", err)
		}
		emitted, _ := at(port, got) // what can't be read is a difference
		c.port(port, golden, emitted)
	}
	slices.SortStableFunc(c.list, func(a, b Difference) int { return a.Packet - b.Packet })
	return c.list, nil
}

// known refuses names that no field has.
func known(ignore []string) error {
	for _, name := range ignore {
		found := slices.ContainsFunc(Fields(), func(f string) bool { return matches(name, f) })
		if !found {
			return fmt.Errorf("compare with golden capture: ignored field %q: want one of %s", name, strings.Join(Fields(), ", "))
		}
	}
	return nil
}

func matches(pattern, name string) bool {
	if prefix, ok := strings.CutSuffix(pattern, "*"); ok {
		return strings.HasPrefix(name, prefix)
	}
	return pattern == name
}

// item is a frame of one port with its number among all.
type item struct {
	number int
	bytes  []byte
	packet frame.Packet
	err    error
}

// portsOf are all ports in the order they come up, golden ones first.
func portsOf(want, got []Frame) []string {
	var ports []string
	for _, f := range slices.Concat(want, got) {
		if !slices.Contains(ports, f.Port) {
			ports = append(ports, f.Port)
		}
	}
	return ports
}

// at are the frames of one port, decoded; the error is that of the first frame
// that can't be read.
func at(port string, frames []Frame) ([]item, error) {
	var items []item
	var first error
	for i, f := range frames {
		if f.Port != port {
			continue
		}
		p, err := frame.Decode(f.Bytes)
		if err != nil {
			first = errors.Join(first, fmt.Errorf("packet %d at %s: %w", i+1, port, err))
		}
		items = append(items, item{i + 1, f.Bytes, p, err})
	}
	return items, first
}

type comparison struct {
	ignore []string
	list   []Difference
}

func (c *comparison) ignored(name string) bool {
	return slices.ContainsFunc(c.ignore, func(pattern string) bool { return matches(pattern, name) })
}

// port walks both lists side by side; where the packets aren't the same one,
// it looks whether one was lost or put in.
func (c *comparison) port(port string, want, got []item) {
	for len(want) > 0 && len(got) > 0 {
		switch w, g := want[0], got[0]; {
		case w.same(g):
			c.frame(port, w, g)
			want, got = want[1:], got[1:]
		case holds(got, w) && len(got) >= len(want) && !holds(want, g):
			c.extra(port, g)
			got = got[1:]
		case holds(want, g) && len(want) >= len(got) && !holds(got, w):
			c.missing(port, w)
			want = want[1:]
		case len(want) > len(got) && len(want) > 1 && want[1].same(g):
			c.missing(port, w)
			want = want[1:]
		case len(got) > len(want) && len(got) > 1 && got[1].same(w):
			c.extra(port, g)
			got = got[1:]
		default:
			c.frame(port, w, g)
			want, got = want[1:], got[1:]
		}
	}
	for _, w := range want {
		c.missing(port, w)
	}
	for _, g := range got {
		c.extra(port, g)
	}
}

// same says that two frames carry one packet, in a tunnel or not.
func (i item) same(other item) bool {
	return i.err == nil && other.err == nil && i.packet.Tunnel == other.packet.Tunnel && i.packet.Key() == other.packet.Key()
}

func holds(list []item, i item) bool { return slices.ContainsFunc(list, i.same) }

func (c *comparison) missing(port string, w item) {
	c.list = append(c.list, Difference{w.number, port, "packet", w.packet.String(), "", w.packet.String()})
}

func (c *comparison) extra(port string, g item) {
	c.list = append(c.list, Difference{g.number, port, "packet", "", g.packet.String(), g.packet.String()})
}

// frame compares two frames and notes the first field that differs.
func (c *comparison) frame(port string, w, g item) {
	note := func(field, want, got string) {
		c.list = append(c.list, Difference{w.number, port, field, want, got, g.packet.String()})
	}
	if g.err != nil {
		note("frame", w.packet.String(), g.err.Error())
		return
	}
	for _, f := range fields {
		if want, got := f.value(w.packet), f.value(g.packet); want != got && !c.ignored(f.name) {
			note(f.name, want, got)
			return
		}
	}
	if err := frame.VerifyChecksums(g.bytes); err != nil && !c.ignored("checksum") {
		note("checksum", "right", strings.ReplaceAll(err.Error(), "\n", "; "))
		return
	}
	if len(c.ignore) == 0 && !bytes.Equal(w.bytes, g.bytes) {
		note("bytes", around(w.bytes, w.bytes, g.bytes), around(g.bytes, w.bytes, g.bytes))
	}
}

// around is the place where two frames differ, as bytes of one of them.
func around(b, w, g []byte) string {
	at := 0
	for at < len(w) && at < len(g) && w[at] == g[at] {
		at++
	}
	return fmt.Sprintf("%x at byte %d", b[at:min(at+8, len(b))], at)
}
