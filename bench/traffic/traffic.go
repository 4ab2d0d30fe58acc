// SPDX-License-Identifier: Apache-2.0

// Package traffic has recorded traffic as a workload: captures that come with
// Mizar, and any capture as what one endpoint sends.
//
// Each packet of the captures here has a comment: what becomes of it when an
// endpoint sends it to another host's, "send" or "drop: truncated". They are made
// by this package's tests: `go test ./bench/traffic -update`.
package traffic

import (
	"embed"
	"fmt"
	"io/fs"
	"strings"

	"github.com/mizar-net/mizar/sim/capture"
)

//go:embed captures/*.pcapng
var files embed.FS

// Shipped is a capture that comes with Mizar.
type Shipped struct {
	Name string
	// What says in a line what is in it.
	What string
}

// All are the captures that come with Mizar.
func All() []Shipped {
	return []Shipped{
		{"imix", "UDP of 64, 594 and 1514 bytes, 7 : 4 : 1, IPv4 and IPv6, 24 conversations"},
		{"bulk", "two TCP transfers, IPv4 and IPv6: full segments, an acknowledgement for every other"},
		{"short", "many short flows: name queries with answers, small HTTP exchanges"},
		{"junk", "half of it ordinary; the rest malformed, fragments, groups, ARP, and no IP at all"},
	}
}

// Brief is the one that short runs measure.
const Brief = "imix"

// Load reads a capture that comes with Mizar.
func Load(name string) (capture.Capture, error) {
	b, err := fs.ReadFile(files, "captures/"+name+".pcapng")
	if err != nil {
		var names []string
		for _, s := range All() {
			names = append(names, s.Name)
		}
		return capture.Capture{}, fmt.Errorf("capture %q: there is none of that name, only %s", name, strings.Join(names, ", "))
	}
	return capture.Parse(name, b)
}
