// SPDX-License-Identifier: Apache-2.0

package run

import (
	"net/netip"
	"strings"

	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/scenario"
	"github.com/mizar-net/mizar/sim/wire"
)

// Cell is the situation that a check was made in: what ACCEPTANCE counts a row
// by. An empty dimension does not apply.
type Cell struct {
	// Family of the inner packet: "v4" or "v6".
	Family string `json:"family,omitempty"`
	// Proto is what the packets speak: "icmp", "tcp", "udp", "arp", "nd"; for
	// steps about the harness, what is shown: "replay".
	Proto string `json:"proto,omitempty"`
	// Placement is "same-host" or "two-hosts".
	Placement string `json:"placement,omitempty"`
	// Subnet is "same-subnet" or "two-subnets".
	Subnet string `json:"subnet,omitempty"`
	// Path is "direct", "service", "outside" where who is outside comes to one, or
	// "leaving" where an endpoint talks to who is outside.
	Path string `json:"path,omitempty"`
	// Underlay is the family of the outer packet: "v4" or "v6".
	Underlay string `json:"underlay,omitempty"`
	// Form of the program that the packet is sent through: "tcx", or nothing
	// for XDP.
	Form string `json:"form,omitempty"`
	// XDP are the modes of the programs that the packet meets on its first
	// host, where they were asked for and the wire has devices: "native",
	// "generic", "native uplinks, generic endpoints".
	XDP string `json:"xdp,omitempty"`
	// During is what happened while traffic ran: "move", "link-loss".
	During string `json:"during,omitempty"`
	// Wire is "testrun", "veth", or "both" when the two were compared.
	Wire string `json:"wire,omitempty"`
	// Verdict is "deliver", "drop", "refuse" or "answer"; Reason the drop reason.
	Verdict string `json:"verdict,omitempty"`
	Reason  string `json:"reason,omitempty"`
}

// String is the cell's dimensions with slashes between them, the underlay as
// "over-v4".
func (c Cell) String() string {
	if c.Underlay != "" {
		c.Underlay = "over-" + c.Underlay
	}
	var said []string
	for _, d := range []string{c.Family, c.Proto, c.Placement, c.Subnet, c.Path, c.Underlay, c.Form, c.XDP, c.During, c.Wire, c.Verdict, c.Reason} {
		if d != "" {
			said = append(said, d)
		}
	}
	return strings.Join(said, "/")
}

// on is the cell on a wire.
func (c Cell) on(wire string) Cell {
	c.Wire = wire
	if wire != "veth" { // no devices, or the comparison with such a wire
		c.XDP = ""
	}
	return c
}

// cell is what the objects alone say of a packet between two endpoints; to is
// nil when the packet goes to no endpoint.
func (w world) cell(from, to *object.Endpoint, family int, proto string) Cell {
	c := Cell{Family: familyName(family), Proto: proto, Path: "direct"}
	if from == nil {
		return c
	}
	c.Underlay = w.underlay(from.Host, from.Host)
	modes := scenario.Modes{Uplinks: w.hosts[from.Host].XDP, Endpoints: from.XDP}
	c.Form = forms(w.hosts[from.Host].Form, from.Form)
	if from.Form == state.FormTCX {
		modes.Endpoints = modes.Uplinks // there is no other in play
	}
	c.XDP = modes.String()
	if to == nil {
		return c
	}
	c.Underlay = w.underlay(from.Host, to.Host)
	c.Placement, c.Subnet = "two-hosts", "two-subnets"
	if from.Host == to.Host {
		c.Placement = "same-host"
	}
	if from.Subnet == to.Subnet {
		c.Subnet = "same-subnet"
	}
	return c
}

// serviceCell is the cell of a packet to a frontend: what is the same whichever backend gets it.
func (w world) serviceCell(from *object.Endpoint, backends []wire.Backend, family int, proto string) Cell {
	var c Cell
	for i, b := range backends {
		one := w.cell(from, w.endpoints[b.Endpoint], family, proto)
		if i == 0 {
			c = one
		}
		if one.Placement != c.Placement {
			c.Placement = ""
		}
		if one.Subnet != c.Subnet {
			c.Subnet = ""
		}
	}
	c.Path = "service"
	return c
}

// forms names the forms of an uplink's programs and of an endpoint's.
func forms(uplink, endpoint state.Form) string {
	switch {
	case uplink == state.FormTCX && endpoint == state.FormTCX:
		return "tcx everywhere"
	case uplink == state.FormTCX:
		return "tcx uplinks"
	case endpoint == state.FormTCX:
		return string(state.FormTCX)
	}
	return ""
}

// underlay is the family that one host sends to another over: that of its
// first address whose family the other has too.
func (w world) underlay(from, to string) string {
	for _, a := range w.hosts[from].Addresses {
		for _, b := range w.hosts[to].Addresses {
			if a.Is4() == b.Is4() {
				return familyName(familyOf(a))
			}
		}
	}
	return ""
}

func familyName(family int) string {
	switch family {
	case 4:
		return "v4"
	case 6:
		return "v6"
	}
	return ""
}

func familyOf(a netip.Addr) int {
	if a.Is4() {
		return 4
	}
	return 6
}
