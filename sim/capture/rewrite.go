// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"fmt"
	"net/netip"

	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/frame"
)

// Endpoint takes the place of an address of the capture.
type Endpoint struct {
	// Name is for errors.
	Name string
	// Addresses are the endpoint's own, at most one a family.
	Addresses []netip.Addr
	MAC       state.MAC
}

// Rewrite replaces addresses of the capture by those of endpoints, wherever
// they stand in a frame, and computes every checksum anew. The source MAC
// becomes the endpoint's, a unicast destination MAC the gateway's, as an
// endpoint of the network would send it. Addresses that aren't in the mapping
// stay, and so does the source MAC of who sends from one.
func (c Capture) Rewrite(to map[netip.Addr]Endpoint, gateway state.MAC) (Capture, error) {
	out := Capture{File: c.File}
	for _, p := range c.Packets {
		d, err := frame.Decode(p.Frame)
		if err != nil {
			return Capture{}, c.fail(p, err)
		}
		change := frame.Readdress{
			DstMAC: gateway,
			SrcMAC: to[source(d)].MAC,
			Address: func(old netip.Addr) (netip.Addr, error) {
				return replacement(to, old)
			},
			MAC: func(old netip.Addr) (state.MAC, bool) {
				e, ok := to[old]
				return e.MAC, ok
			},
		}
		if p.Frame, err = change.Apply(p.Frame); err != nil {
			return Capture{}, c.fail(p, err)
		}
		out.Packets = append(out.Packets, p)
	}
	return out, nil
}

// replacement is the address of old's family of the endpoint that takes its
// place.
func replacement(to map[netip.Addr]Endpoint, old netip.Addr) (netip.Addr, error) {
	e, ok := to[old]
	if !ok {
		return old, nil
	}
	for _, a := range e.Addresses {
		if a.BitLen() == old.BitLen() {
			return a, nil
		}
	}
	return netip.Addr{}, fmt.Errorf("address %s can't become endpoint %s: it has no address of that family, only %v", old, e.Name, e.Addresses)
}
