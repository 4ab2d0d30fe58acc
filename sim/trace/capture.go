// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"fmt"
	"strings"
	"time"

	"github.com/mizar-net/mizar/sim/capture"
	"github.com/mizar-net/mizar/sim/golden"
	"github.com/mizar-net/mizar/sim/wire"
)

// Capture is an outcome's ways as a capture: one packet for each program that a
// frame met, as it arrived there, with what the program did with it as the
// verdict and every stage and row as the comment; then the frame as the endpoint
// received it. Packets of one way have one packet ID.
func Capture(o wire.Outcome) capture.Capture {
	var c capture.Capture
	id := uint64(0)
	add := func(p capture.Packet) {
		p.Number, p.ID, p.Time = len(c.Packets)+1, id, time.Unix(0, int64(len(c.Packets))*1000)
		c.Packets = append(c.Packets, p)
	}
	for name, p := range packets(o) {
		id++
		for i, s := range p.Steps {
			at := wire.Port{Endpoint: s.Port}
			if s.Port == "" {
				at = wire.Port{Uplink: s.Host}
			}
			title := fmt.Sprintf("%s, program %d of %d\n", name, i+1, len(p.Steps))
			add(capture.Packet{Interface: golden.Port(at), Frame: s.In, Action: s.Action, Comment: title + stepOf(s).comment()})
		}
		if last := len(p.Steps) - 1; p.Delivered && last >= 0 {
			add(capture.Packet{
				Interface: golden.Port(wire.Port{Endpoint: p.To}), Frame: p.Steps[last].Out,
				Comment: fmt.Sprintf("%s, %s", name, fate(p)),
			})
		}
	}
	return c
}

// comment is the step as lines, without the frames, which a capture has.
func (s Step) comment() string {
	widths := Packet{Steps: []Step{s}}.widths()
	lines := []string{s.title()}
	for _, stage := range s.Stages {
		lines = append(lines, "  "+stage.line(widths))
	}
	return strings.Join(append(lines, s.end()), "\n")
}
