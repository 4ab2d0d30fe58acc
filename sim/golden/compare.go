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
	// Field is its name; "packet" for a missing or extra packet, "order" for
	// one out of its place, "checksum" for a wrong one, "frame" for one that
	// can't be read, "bytes" where no field tells two frames apart.
	Field     string
	Want, Got string
	// Also are the other fields of the frame that differ.
	Also []string
	// Frame is the emitted packet in one line; the golden one when missing.
	Frame string
	// Golden and Emitted are the two frames; nil for none.
	Golden, Emitted *Frame
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

// Comparison is of what was emitted with the golden frames.
type Comparison struct {
	Want, Got []Frame
	// Inputs are the frames that were put in; relations look at them.
	Inputs [][]byte
	Rules  Rules
}

// Compare compares without rules but for ignored fields: names of [Fields], or
// such as "outer.*".
func Compare(want, got []Frame, ignore ...string) ([]Difference, error) {
	return Comparison{Want: want, Got: got, Rules: Rules{Ignore: ignore}}.Differences()
}

// Differences compares port by port, in order at each port. A packet that was
// lost, is extra or came out of its place is one difference, and the rest is
// still compared; at a port without golden frames there must be none. No
// differences: they are equal. The error is about the comparison itself: a
// golden frame that can't be read, an unknown field.
func (c Comparison) Differences() ([]Difference, error) {
	if err := c.Rules.check(); err != nil {
		return nil, fmt.Errorf("compare with golden capture: %w", err)
	}
	r := comparer{rules: c.Rules, broken: c.Rules.relate(c.Inputs, c.Got)}
	for _, port := range portsOf(c.Want, c.Got) {
		golden, err := c.Rules.at(port, c.Want)
		if err != nil {
			return nil, fmt.Errorf("compare with golden capture: %w", err)
		}
		emitted, _ := c.Rules.at(port, c.Got) // what can't be read is a difference
		for _, p := range align(golden, settle(golden, emitted, c.Rules.Unordered)) {
			r.pair(p)
		}
	}
	slices.SortStableFunc(r.list, func(a, b Difference) int { return a.Packet - b.Packet })
	return r.list, nil
}

// identity tells packets apart: by the key of what they carry, or by their bytes
// where they can't be read.
type identity struct {
	tunnel bool
	key    frame.Key
	bytes  string
}

// item is a frame of one port with its number among all.
type item struct {
	Frame
	number   int
	port     string
	packet   frame.Packet
	identity identity
	// values are those of all fields; of those that are ignored or related,
	// compared has only whether they are there.
	values, compared []string
	err              error
}

// different counts the fields that differ, and are compared.
func (i item) different(other item) int {
	n := 0
	for k := range i.compared {
		if i.compared[k] != other.compared[k] {
			n++
		}
	}
	return n
}

// equal says that two frames carry one packet in the same way.
func (i item) equal(other item) bool { return i.same(other) && i.different(other) == 0 }

// same says that two frames carry one packet, in a tunnel or not.
func (i item) same(other item) bool { return i.identity == other.identity }

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

// at are the frames of one port, decoded; the error is about those that can't be
// read, though they came out.
func (r Rules) at(port string, frames []Frame) ([]item, error) {
	var items []item
	var errs error
	for i, f := range frames {
		if f.Port != port {
			continue
		}
		p, err := frame.Decode(f.Bytes)
		x := item{Frame: f, number: i + 1, port: port, packet: p, err: err,
			values: make([]string, len(fields)), compared: make([]string, len(fields))}
		if err != nil {
			x.identity.bytes = string(f.Bytes)
			if !f.died() {
				errs = errors.Join(errs, fmt.Errorf("packet %d at %s: %w", i+1, port, err))
			}
		} else {
			x.identity = identity{tunnel: p.Tunnel, key: p.Key()}
			for k, field := range fields {
				x.values[k] = field.value(p)
				x.compared[k] = r.compared(field.name, x.values[k])
			}
		}
		items = append(items, x)
	}
	return items, errs
}

// compared is a value as far as it is compared at all.
func (r Rules) compared(field, value string) string {
	if _, related := r.Relations[field]; (related || r.ignored(field)) && value != "" {
		return "there"
	}
	return value
}

// String is the frame in one line.
func (i item) String() string {
	if i.err != nil {
		return fmt.Sprintf("%d bytes that are no frame", len(i.Bytes))
	}
	return i.packet.String()
}

// comparer gathers differences.
type comparer struct {
	rules  Rules
	broken map[int]broken
	list   []Difference
}

func (c *comparer) pair(p pair) {
	d := Difference{}
	if p.want != nil {
		d.Packet, d.Port, d.Golden, d.Frame = p.want.number, p.want.port, &p.want.Frame, p.want.String()
	}
	if p.got != nil {
		d.Emitted, d.Frame = &p.got.Frame, p.got.String()
	}
	switch {
	case p.got == nil:
		d.Field, d.Want = "packet", p.want.String()
		c.list = append(c.list, d)
		return
	case p.want == nil:
		d.Packet, d.Port, d.Field, d.Got = p.got.number, p.got.port, "packet", p.got.String()
		c.list = append(c.list, d)
		return
	case p.moved:
		d := d
		d.Field, d.Want, d.Got = "order", fmt.Sprintf("frame %d", p.want.number), fmt.Sprintf("frame %d of those that came out", p.got.number)
		c.list = append(c.list, d)
	}
	c.frame(d, *p.want, *p.got)
}

// frame compares two frames and notes the first field that differs, and which
// others do.
func (c *comparer) frame(d Difference, w, g item) {
	note := func(field, want, got string) {
		if c.rules.ignored(field) {
			return
		}
		if d.Field != "" {
			d.Also = append(d.Also, field)
			return
		}
		d.Field, d.Want, d.Got = field, want, got
	}
	if g.err != nil && !w.same(g) {
		note("frame", w.String(), g.err.Error())
	} else {
		c.fields(w, g, note)
	}
	for _, n := range notes {
		if want, got := n.value(w.Frame), n.value(g.Frame); want != "" && got != "" && want != got {
			note(n.name, want, got)
		}
	}
	if err := frame.VerifyChecksums(g.Bytes); g.err == nil && !g.died() && err != nil {
		note("checksum", "right", strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	if d.Field == "" && (c.rules.exact() || g.err != nil) && !bytes.Equal(w.Bytes, g.Bytes) {
		note("bytes", around(w.Bytes, w.Bytes, g.Bytes), around(g.Bytes, w.Bytes, g.Bytes))
	}
	if d.Field != "" {
		c.list = append(c.list, d)
	}
}

// fields compares the fields of two packets, in order.
func (c *comparer) fields(w, g item, note func(field, want, got string)) {
	for i, f := range fields {
		want, got := w.values[i], g.values[i]
		if _, related := c.rules.Relations[f.name]; related && (want == "") == (got == "") {
			if b, ok := c.broken[g.number]; ok && b.field == f.name {
				note(b.field, b.want, b.got)
			}
			continue
		}
		if bits, ok := c.rules.Mask[f.name]; want != got && (!ok || !masked(f.name, bits, want, got)) {
			note(f.name, want, got)
		}
	}
}

// around is the place where two frames differ, as bytes of one of them.
func around(b, w, g []byte) string {
	at := 0
	for at < len(w) && at < len(g) && w[at] == g[at] {
		at++
	}
	return fmt.Sprintf("%x at byte %d", b[min(at, len(b)):min(at+8, len(b))], at)
}
