// SPDX-License-Identifier: Apache-2.0

package corpus

import (
	"encoding/binary"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/google/gopacket/layers"

	"github.com/mizar-net/mizar/sim/capture"
)

// What is odd about a capture, as the table says it.
const (
	oddFile   = "files that are no capture"
	oddEnd    = "files that end inside a record"
	oddLink   = "frames of no link type that we know"
	oddCut    = "frames cut by the snap length"
	oddLength = "frames longer than their record says"
	oddRaw    = "raw IP packets, given an Ethernet header"
)

// heard is a frame of a capture.
type heard struct {
	file   string
	number int
	frame  []byte
}

// files are the captures under folders, in order. A folder without any is an
// error: nothing would be proved.
func files(folders []string) ([]string, error) {
	var list []string
	for _, folder := range folders {
		before := len(list)
		err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() && slices.Contains([]string{".pcap", ".cap", ".pcapng"}, filepath.Ext(path)) {
				list = append(list, path)
			}
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("look for captures: %w", err)
		}
		if len(list) == before {
			return nil, fmt.Errorf("look for captures: %s has no .pcap, .cap or .pcapng file", folder)
		}
	}
	return list, nil
}

// read returns all frames of a file that are there, whole or cut, and counts
// what is odd.
func (t tally) open(file string) ([]heard, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read capture: %w", err)
	}
	if order, ok := pcapOrder(b); ok {
		return t.pcap(file, b, order), nil
	}
	c, err := capture.Parse(file, b)
	if err != nil {
		t.read[oddFile]++
		return nil, nil
	}
	var list []heard
	for _, p := range c.Packets {
		list = append(list, heard{file, p.Number, p.Frame})
	}
	return list, nil
}

// pcapOrder is the byte order of a classic capture; false for anything else.
func pcapOrder(b []byte) (binary.ByteOrder, bool) {
	if len(b) < 24 {
		return nil, false
	}
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		if magic := order.Uint32(b); magic == 0xa1b2c3d4 || magic == 0xa1b23c4d {
			return order, true
		}
	}
	return nil, false
}

// pcap takes the records of a classic capture as they are: where
// [capture.Parse] refuses a file for one cut frame, here it is welcome.
func (t tally) pcap(file string, b []byte, order binary.ByteOrder) (list []heard) {
	link := layers.LinkType(order.Uint32(b[20:])) // the upper bits are about the frame check sequence
	number := 0
	for b = b[24:]; len(b) > 0; number++ {
		if len(b) < 16 || uint64(order.Uint32(b[8:])) > uint64(len(b)-16) {
			t.read[oddEnd]++
			return list
		}
		captured, length := order.Uint32(b[8:]), order.Uint32(b[12:])
		data := b[16 : 16+captured]
		b = b[16+captured:]
		switch {
		case captured < length:
			t.read[oddCut]++
		case captured > length:
			t.read[oddLength]++
		}
		if link != layers.LinkTypeEthernet {
			framed, err := capture.Ethernet(link, data)
			if err != nil {
				t.read[oddLink]++
				continue
			}
			t.read[oddRaw]++
			data = framed
		}
		list = append(list, heard{file, number + 1, data})
	}
	return list
}
