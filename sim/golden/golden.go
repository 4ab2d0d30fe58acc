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
	"os"
	"time"

	"github.com/mizar-net/mizar/sim/capture"
	"github.com/mizar-net/mizar/sim/frame"
	"github.com/mizar-net/mizar/sim/wire"
)

// Frame is a frame and the port that it came out of.
type Frame struct {
	// Port is "endpoint:namespace/name" or "uplink:host"; see [Port].
	Port  string
	Bytes []byte
}

// Port is the name of a port in a golden capture.
func Port(p wire.Port) string {
	if p.Endpoint != "" {
		return "endpoint:" + p.Endpoint
	}
	return "uplink:" + p.Uplink
}

// Frames are what a wire emitted, in order.
func Frames(emissions []wire.Emission) []Frame {
	frames := make([]Frame, 0, len(emissions))
	for _, e := range emissions {
		frames = append(frames, Frame{Port(e.At), e.Frame})
	}
	return frames
}

// Read reads a golden capture and proves every frame of it.
func Read(file string) ([]Frame, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("golden capture: %w", err)
	}
	return Parse(file, b)
}

// Parse is Read for a capture that is at hand; file is for errors.
func Parse(file string, b []byte) ([]Frame, error) {
	c, err := capture.Parse(file, b)
	if err != nil {
		return nil, fmt.Errorf("golden capture: %w", err)
	}
	var frames []Frame
	for _, p := range c.Packets {
		err := prove(p.Frame)
		if p.Interface == "" {
			err = errors.Join(errors.New("no interface name: want a pcapng that names the port of each packet"), err)
		}
		if err != nil {
			return nil, fmt.Errorf("golden capture: %w", &capture.Error{File: file, Packet: p.Number, Offset: p.Offset, Err: err})
		}
		frames = append(frames, Frame{p.Interface, p.Frame})
	}
	return frames, nil
}

// Write makes a golden capture (pcapng) of frames, once each is proven. Times
// are one microsecond apart, so equal frames make equal files.
func Write(file string, frames []Frame) error {
	c := capture.Capture{File: file}
	for i, f := range frames {
		if err := prove(f.Bytes); err != nil {
			return fmt.Errorf("write golden capture %s: packet %d at %s: %w", file, i+1, f.Port, err)
		}
		c.Packets = append(c.Packets, capture.Packet{
			Number: i + 1, Time: time.Unix(0, int64(i)*1000), Interface: f.Port, Frame: f.Bytes,
		})
	}
	return c.Write(file)
}

// prove checks every checksum of a frame, and that gopacket agrees with us.
func prove(b []byte) error {
	if err := frame.VerifyChecksums(b); err != nil {
		return err
	}
	return agree(b)
}
