// SPDX-License-Identifier: Apache-2.0

// Package topology describes one machine room as plain values: hosts with
// their uplinks, the underlay between them, and endpoints behind them.
//
// A [Topology] says what is plugged in where and knows nothing of overlays;
// [FromStates] reads it off the states of the hosts, [Compare] says what to
// plug and unplug between two of them, and topology/netns builds one for real.
package topology

import (
	"fmt"
	"hash/fnv"
	"net/netip"
	"slices"
	"strings"

	"github.com/mizar-net/mizar/dataplane/state"
)

// Topology is one machine room. Slices are sorted by name, without duplicates.
type Topology struct {
	// Segments are the L2 networks of the underlay.
	Segments  []Segment
	Routers   []Router
	Hosts     []Host
	Endpoints []Endpoint
	// Outside is who is on the underlay and in no overlay.
	Outside []Outsider
}

// Host is a machine with one uplink.
type Host struct {
	Name string
	// Segment is the name of the L2 network that the uplink is plugged into.
	Segment string
	// Addresses are the underlay addresses, at most one a family.
	Addresses []netip.Addr
	// Links are the prefixes that are on the uplink's link, one for each of
	// Addresses; none: all addresses are.
	Links []netip.Prefix
	// Routes lead to other segments.
	Routes []Route
	// MAC is the uplink's Ethernet address.
	MAC state.MAC
	// MTU is the largest IP packet of the uplink, in bytes.
	MTU int
	// VLAN is the 802.1Q tag of the underlay; 0 means untagged.
	VLAN uint16
	// Form is the form of the host's programs at the uplink, XDP where there
	// one of the XDP form sits.
	Form state.Form
	XDP  state.XDP
}

// Endpoint is an address behind a host: a namespace with one device.
type Endpoint struct {
	// Name is "namespace/name".
	Name string
	// Host is the name of the host that the endpoint is plugged into.
	Host string
	// Addresses are the endpoint's own with the length of their subnet's
	// prefix, at most one a family.
	Addresses []netip.Prefix
	// Gateways are the next hops of the default routes, one for each of
	// Addresses.
	Gateways []netip.Addr
	MAC      state.MAC
	// MTU is the largest IP packet that the endpoint may send, in bytes.
	MTU int
	// Form is the form of the host's program at the port, XDP where there
	// one of the XDP form sits.
	Form state.Form
	XDP  state.XDP
	// Self says that the endpoint is the host itself: no namespace of its own,
	// and routes for Routes alone in the place of the default routes.
	Self   bool
	Routes []netip.Prefix
}

// The names of endpoints' devices: in a namespace of their own, and in the
// host's.
const (
	EndpointDevice = "eth0"
	HostDevice     = "mizar0"
)

// Device is the name of the endpoint's device in its namespace.
func (e Endpoint) Device() string {
	if e.Self {
		return HostDevice
	}
	return EndpointDevice
}

// FromStates reads the machine room off the states of all its hosts, which are on
// one segment; [Over] puts them on several.
//
// An endpoint whose subnet is not in its host's state has an address without
// neighbours (a full-length prefix) and no gateway.
func FromStates(hosts []state.Host) Topology {
	var t Topology
	if len(hosts) > 0 {
		t.Segments = []Segment{{Name: OneSegment}}
	}
	for _, h := range hosts {
		t.Hosts = append(t.Hosts, Host{
			Name:      h.Name,
			Segment:   OneSegment,
			Addresses: slices.Clone(h.Addresses),
			MAC:       uplinkMAC(h.Name),
			MTU:       h.MTU,
			VLAN:      h.VLAN,
			Form:      h.Form,
			XDP:       h.XDP,
		})
		for _, e := range h.Endpoints {
			t.Endpoints = append(t.Endpoints, plugged(e, h))
		}
	}
	slices.SortFunc(t.Hosts, func(a, b Host) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(t.Endpoints, func(a, b Endpoint) int { return strings.Compare(a.Name, b.Name) })
	return t
}

// plugged is an endpoint of a state as something behind a host.
func plugged(e state.Endpoint, h state.Host) Endpoint {
	p := Endpoint{Name: e.Name, Host: h.Name, MAC: e.MAC, MTU: e.MTU, Form: e.Form, XDP: e.XDP, Self: e.IsHost(), Routes: e.Routes}
	at := slices.IndexFunc(h.Subnets, func(s state.Subnet) bool {
		return s.Name == e.Subnet && s.VNI == e.VNI
	})
	for _, a := range e.Addresses {
		bits := a.BitLen()
		if at >= 0 {
			for i, c := range h.Subnets[at].CIDRs {
				if c.Contains(a) {
					bits = c.Bits()
					p.Gateways = append(p.Gateways, h.Subnets[at].Gateways[i])
				}
			}
		}
		p.Addresses = append(p.Addresses, netip.PrefixFrom(a, bits))
	}
	return p
}

// uplinkMAC is a locally administered address that depends on the host's name
// alone, so that captures of two runs are equal.
func uplinkMAC(host string) state.MAC {
	h := sum(host)
	return state.MAC{0x02, 0x75, byte(h >> 24), byte(h >> 16), byte(h >> 8), byte(h)}
}

// Device is a name for a link of someone: prefix, "-", and as much of the name
// as Linux has room for in 15 bytes. The default namespace is left out; a name
// that is cut or holds another namespace ends in four digits that depend on
// the whole, so names that differ stay different (but for a collision, which
// [Topology.Check] finds).
func Device(prefix, name string) string {
	const room = 15
	short := strings.TrimPrefix(name, "default/")
	if !strings.Contains(short, "/") && len(prefix)+1+len(short) <= room {
		return prefix + "-" + short
	}
	short = strings.ReplaceAll(short, "/", ".")
	if cut := room - len(prefix) - 6; len(short) > cut {
		short = short[:cut]
	}
	return fmt.Sprintf("%s-%s-%04x", prefix, short, uint16(sum(name)))
}

// The prefixes of device names: a host's side of an endpoint's link, the
// underlay's side of an uplink (and a router's of a segment), and of a router's
// port; the switch of a segment.
const (
	PortPrefix   = "ep"
	FabricPrefix = "to"
	RouterPrefix = "rt"
	BridgePrefix = "br"
)

// Check says what stops the machine room from being built: two hosts that
// share an address or a MAC, an endpoint without its host, device names that
// collide.
func (t Topology) Check() error {
	macs, addrs, devices := map[state.MAC]string{}, map[netip.Addr]string{}, map[string]string{}
	for _, h := range t.Hosts {
		if other, ok := macs[h.MAC]; ok {
			return fmt.Errorf("hosts %s and %s: both uplinks have MAC %x; rename one host", other, h.Name, h.MAC)
		}
		macs[h.MAC] = h.Name
		for _, a := range h.Addresses {
			if other, ok := addrs[a]; ok {
				return fmt.Errorf("hosts %s and %s: both have underlay address %s; give each its own", other, h.Name, a)
			}
			addrs[a] = h.Name
		}
		if err := claim(devices, Device(FabricPrefix, h.Name), h.Name); err != nil {
			return err
		}
	}
	if err := t.checkRouters(macs, addrs, devices); err != nil {
		return err
	}
	for _, e := range t.Endpoints {
		if !slices.ContainsFunc(t.Hosts, func(h Host) bool { return h.Name == e.Host }) {
			return fmt.Errorf("endpoint %s: host %s is not in the topology; add it or name one of its hosts", e.Name, e.Host)
		}
		if err := claim(devices, e.Host+" "+Device(PortPrefix, e.Name), e.Name); err != nil {
			return err
		}
	}
	return nil
}

// claim gives a device name to its owner, unless it has another.
func claim(devices map[string]string, device, owner string) error {
	if other, ok := devices[device]; ok {
		return fmt.Errorf("%s and %s: both would have device %s; rename one", other, owner, device)
	}
	devices[device] = owner
	return nil
}

// sum is FNV-1a of a name.
func sum(name string) uint32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(name)) // a hash.Hash never fails
	return h.Sum32()
}
