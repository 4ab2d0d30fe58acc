// SPDX-License-Identifier: Apache-2.0

package capture_test

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/mizar-net/mizar/sim/capture"
	"github.com/mizar-net/mizar/sim/frame"
)

// TestForeignCaptures reads whatever captures there are beside the repository:
// each is read or refused with its place, and no frame makes a reader panic.
func TestForeignCaptures(t *testing.T) {
	folder := os.Getenv("MIZAR_PCAPS")
	if folder == "" {
		folder = "../../../shared/pcaps"
	}
	files, frames, refused, undecoded, rewritten := 0, 0, 0, 0, 0
	for _, pattern := range []string{"*/*.pcap", "*/*.cap", "*/*.pcapng"} {
		list, err := filepath.Glob(filepath.Join(folder, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range list {
			files++
			c, err := capture.Read(file)
			var where *capture.Error
			if err != nil {
				refused++
				if !errors.As(err, &where) {
					t.Errorf("%s: error without a place: %v", file, err)
				}
				continue
			}
			for _, p := range c.Packets {
				frames++
				d, err := frame.Decode(p.Frame)
				_, _ = d.String(), frame.VerifyChecksums(p.Frame)
				if err != nil {
					undecoded++
					continue
				}
				if survives(t, d, capture.Capture{File: file, Packets: []capture.Packet{p}}) {
					rewritten++
				}
			}
		}
	}
	t.Logf("%d files (%d refused), %d frames (%d not decoded, %d rewritten)", files, refused, frames, undecoded, rewritten)
}

// survives rewrites a foreign packet and proves its checksums.
func survives(t *testing.T, d frame.Packet, c capture.Capture) bool {
	to := map[netip.Addr]capture.Endpoint{d.Inner.Src: endpointA, d.Inner.Dst: endpointB}
	if d.Tunnel || !d.Inner.Src.IsValid() || d.Inner.Dst.IsMulticast() {
		return false
	}
	out, err := c.Rewrite(to, gateway)
	if err != nil {
		return false
	}
	if err := frame.VerifyChecksums(out.Packets[0].Frame); err != nil {
		t.Errorf("%s: packet %d (%s): after the rewrite: %v", c.File, c.Packets[0].Number, d, err)
	}
	return true
}
