// SPDX-License-Identifier: Apache-2.0

package replay

import (
	"fmt"
	"strings"

	"github.com/mizar-net/mizar/sim/frame"
	"github.com/mizar-net/mizar/sim/golden"
	"github.com/mizar-net/mizar/sim/trace"
	"github.com/mizar-net/mizar/sim/wire"
)

// Change is a write to a map row while a packet was on its way.
type Change struct {
	Host, Program string
	// Row is the map and the key: "paths vni 100 10.0.0.3".
	Row string
}

// String is the change in a few words.
func (c Change) String() string { return fmt.Sprintf("%s, %s program: %s", c.Host, c.Program, c.Row) }

// Changes are the writes on one way, in order.
func Changes(way wire.Way) []Change {
	var all []Change
	for _, s := range way.Steps {
		for _, stage := range s.Stages {
			if stage.Access == update {
				all = append(all, Change{s.Host, s.Program, row(stage)})
			}
		}
	}
	return all
}

const update = "update"

// row is a row by the name of its map and its key.
func row(s wire.Stage) string { return s.Map + " " + trace.Key(s.Map, s.Key) }

// The beginnings of a twin's lines.
const (
	linePacket = "packet "
	lineStep   = "  ┌ "
	lineStage  = "  │ "
	lineEnd    = "  └ "
	lineFrame  = "  ▶ "
)

// Twin is a recording as text for review, beside the golden capture:
//
//	packet 1 in at endpoint:default/red-1: 10.0.0.2 → 10.0.0.3 icmp echo id 7 seq 1
//	  ┌ h1 endpoint program at default/red-1
//	  │ path: miss paths vni 100 10.0.0.3
//	  │ ask: update paths vni 100 10.0.0.3
//	  └ ask redirect, to h3
//	  ▶ frame 1 out at uplink:h1: 192.0.2.1 → 192.0.2.3 geneve vni 100 […] 10.0.0.2 → …
func (r Recording) Twin(title string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n# The frames and steps of the golden capture beside it, which is what counts.\n"+
		"# Both are written by --update; read the difference before you commit it.\n", title)
	number := 0
	for i, input := range r.Inputs {
		fmt.Fprintf(&b, "\n%s%d in at %s: %s\n", linePacket, i+1, golden.Port(r.At), line(input))
		var frames []golden.Frame
		for _, f := range r.Frames {
			if f.Input == i+1 {
				frames = append(frames, f)
			}
		}
		if i < len(r.Ways) {
			frames = writeSteps(&b, r.Ways[i], frames, &number)
		}
		writeFrames(&b, frames, &number)
	}
	return b.String()
}

// writeSteps writes the steps of a way, each with the frame that it made, and
// returns the frames that belong to none.
func writeSteps(b *strings.Builder, way wire.Way, frames []golden.Frame, number *int) []golden.Frame {
	for _, s := range way.Steps {
		fmt.Fprintf(b, "%s%s %s program", lineStep, s.Host, s.Program)
		if s.Port != "" {
			fmt.Fprintf(b, " at %s", s.Port)
		}
		b.WriteByte('\n')
		for _, stage := range s.Stages {
			if stage.Map != "" {
				fmt.Fprintf(b, "%s%s: %s %s\n", lineStage, stage.Name, stage.Access, row(stage))
			}
		}
		fmt.Fprintf(b, "%s%s\n", lineEnd, outcome(s))
		if len(frames) > 0 && frames[0].Note == where(s) {
			writeFrames(b, frames[:1], number)
			frames = frames[1:]
		}
	}
	return frames
}

// outcome is "ask redirect, to h3" or "drop guard_mac".
func outcome(s wire.Step) string {
	if s.Reason != "" {
		return s.Verdict + " " + s.Reason
	}
	text := s.Verdict + " " + s.Action
	if s.To != "" {
		text += ", to " + s.To
	}
	return text
}

func writeFrames(b *strings.Builder, frames []golden.Frame, number *int) {
	for _, f := range frames {
		*number++
		what := "out at"
		if f.Reason != "" {
			what = f.Reason + " at"
		}
		fmt.Fprintf(b, "%sframe %d %s %s: %s\n", lineFrame, *number, what, f.Port, line(f.Bytes))
	}
}

// line is a frame in one line.
func line(b []byte) string {
	p, err := frame.Decode(b)
	if err != nil {
		return fmt.Sprintf("%d bytes that are no frame", len(b))
	}
	return p.String()
}

// TwinChanges reads the map changes of every packet from a twin. Lines that it
// does not know are for people.
func TwinChanges(text string) [][]Change {
	var all [][]Change
	var at Change
	for l := range strings.Lines(text) {
		l = strings.TrimSuffix(l, "\n")
		if strings.HasPrefix(l, linePacket) {
			all = append(all, nil)
		}
		if step, ok := strings.CutPrefix(l, lineStep); ok {
			if words := strings.Fields(step); len(words) >= 2 {
				at = Change{Host: words[0], Program: words[1]}
			}
		}
		stage, ok := strings.CutPrefix(l, lineStage)
		_, access, named := strings.Cut(stage, ": ")
		if row, updated := strings.CutPrefix(access, update+" "); ok && named && updated && len(all) > 0 {
			at.Row = row
			all[len(all)-1] = append(all[len(all)-1], at)
		}
	}
	return all
}
