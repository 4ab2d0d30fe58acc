// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
	fork "github.com/gopacket/gopacket"
	forklayers "github.com/gopacket/gopacket/layers"
	ng "github.com/gopacket/gopacket/pcapgo"
)

// Write writes a capture to a file: pcapng, with the names of interfaces, when
// the name ends in .pcapng, pcap when it ends in .pcap or .cap. The file appears
// whole or not at all.
func (c Capture) Write(file string) error {
	var b []byte
	var err error
	switch ext := filepath.Ext(file); ext {
	case ".pcapng":
		b, err = c.Pcapng()
	case ".pcap", ".cap":
		b, err = c.Pcap()
	default:
		return fmt.Errorf("write capture %s: ending %q, want .pcap or .pcapng", file, ext)
	}
	if err != nil {
		return err
	}
	half := file + ".new"
	if err := os.WriteFile(half, b, 0o644); err != nil {
		return fmt.Errorf("write capture: %w", err)
	}
	if err := os.Rename(half, file); err != nil {
		return fmt.Errorf("write capture: %w", err)
	}
	return nil
}

// snapLength is written into headers: larger than any frame.
const snapLength = 262144

// Pcap is the capture in pcap format, times in nanoseconds.
func (c Capture) Pcap() ([]byte, error) {
	var b bytes.Buffer
	w := pcapgo.NewWriterNanos(&b)
	if err := w.WriteFileHeader(snapLength, layers.LinkTypeEthernet); err != nil {
		return nil, fmt.Errorf("write pcap: %w", err)
	}
	for i, p := range c.Packets {
		if err := w.WritePacket(info(p, 0), p.Frame); err != nil {
			return nil, fmt.Errorf("write pcap: packet %d: %w", i+1, err)
		}
	}
	return b.Bytes(), nil
}

// Pcapng is the capture in pcapng format, with an interface for each port in
// the order they come up.
func (c Capture) Pcapng() ([]byte, error) {
	var names []string
	numbers := map[string]int{}
	for _, p := range c.Packets {
		if _, ok := numbers[p.Interface]; !ok {
			numbers[p.Interface] = len(names)
			names = append(names, p.Interface)
		}
	}
	if len(names) == 0 {
		names = []string{""}
	}
	var b bytes.Buffer
	w, err := ng.NewNgWriterInterface(&b, ngInterface(names[0]), ng.NgWriterOptions{
		SectionInfo: ng.NgSectionInfo{Application: "mizar"},
	})
	if err != nil {
		return nil, fmt.Errorf("write pcapng: %w", err)
	}
	for _, name := range names[1:] {
		if _, err := w.AddInterface(ngInterface(name)); err != nil {
			return nil, fmt.Errorf("write pcapng: interface %q: %w", name, err)
		}
	}
	for i, p := range c.Packets {
		options, err := p.notes()
		if err == nil {
			err = w.WritePacketWithOptions(forkInfo(p, numbers[p.Interface]), p.Frame, options)
		}
		if err != nil {
			return nil, fmt.Errorf("write pcapng: packet %d: %w", i+1, err)
		}
	}
	if err := w.Flush(); err != nil {
		return nil, fmt.Errorf("write pcapng: %w", err)
	}
	return b.Bytes(), nil
}

func ngInterface(name string) ng.NgInterface {
	return ng.NgInterface{Name: name, LinkType: forklayers.LinkTypeEthernet, SnapLength: snapLength, TimestampResolution: 9}
}

func info(p Packet, number int) gopacket.CaptureInfo {
	return gopacket.CaptureInfo{Timestamp: p.time(), CaptureLength: len(p.Frame), Length: len(p.Frame), InterfaceIndex: number}
}

// forkInfo is info as the fork of gopacket has it.
func forkInfo(p Packet, number int) fork.CaptureInfo {
	return fork.CaptureInfo{Timestamp: p.time(), CaptureLength: len(p.Frame), Length: len(p.Frame), InterfaceIndex: number}
}

func (p Packet) time() time.Time {
	if p.Time.IsZero() {
		return time.Unix(0, 0)
	}
	return p.Time
}
