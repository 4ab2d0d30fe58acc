// SPDX-License-Identifier: Apache-2.0

package fuzz

import (
	"encoding/binary"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/mizar-net/mizar/sim/capture"
	"github.com/mizar-net/mizar/sim/corpus"
	"github.com/mizar-net/mizar/sim/frame"
)

// perCapture frames of each capture are seeds, of those that fit.
const perCapture, fitting = 3, 1400

// foreign are frames of captures from elsewhere, where their folder is there, as
// me sends them to near.
func foreign(t testing.TB) (all [][]byte) {
	t.Helper()
	folder := os.Getenv(corpus.FolderVariable)
	if folder == "" {
		folder = filepath.Join("..", "..", "..", "shared", "pcaps")
	}
	if _, err := os.Stat(folder); err != nil {
		return nil
	}
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !slices.Contains([]string{".pcap", ".cap", ".pcapng"}, filepath.Ext(path)) {
			return err
		}
		c, err := capture.Read(path)
		if err != nil {
			return nil // what is no capture, the corpus judges
		}
		n := 0
		for _, b := range c.Frames() {
			if n < perCapture && len(b) >= ethernet && len(b) <= fitting {
				all = append(all, ofMe(slices.Clone(b)))
				n++
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// ofMe puts the addresses of me and near into a frame.
func ofMe(b []byte) []byte {
	copy(b, gatewayMAC[:])
	copy(b[6:], me.mac[:])
	ip := b[ethernet:]
	switch typ := binary.BigEndian.Uint16(b[12:]); {
	case typ == frame.TypeIPv4 && len(ip) >= 20:
		copy(ip[12:], me.v4.AsSlice())
		copy(ip[16:], near4.AsSlice())
	case typ == frame.TypeIPv6 && len(ip) >= 40:
		copy(ip[8:], me.v6.AsSlice())
		copy(ip[24:], near6.AsSlice())
	}
	return b
}

// carried is a frame in a tunnel of h4, to be resent.
func carried(b []byte) []byte {
	head := []byte{9, 0, 0x65, 0x58, 0, 0, red, 0, 0xff, 0x4d, 1, 1, 0, 0, 99, 3}
	back := option(frame.OptionSendBack, 81<<8|4, Token, h1)
	return built(frame.Spec{Kind: frame.UDP, DstMAC: uplinkMAC, Src: h4, Dst: self4, SrcPort: 50000, DstPort: frame.GenevePort,
		NoChecksum: true, Payload: slices.Concat(head, back, b)})
}
