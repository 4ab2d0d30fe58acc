// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"os"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
)

// Read reads a pcap or pcapng file; the content says which it is.
func Read(file string) (Capture, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return Capture{}, fmt.Errorf("read capture: %w", err)
	}
	return Parse(file, b)
}

// reader is what pcap and pcapng readers have in common.
type reader interface {
	ReadPacketData() ([]byte, gopacket.CaptureInfo, error)
}

// Parse reads the bytes of a capture file; its name is for errors.
func Parse(file string, b []byte) (Capture, error) {
	records, err := walk(b)
	if err != nil {
		err.File = file
		return Capture{}, err
	}
	c := Capture{File: file}
	r, link, problem := open(b)
	if problem != nil {
		return Capture{}, &Error{File: file, Err: problem}
	}
	for {
		p := Packet{Number: len(c.Packets) + 1, Offset: -1}
		if len(records) > len(c.Packets) {
			r := records[len(c.Packets)]
			p.Offset, p.ID, p.Action, p.Comment = r.offset, r.id, r.action, r.comment
		}
		data, info, err := r.ReadPacketData()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return Capture{}, c.fail(p, err)
		}
		p.Time = info.Timestamp
		typ, name := link(info)
		p.Interface = name
		if info.CaptureLength < info.Length {
			return Capture{}, c.fail(p, fmt.Errorf("only %d of %d bytes were captured: want whole packets (record with snap length 0)", info.CaptureLength, info.Length))
		}
		if p.Frame, err = Ethernet(typ, data); err != nil {
			return Capture{}, c.fail(p, err)
		}
		c.Packets = append(c.Packets, p)
	}
	if len(c.Packets) != len(records) {
		return Capture{}, &Error{File: file, Offset: -1, Err: fmt.Errorf("%d packet records, only %d could be read", len(records), len(c.Packets))}
	}
	return c, nil
}

// open starts a reader, and a function that tells a packet's link type and the
// name of its interface.
func open(b []byte) (reader, func(gopacket.CaptureInfo) (layers.LinkType, string), error) {
	if isNg(b) {
		r, err := pcapgo.NewNgReader(bytes.NewReader(b), pcapgo.NgReaderOptions{WantMixedLinkType: true})
		if err != nil {
			return nil, nil, fmt.Errorf("pcapng: %w", err)
		}
		return r, func(info gopacket.CaptureInfo) (layers.LinkType, string) {
			i, err := r.Interface(info.InterfaceIndex)
			if err != nil {
				return layers.LinkTypeNull, ""
			}
			return i.LinkType, i.Name
		}, nil
	}
	r, err := pcapgo.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, nil, fmt.Errorf("pcap: %w", err)
	}
	r.SetSnaplen(math.MaxInt32) // the lengths are proven already
	return r, func(gopacket.CaptureInfo) (layers.LinkType, string) { return r.LinkType(), "" }, nil
}

// Link types that hold a bare IP packet (tcpdump.org/linktypes.html).
const (
	linkRawBSD     layers.LinkType = 12
	linkRawOpenBSD layers.LinkType = 14
	linkRaw        layers.LinkType = 101
	linkIPv4       layers.LinkType = 228
	linkIPv6       layers.LinkType = 229
)

// Ethernet makes an Ethernet frame of a packet's data: a raw IP packet gets a
// header with zero MACs.
func Ethernet(typ layers.LinkType, data []byte) ([]byte, error) {
	switch typ {
	case layers.LinkTypeEthernet:
		if len(data) < 14 {
			return nil, fmt.Errorf("%d bytes: want an Ethernet frame of 14 or more", len(data))
		}
		return data, nil
	case linkRaw, linkRawBSD, linkRawOpenBSD, linkIPv4, linkIPv6:
		return rawEthernet(data)
	}
	return nil, fmt.Errorf("link type %d: want Ethernet (1) or raw IP (101, 228, 229)", typ)
}

func rawEthernet(data []byte) ([]byte, error) {
	head := make([]byte, 14, 14+len(data))
	switch {
	case len(data) > 0 && data[0]>>4 == 4:
		head[12], head[13] = 0x08, 0x00
	case len(data) > 0 && data[0]>>4 == 6:
		head[12], head[13] = 0x86, 0xdd
	default:
		return nil, errors.New("raw IP packet: want version 4 or 6 in its first byte")
	}
	return append(head, data...), nil
}
