// SPDX-License-Identifier: Apache-2.0

package netns

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/topology"
)

// router is a namespace that forwards between the segments that it is on.
type router struct {
	*space
	topology.Router
	fabric *fabric
}

// forwards makes a namespace a router that says so when its MAC changes, and
// that answers everywhere.
var forwards = []sysctl{
	{"net.ipv4.ip_forward", "1"},
	{"net.ipv6.conf.all.forwarding", "1"},
	{"net.ipv4.conf.all.rp_filter", "0"},
	{"net.ipv4.conf.default.rp_filter", "0"},
	{"net.ipv4.conf.default.arp_notify", "1"},
	{"net.ipv6.conf.default.ndisc_notify", "1"},
}

// newRouter makes a router and plugs it into its segments.
func newRouter(t topology.Router, routes []topology.Route, f *fabric, file string) (*router, error) {
	s, err := newSpace(file)
	if err != nil {
		return nil, err
	}
	r := &router{space: s, Router: t, fabric: f}
	err = r.in(func() error { return set(quiet, forwards) })
	for _, p := range t.Ports {
		if err == nil {
			err = r.plugIn(p)
		}
	}
	if err == nil {
		err = addRoutes(s, routes)
	}
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	return r, nil
}

// plugIn makes the link between a port and its segment.
func (r *router) plugIn(p topology.RouterPort) error {
	attrs := netlink.NewLinkAttrs()
	attrs.Name = portOn(p.Segment)
	attrs.MTU = p.MTU
	attrs.HardwareAddr = net.HardwareAddr(p.MAC[:])
	veth := netlink.NewVeth(attrs)
	veth.PeerName = topology.Device(topology.RouterPrefix, r.Name+"."+p.Segment)
	veth.PeerMTU = uint32(p.MTU)
	veth.PeerNamespace = netlink.NsFd(r.fabric.ns)
	if err := r.links.LinkAdd(veth); err != nil {
		return fmt.Errorf("add the port on %s: %w", p.Segment, err)
	}
	other, err := r.fabric.plug(veth.PeerName, p.Segment)
	if err != nil {
		return err
	}
	for _, end := range []struct {
		at     *space
		device string
	}{{r.space, attrs.Name}, {r.fabric.space, veth.PeerName}} {
		err := end.at.in(func() error { _, err := switchOffloads(end.device, sidePeer); return err })
		if err != nil {
			return err
		}
	}
	if err := errors.Join(r.fabric.links.LinkSetUp(index(other)), r.links.LinkSetUp(index(veth.Index))); err != nil {
		return fmt.Errorf("set the port on %s up: %w", p.Segment, err)
	}
	for _, a := range p.Addresses {
		if err := addAddress(r.links, veth.Index, a); err != nil {
			return err
		}
	}
	return nil
}

// portOn is the name of a router's device on a segment.
func portOn(segment string) string { return topology.Device(topology.FabricPrefix, segment) }

// change gives ports their MACs and MTUs.
func (r *router) change(to topology.Router) error {
	for _, p := range to.Ports {
		link, err := r.links.LinkByName(portOn(p.Segment))
		if err != nil {
			return fmt.Errorf("find the port on %s: %w", p.Segment, err)
		}
		if link.Attrs().MTU != p.MTU {
			if err := r.links.LinkSetMTU(link, p.MTU); err != nil {
				return fmt.Errorf("set the MTU of the port on %s: %w", p.Segment, err)
			}
		}
		if bytes.Equal(link.Attrs().HardwareAddr, p.MAC[:]) {
			continue
		}
		if err := r.links.LinkSetHardwareAddr(link, net.HardwareAddr(p.MAC[:])); err != nil {
			return fmt.Errorf("set the MAC of the port on %s: %w", p.Segment, err)
		}
	}
	r.Router = to
	return nil
}

// close unplugs the router and ends its namespace.
func (r *router) close() error {
	for _, p := range r.Ports {
		link, err := r.links.LinkByName(portOn(p.Segment))
		if err == nil {
			err = r.links.LinkDel(link)
		}
		if err != nil && !errors.Is(err, unix.ENODEV) {
			return fmt.Errorf("remove the port on %s: %w", p.Segment, err)
		}
	}
	return r.space.close()
}

// removeUnderlay removes routers and segments that nobody is on any more.
func (n *Net) removeUnderlay(c topology.Change) error {
	for _, r := range c.RemoveRouters {
		if err := n.routers[r.Name].close(); err != nil {
			return fmt.Errorf("remove router %s: %w", r.Name, err)
		}
		delete(n.routers, r.Name)
	}
	for _, s := range c.RemoveSegments {
		if err := n.fabric.removeSegment(s.Name); err != nil {
			return fmt.Errorf("remove segment %s: %w", s.Name, err)
		}
	}
	return nil
}

// addUnderlay makes segments and routers.
func (n *Net) addUnderlay(c topology.Change, t topology.Topology) error {
	for _, s := range c.AddSegments {
		if err := n.fabric.addSegment(s.Name); err != nil {
			return fmt.Errorf("add segment %s: %w", s.Name, err)
		}
	}
	u := topology.Underlay{Segments: t.Segments, Routers: t.Routers}
	for _, r := range c.AddRouters {
		made, err := newRouter(r, u.RoutesOf(r.Name), n.fabric, fileOf(n.opts.Name, Router, r.Name))
		if err != nil {
			return fmt.Errorf("build router %s: %w", r.Name, err)
		}
		n.routers[r.Name] = made
	}
	for _, r := range c.ChangeRouters {
		if err := n.routers[r.Name].change(r); err != nil {
			return fmt.Errorf("change router %s: %w", r.Name, err)
		}
	}
	n.segments = slices.Clone(t.Segments)
	return nil
}

// underlay is what exists of it.
func (n *Net) underlay() topology.Underlay {
	u := topology.Underlay{Segments: n.segments}
	for _, name := range slices.Sorted(maps.Keys(n.routers)) {
		u.Routers = append(u.Routers, n.routers[name].Router)
	}
	return u
}

// InRouter runs f on a thread inside a router's namespace, as [Net.InFabric]
// does in the fabric's.
func (n *Net) InRouter(name string, f func() error) error {
	r, ok := n.routers[name]
	if !ok {
		return n.unknown("router", name)
	}
	return r.in(f)
}

// Routed says that hosts find each other by routes and neighbours of their own,
// so that [Net.Local] has no next hops.
func (n *Net) Routed() bool { return len(n.segments) > 0 && len(n.segments[0].CIDRs) > 0 }

// NextHop is the Ethernet address of whom a host gives packets to an underlay
// address to, as the topology has it.
func (n *Net) NextHop(from string, to netip.Addr) (mac state.MAC, ok bool) {
	h, known := n.hosts[from]
	if !known {
		return mac, false
	}
	u := n.underlay()
	if n.outside != nil && to.IsUnspecified() {
		if to, known = (topology.Underlay{Outside: n.outside.all}).Door(to); !known || !h.speaks(to) {
			return mac, false
		}
	}
	hop, ok := u.NextHop(h.Segment, to)
	if !ok {
		return mac, false
	}
	if n.outside != nil && n.outside.has(hop) {
		return topology.OutsideMAC, true
	}
	if mac, ok := u.MACOf(hop); ok {
		return mac, true
	}
	for _, other := range n.hosts {
		if slices.Contains(other.Addresses, hop) {
			return other.MAC, ok
		}
	}
	return mac, false
}
