// SPDX-License-Identifier: Apache-2.0

package replay

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/sim/frame"
	"github.com/mizar-net/mizar/sim/golden"
	"github.com/mizar-net/mizar/sim/wire"
)

// Explained is a difference and all that is known of how it came about. Empty
// fields are not known.
type Explained struct {
	golden.Difference
	// Row is the map row that gave the field.
	Row string
	// Parted is the first packet, up to this one, on whose way other map rows
	// were written than when the golden capture was.
	Parted string
	// Cause is the likely one.
	Cause string
	// Follow are differences of the same packet that follow from this one,
	// at ports further on.
	Follow []golden.Difference
}

// String is the difference and its explanation, in a line each.
func (e Explained) String() string {
	return strings.Join(append([]string{e.Difference.String()}, e.Notes()...), "\n  ")
}

// Notes are the explanation, each part with its name.
func (e Explained) Notes() []string {
	var notes []string
	for _, part := range []struct{ name, text string }{
		{"also different", strings.Join(e.Also, ", ")}, {"row", e.Row}, {"ways part", e.Parted}, {"likely cause", e.Cause},
	} {
		if part.text != "" {
			notes = append(notes, part.name+": "+part.text)
		}
	}
	if n := len(e.Follow); n > 0 {
		notes = append(notes, fmt.Sprintf("from which follow %d more of this packet further on", n))
	}
	return notes
}

// Context is what an explanation draws on beside the recording.
type Context struct {
	// Twin is the text beside the golden capture; "": there is none.
	Twin string
	// Names say whose a MAC or address is, as [Evidence] has them.
	Names map[string]string
}

// Explain explains differences between a recording and a golden capture. Those
// that follow from another one are put behind it.
func (r Recording) Explain(differences []golden.Difference, c Context) []Explained {
	was := TwinChanges(c.Twin)
	var all []Explained
	for _, d := range causal(differences) {
		if i := slices.IndexFunc(all, func(e Explained) bool { return follows(e, d) }); i >= 0 {
			all[i].Follow = append(all[i].Follow, d)
			continue
		}
		e := Explained{Difference: d, Cause: r.cause(d, c.Names)}
		if s, ok := r.step(d); ok {
			e.Row = Row(s, d.Field)
		}
		if c.Twin != "" && len(r.Ways) > 0 {
			e.Parted = r.parted(was, input(d))
		}
		all = append(all, e)
	}
	return all
}

// causal puts what happened first first: by packet that was put in, and lost ones
// before what came instead.
func causal(differences []golden.Difference) []golden.Difference {
	out := slices.Clone(differences)
	slices.SortStableFunc(out, func(a, b golden.Difference) int {
		if input(a) != input(b) {
			return input(a) - input(b)
		}
		return rank(a) - rank(b)
	})
	return out
}

func rank(d golden.Difference) int {
	switch {
	case d.Golden == nil:
		return 1
	default:
		return 0
	}
}

// input is the number of the packet that was put in; 0: not known.
func input(d golden.Difference) int {
	if d.Emitted != nil && d.Emitted.Input > 0 {
		return d.Emitted.Input
	}
	if d.Golden != nil {
		return d.Golden.Input
	}
	return 0
}

// follows says that a difference is no more than the consequence of another: the
// same packet is missing, or has the same wrong field, further on.
func follows(first Explained, d golden.Difference) bool {
	if n := input(d); n == 0 || n != input(first.Difference) {
		return false
	}
	if first.Field == "packet" {
		return d.Field == "packet"
	}
	return d.Field == first.Field && d.Want == first.Want && d.Got == first.Got && d.Port != first.Port
}

// step is the one that made the emitted frame, or at which a missing one's way
// ended.
func (r Recording) step(d golden.Difference) (wire.Step, bool) {
	n := input(d)
	if n < 1 || n > len(r.Ways) || len(r.Ways[n-1].Steps) == 0 {
		return wire.Step{}, false
	}
	steps := r.Ways[n-1].Steps
	if d.Emitted != nil {
		for _, s := range steps {
			if where(s) == d.Emitted.Note && (bytes.Equal(s.Out, d.Emitted.Bytes) || s.Reason != "") {
				return s, true
			}
		}
	}
	return steps[len(steps)-1], true
}

// cause is the likely one: for lost packets what became of them, else what the
// frames look like.
func (r Recording) cause(d golden.Difference, names map[string]string) string {
	n := input(d)
	if d.Field == "packet" && d.Emitted == nil {
		return r.fate(n)
	}
	e := Evidence{Field: d.Field, Want: d.Want, Got: d.Got, Names: names}
	if n >= 1 && n <= len(r.Inputs) {
		e.Input = r.Inputs[n-1]
	}
	if d.Golden != nil {
		e.Golden = d.Golden.Bytes
	}
	if d.Emitted != nil {
		e.Emitted = d.Emitted.Bytes
		if d.Golden == nil && d.Emitted.Reason != "" {
			return "dropped where it was not: " + d.Emitted.Reason
		}
		if why := refusal(e.Emitted); why != "" && refusal(e.Golden) == "" {
			return "refused where it was not: " + why
		}
	}
	return Cause(e)
}

// refusal is the reason that a frame is sent back for, "" for others.
func refusal(b []byte) string {
	p, err := frame.Decode(b)
	if err != nil || p.Options.Refusal == nil {
		return ""
	}
	return bpf.RowDropReason(p.Options.Refusal.Reason).String()
}

// fate is what became of a packet that was put in.
func (r Recording) fate(n int) string {
	if n > len(r.Inputs) {
		return "it was not put in: the capture has fewer packets than when the golden one was written"
	}
	var out []golden.Frame
	for _, f := range r.Frames {
		if n > 0 && f.Input == n {
			out = append(out, f)
		}
	}
	if len(out) == 0 {
		return ""
	}
	last := out[len(out)-1]
	host := strings.TrimPrefix(last.Port, golden.Dropped(""))
	if last.Reason != "" {
		return fmt.Sprintf("dropped by %s: %s", host, last.Reason)
	}
	if to := last.Note; to != "" {
		return fmt.Sprintf("it took another way, which ended at %s (%s)", last.Port, to)
	}
	return "it took another way, which ended at " + last.Port
}

// parted says where map changes began to differ from those in the twin.
func (r Recording) parted(was [][]Change, upTo int) string {
	for i := range min(upTo, len(r.Ways)) {
		var then []Change
		if i < len(was) {
			then = was[i]
		}
		now := Changes(r.Ways[i])
		if slices.Equal(then, now) {
			continue
		}
		which := fmt.Sprintf("packet %d of the capture", i+1)
		if i+1 == upTo {
			which += ", this one"
		}
		return which + ": " + changed(then, now)
	}
	return ""
}

// changed tells the first difference of two lists of map changes.
func changed(then, now []Change) string {
	for _, c := range then {
		if !slices.Contains(now, c) {
			return c.String() + " is not written any more"
		}
	}
	for _, c := range now {
		if !slices.Contains(then, c) {
			return c.String() + " is written now"
		}
	}
	return fmt.Sprintf("map rows are written %d times, not %d, or in another order", len(now), len(then))
}
