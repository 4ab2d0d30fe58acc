// SPDX-License-Identifier: Apache-2.0

// Package capture reads, rewrites and writes packet captures: pcap and pcapng
// of Ethernet or raw IP packets.
//
// A capture is held whole in memory and every packet in it is whole; a
// capture that was cut short, by its recorder or on disk, is refused.
package capture

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/mizar-net/mizar/sim/frame"
)

// Capture is the content of a capture file.
type Capture struct {
	// File is the name it was read from; errors say it.
	File    string
	Packets []Packet
}

// Packet is one captured frame.
type Packet struct {
	// Number counts from 1 in the file that the packet was read from.
	Number int
	// Offset is where its record starts in the file, in bytes.
	Offset int64
	Time   time.Time
	// Interface is the name of the port that it was seen at; "" in pcap.
	Interface string
	// ID is equal for one packet wherever it was seen; 0: none. Action is
	// what an XDP program did with it: "aborted", "drop", "pass", "transmit" or
	// "redirect"; "": not known. Comment is for people. Only pcapng holds
	// the three.
	ID      uint64
	Action  string
	Comment string
	// Frame is an Ethernet frame. Raw IP packets get a header with zero
	// MACs.
	Frame []byte
}

// Error says what is wrong with a capture, and where.
type Error struct {
	File string
	// Packet is the number of the packet, 0 where the file itself is bad.
	Packet int
	// Offset is the byte in the file; -1 when unknown.
	Offset int64
	Err    error
}

// Error names file, packet, byte and the expectation.
func (e *Error) Error() string {
	s := e.File
	if e.Packet > 0 {
		s += fmt.Sprintf(": packet %d", e.Packet)
	}
	if e.Offset >= 0 {
		s += fmt.Sprintf(": byte %d", e.Offset)
	}
	return s + ": " + e.Err.Error()
}

// Unwrap is the cause.
func (e *Error) Unwrap() error { return e.Err }

// fail is an error about one packet.
func (c Capture) fail(p Packet, err error) error {
	return &Error{File: c.File, Packet: p.Number, Offset: p.Offset, Err: err}
}

// Frames are the packets' frames, in order.
func (c Capture) Frames() [][]byte {
	frames := make([][]byte, 0, len(c.Packets))
	for _, p := range c.Packets {
		frames = append(frames, p.Frame)
	}
	return frames
}

// From selects the packets that one of the addresses sent: by the IP source,
// or the sender in ARP.
func (c Capture) From(sources ...netip.Addr) (Capture, error) {
	wanted := map[netip.Addr]bool{}
	for _, a := range sources {
		wanted[a] = true
	}
	out := Capture{File: c.File}
	for _, p := range c.Packets {
		d, err := frame.Decode(p.Frame)
		if err != nil {
			return Capture{}, c.fail(p, err)
		}
		if wanted[source(d)] {
			out.Packets = append(out.Packets, p)
		}
	}
	return out, nil
}

// source is who sent a frame, seen from outside any tunnel.
func source(p frame.Packet) netip.Addr {
	switch {
	case p.Tunnel:
		return p.OuterSrc
	case p.Inner.ARP != nil:
		return p.Inner.ARP.SenderIP
	}
	return p.Inner.Src
}
