// SPDX-License-Identifier: Apache-2.0

// Package golden compares frames that a network emitted with a golden capture:
// by field, not by byte, port by port and in order.
//
// No golden capture is read or written unless every checksum in it is proven and
// an independent decoder (gopacket's) reads every frame as we do.
package golden

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/mizar-net/mizar/sim/capture"
	"github.com/mizar-net/mizar/sim/frame"
	"github.com/mizar-net/mizar/sim/wire"
)

// Frame is a frame and the port that it came out of.
type Frame struct {
	// Port is "endpoint:namespace/name" or "uplink:host", see [Port]; of a
	// frame that died, "drop:host".
	Port  string
	Bytes []byte
	// Input is the number, from 1, of the frame that was put in and caused
	// this one; 0: not known.
	Input int
	// Verdict is the program's, such as "relay"; Action is what it returned
	// to the kernel, such as "redirect". "": not known.
	Verdict, Action string
	// Reason is the drop reason of a frame that died.
	Reason string
	// Note says for people where that was decided.
	Note string
}

// Dropped is the name of the port for frames that died at a host.
func Dropped(host string) string { return dropped + host }

const dropped = "drop:"

// died says that the frame did not come out, but ended here.
func (f Frame) died() bool { return strings.HasPrefix(f.Port, dropped) }

// Port is the name of a port in a golden capture.
func Port(p wire.Port) string {
	if p.Endpoint != "" {
		return "endpoint:" + p.Endpoint
	}
	return "uplink:" + p.Uplink
}

// Frames are what a wire emitted at endpoints and on the underlay, in order.
func Frames(emissions []wire.Emission) []Frame {
	frames := make([]Frame, 0, len(emissions))
	for _, e := range emissions {
		if e.At.Stack != "" {
			continue
		}
		frames = append(frames, Frame{Port: Port(e.At), Bytes: e.Frame})
	}
	return frames
}

// Read reads a golden capture and proves every frame of it.
func Read(file string) ([]Frame, error) {
	c, err := capture.Read(file)
	if err != nil {
		return nil, fmt.Errorf("golden capture: %w", err)
	}
	return from(c)
}

// Parse is Read for a file whose bytes are at hand.
func Parse(file string, b []byte) ([]Frame, error) {
	c, err := capture.Parse(file, b)
	if err != nil {
		return nil, fmt.Errorf("golden capture: %w", err)
	}
	return from(c)
}

func from(c capture.Capture) ([]Frame, error) {
	var frames []Frame
	for _, p := range c.Packets {
		f := Frame{Port: p.Interface, Bytes: p.Frame, Input: int(p.ID), Action: p.Action}
		f.Verdict, f.Reason, f.Note = parseComment(p.Comment)
		err := f.prove()
		if p.Interface == "" {
			err = errors.Join(errors.New("no interface name: want a pcapng that names the port of each packet"), err)
		}
		if err != nil {
			return nil, fmt.Errorf("golden capture: %w", &capture.Error{File: c.File, Packet: p.Number, Offset: p.Offset, Err: err})
		}
		frames = append(frames, f)
	}
	return frames, nil
}

// Write makes a golden capture (pcapng) of frames, once each is proven. Times
// are one microsecond apart, so equal frames make equal files.
func Write(file string, frames []Frame) error {
	c, err := build(file, frames)
	if err != nil {
		return err
	}
	return c.Write(file)
}

// Pcapng is what [Write] writes; the name is for errors.
func Pcapng(file string, frames []Frame) ([]byte, error) {
	c, err := build(file, frames)
	if err != nil {
		return nil, err
	}
	return c.Pcapng()
}

func build(file string, frames []Frame) (capture.Capture, error) {
	c := capture.Capture{File: file}
	for i, f := range frames {
		if err := f.prove(); err != nil {
			return c, fmt.Errorf("write golden capture %s: packet %d at %s: %w", file, i+1, f.Port, err)
		}
		c.Packets = append(c.Packets, capture.Packet{
			Number: i + 1, Time: time.Unix(0, int64(i)*1000), Interface: f.Port, Frame: f.Bytes,
			ID: uint64(f.Input), Action: f.Action, Comment: f.comment(),
		})
	}
	return c, nil
}

// comment is verdict, drop reason and note as a packet's comment has them:
//
//	drop guard_mac: endpoint program at default/red-1 on h1
//	relay: uplink program on h3, to h2
func (f Frame) comment() string {
	s := f.Verdict
	if f.Reason != "" {
		s += " " + f.Reason
	}
	if s != "" && f.Note != "" {
		s += ": "
	}
	return s + f.Note
}

func parseComment(s string) (verdict, reason, note string) {
	verdict, note, _ = strings.Cut(s, ": ")
	verdict, reason, _ = strings.Cut(verdict, " ")
	return verdict, reason, note
}

// prove checks every checksum of a frame, and that gopacket agrees with us. What
// was dropped may have been dropped because it is broken.
func (f Frame) prove() error {
	if f.died() {
		return nil
	}
	if err := frame.VerifyChecksums(f.Bytes); err != nil {
		return err
	}
	return agree(f.Bytes)
}
