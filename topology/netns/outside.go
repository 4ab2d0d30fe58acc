// SPDX-License-Identifier: Apache-2.0

package netns

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"reflect"
	"slices"

	"github.com/vishvananda/netlink"

	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/topology"
)

// OutsideDevice is the name of the outside's device in its namespace.
const OutsideDevice = "outside"

// outside is all who are on the underlay and in no overlay: a namespace on one of its
// segments, which has no name and goes with the process.
type outside struct {
	*space
	// all are who is there, index is of their device.
	all   []topology.Outsider
	index int
	// routed says that hosts find it, and it finds hosts, by asking.
	routed bool
	// met are the hosts whose addresses were entered, led where a route leads.
	met, led map[netip.Addr]string
}

// outsiders makes the outside, if the topology has another than there is.
func (n *Net) outsiders(t topology.Topology) error {
	if n.outside != nil && reflect.DeepEqual(n.outside.all, t.Outside) {
		return nil
	}
	if n.outside != nil {
		if err := n.outside.close(); err != nil {
			return fmt.Errorf("remove the outside: %w", err)
		}
		n.outside = nil
	}
	if len(t.Outside) == 0 || len(t.Hosts) == 0 {
		return nil
	}
	made, err := newOutside(t, n.fabric)
	if err != nil {
		return fmt.Errorf("build the outside: %w", err)
	}
	n.outside = made
	return nil
}

func newOutside(t topology.Topology, f *fabric) (*outside, error) {
	s, err := newSpace("")
	if err != nil {
		return nil, err
	}
	o := &outside{space: s, all: t.Outside, met: map[netip.Addr]string{}, led: map[netip.Addr]string{}}
	u := topology.Underlay{Segments: t.Segments, Routers: t.Routers, Outside: t.Outside}
	segment := topology.OneSegment
	if o.routed = len(t.Segments[0].CIDRs) > 0; o.routed {
		at, _, _ := u.Of(t.Outside[0].Addresses[0])
		segment = at.Name
	}
	err = errors.Join(o.in(func() error { return set(quiet) }), o.plugIn(f, segment, t.Hosts[0].MTU))
	if err == nil {
		err = o.address(u, segment)
	}
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	return o, nil
}

// plugIn makes the link to the underlay.
func (o *outside) plugIn(f *fabric, segment string, mtu int) error {
	attrs := netlink.NewLinkAttrs()
	attrs.Name = OutsideDevice
	attrs.MTU = mtu
	attrs.HardwareAddr = net.HardwareAddr(topology.OutsideMAC[:])
	veth := netlink.NewVeth(attrs)
	veth.PeerName = topology.Device(topology.RouterPrefix, OutsideDevice)
	veth.PeerMTU = uint32(mtu)
	veth.PeerNamespace = netlink.NsFd(f.ns)
	if err := o.links.LinkAdd(veth); err != nil {
		return fmt.Errorf("add its device: %w", err)
	}
	o.index = veth.Index
	other, err := f.plug(veth.PeerName, segment)
	if err != nil {
		return err
	}
	for _, end := range []struct {
		at     *space
		device string
	}{{o.space, OutsideDevice}, {f.space, veth.PeerName}} {
		err := end.at.in(func() error { _, err := switchOffloads(end.device, sidePeer); return err })
		if err != nil {
			return err
		}
	}
	if err := errors.Join(f.links.LinkSetUp(index(other)), o.links.LinkSetUp(index(o.index))); err != nil {
		return fmt.Errorf("set its device up: %w", err)
	}
	return nil
}

// address gives the device the addresses of all, and routes to the hosts.
func (o *outside) address(u topology.Underlay, segment string) error {
	families := map[bool]bool{}
	for _, one := range o.all {
		for _, a := range one.Addresses {
			_, on, _ := u.Of(a)
			own := netip.PrefixFrom(a, a.BitLen())
			if o.routed {
				own = netip.PrefixFrom(a, on.Bits())
			}
			if err := addAddress(o.links, o.index, own); err != nil {
				return err
			}
			if o.routed || families[a.Is4()] {
				continue
			}
			families[a.Is4()] = true
			all := netip.PrefixFrom(a, 0).Masked()
			if err := o.links.RouteAdd(&netlink.Route{LinkIndex: o.index, Dst: ipNet(all), Scope: netlink.SCOPE_LINK}); err != nil {
				return fmt.Errorf("route %s to its device: %w", all, err)
			}
		}
	}
	if !o.routed {
		return nil
	}
	return addRoutes(o.space, slices.DeleteFunc(u.Routes(segment), func(r topology.Route) bool {
		_, speaks := u.Door(r.Via)
		return !speaks
	}))
}

// meet enters the addresses of a host as permanent neighbours, and its own at the host.
func (o *outside) meet(h *host) error {
	for _, a := range h.Addresses {
		door, ok := topology.Underlay{Outside: o.all}.Door(a)
		if !ok {
			continue
		}
		if err := h.meet(topology.Host{Name: OutsideDevice, Addresses: []netip.Addr{door}, MAC: topology.OutsideMAC}); err != nil {
			return err
		}
		if o.met[a] == h.Name {
			continue
		}
		err := o.links.NeighSet(&netlink.Neigh{
			LinkIndex: o.index, State: netlink.NUD_PERMANENT, IP: a.AsSlice(), HardwareAddr: bytes.Clone(h.MAC[:]),
		})
		if err != nil {
			return fmt.Errorf("add neighbour %s: %w", a, err)
		}
		o.met[a] = h.Name
	}
	return nil
}

// has says whether somebody outside has an address.
func (o *outside) has(a netip.Addr) bool {
	return slices.ContainsFunc(o.all, func(one topology.Outsider) bool { return slices.Contains(one.Addresses, a) })
}

// Lead makes what the outside sends to an address go to a host, which must be on its
// segment, if the address is not one of the host's own.
func (n *Net) Lead(to netip.Addr, by string) error {
	h, ok := n.hosts[by]
	switch {
	case !ok:
		return n.unknown("host", by)
	case n.outside == nil:
		return errors.New("nobody is outside of this machine room")
	case slices.Contains(h.Addresses, to), n.outside.led[to] == by:
		return nil
	}
	for _, a := range h.Addresses {
		if a.Is4() != to.Is4() {
			continue
		}
		route := &netlink.Route{LinkIndex: n.outside.index, Dst: ipNet(netip.PrefixFrom(to, to.BitLen())), Gw: a.AsSlice()}
		if err := n.outside.links.RouteReplace(route); err != nil {
			return fmt.Errorf("lead the outside's packets to %s to host %s: %w", to, by, err)
		}
		n.outside.led[to] = by
		return nil
	}
	return fmt.Errorf("lead the outside's packets to %s to host %s: it has no address of that family", to, by)
}

// Outside says that an outsider has a name. [Net.InEndpoint] knows him by it.
func (n *Net) Outside(name string) bool {
	return n.outside != nil && slices.ContainsFunc(n.outside.all, func(o topology.Outsider) bool { return o.Name == name })
}

// InOutside runs f on a thread in the namespace of all who are outside, as
// [Net.InFabric] does in the fabric's.
func (n *Net) InOutside(f func() error) error {
	if n.outside == nil {
		return errors.New("nobody is outside of this machine room")
	}
	return n.outside.in(f)
}

// ways are the next hops to the outside, where hosts need not ask for it.
func (n *Net) ways(h *host) map[netip.Addr]state.MAC {
	if n.outside == nil || n.outside.routed {
		return nil
	}
	all := map[netip.Addr]state.MAC{}
	for _, a := range h.Addresses {
		if _, ok := (topology.Underlay{Outside: n.outside.all}).Door(a); ok && a.Is4() {
			all[netip.IPv4Unspecified()] = topology.OutsideMAC
		} else if ok {
			all[netip.IPv6Unspecified()] = topology.OutsideMAC
		}
	}
	return all
}
