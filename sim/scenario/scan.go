// SPDX-License-Identifier: Apache-2.0

package scenario

import (
	"fmt"
	"net/netip"

	"github.com/mizar-net/mizar/controlplane/object/strict"
)

// Scan lets an endpoint send a datagram to each address of a prefix, one right
// behind the other.
type Scan struct {
	// From is the full name of an endpoint.
	From string
	To   netip.Prefix
}

// mostScanned is how many addresses a prefix may have that is scanned, as bits.
const mostScanned = 16

func (d *decoder) scan(v strict.Value) *Scan {
	f := v.Fields("from", "to")
	s := &Scan{From: d.endpoint(f.Required("from", "the name of an endpoint"))}
	to := f.Required("to", "a prefix")
	before := d.failures()
	s.To = to.Prefix()
	if bits := s.To.Addr().BitLen() - s.To.Bits(); to.Present() && d.failures() == before && (bits > mostScanned || s.To != s.To.Masked()) {
		to.Fail(fmt.Sprintf("a prefix without host bits, of at most %d addresses", 1<<mostScanned))
	}
	return s
}

// learned reads how many rows hosts may have learned of VPCs: {h1: {blue: {most: 9}}}.
func (d *decoder) learned(v strict.Value) map[string]map[string]*Bounds[int] {
	if !v.Present() && d.shape == nil {
		return nil
	}
	all := map[string]map[string]*Bounds[int]{}
	for _, host := range v.Entries() {
		d.hostKey(host)
		all[host.Key] = map[string]*Bounds[int]{}
		for _, vpc := range host.Value.Entries() {
			if _, ok := d.set.VPC(vpc.Key); !ok {
				var known []string
				for _, v := range d.set.VPCs {
					known = append(known, v.Key())
				}
				unknown(vpc.Value, "VPC", vpc.Key, known)
			}
			all[host.Key][vpc.Key] = bounds(vpc.Value, count)
		}
	}
	return all
}
