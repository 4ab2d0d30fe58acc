// SPDX-License-Identifier: Apache-2.0

package topology

import (
	"net/netip"
	"slices"

	"github.com/mizar-net/mizar/dataplane/state"
)

// Outsider is somebody on the underlay who is in no overlay, and may come to what the
// overlay serves to the outside.
type Outsider struct {
	// Name is "outside/name".
	Name string
	// Addresses are its own, of the underlay.
	Addresses []netip.Addr
}

// OutsideMark begins the names of outsiders among those of endpoints.
const OutsideMark = "outside/"

// OutsideMAC is the Ethernet address of the machine that is the outside.
var OutsideMAC = state.MAC{0x02, 0x6f, 0x75, 0x74, 0x00, 0x01}

// Outsider returns the one of that name.
func (u Underlay) Outsider(name string) (Outsider, bool) {
	i := slices.IndexFunc(u.Outside, func(o Outsider) bool { return o.Name == name })
	if i < 0 {
		return Outsider{}, false
	}
	return u.Outside[i], true
}

// Address is the outsider's own of the family of another.
func (o Outsider) Address(like netip.Addr) (netip.Addr, bool) {
	i := slices.IndexFunc(o.Addresses, func(a netip.Addr) bool { return a.Is4() == like.Is4() })
	if i < 0 {
		return netip.Addr{}, false
	}
	return o.Addresses[i], true
}

// Door is the address of a family that hosts send what is for the outside to.
func (u Underlay) Door(like netip.Addr) (netip.Addr, bool) {
	for _, o := range u.Outside {
		if a, ok := o.Address(like); ok {
			return a, true
		}
	}
	return netip.Addr{}, false
}

// routesOut are a host's default routes: there are none where nobody is outside.
func (u Underlay) routesOut(h Host) []Route {
	var all []Route
	for _, own := range h.Addresses {
		door, ok := u.Door(own)
		if !ok {
			continue
		}
		if via, ok := u.NextHop(h.Segment, door); ok {
			all = append(all, Route{To: netip.PrefixFrom(unspecified(own), 0), Via: via})
		}
	}
	return all
}

func unspecified(like netip.Addr) netip.Addr {
	if like.Is4() {
		return netip.IPv4Unspecified()
	}
	return netip.IPv6Unspecified()
}
