// SPDX-License-Identifier: Apache-2.0

package netns

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/topology"
)

// UplinkDevice is the name of every host's uplink in its namespace.
const UplinkDevice = "uplink"

// host is a machine: a namespace with an uplink.
type host struct {
	*space
	topology.Host
	fabric *fabric
	// device is the one that is the uplink; nil: a veth to the fabric.
	device *device
	// uplink is the uplink's index here, fabricPort its other end's there.
	uplink, fabricPort       int
	offloads, fabricOffloads map[string]string
	// met are the neighbours that were entered, by underlay address.
	met map[netip.Addr]state.MAC
	// attached is at the uplink.
	attached attachment
	// dead hosts have their endpoints' ports down.
	dead bool
}

// newHost makes a host and plugs it into the fabric, or takes a device in its place.
func newHost(t topology.Host, f *fabric, from *device, file string) (*host, error) {
	s, err := newSpace(file)
	if err != nil {
		return nil, err
	}
	h := &host{space: s, Host: t, fabric: f, device: from, met: map[netip.Addr]state.MAC{}}
	for _, step := range []func() error{h.settle, h.plugIn, h.switchOffloads, h.address} {
		if err := step(); err != nil {
			return nil, errors.Join(err, s.close())
		}
	}
	return h, nil
}

// settle makes the namespace quiet and its loopback usable. Ports of endpoints
// speak no IPv6; the uplink does, and so does lo.
func (h *host) settle() error {
	err := h.in(func() error {
		return set(quiet, speechless, []sysctl{{"net.ipv6.conf.lo.disable_ipv6", "0"}})
	})
	if err != nil {
		return err
	}
	return loopbackUp(h.space)
}

// loopbackUp sets lo up.
func loopbackUp(s *space) error {
	lo, err := s.links.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("find lo: %w", err)
	}
	if err := s.links.LinkSetUp(lo); err != nil {
		return fmt.Errorf("set lo up: %w", err)
	}
	return nil
}

// plugIn makes the link between uplink and bridge.
func (h *host) plugIn() error {
	if h.device != nil {
		return h.take()
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name = UplinkDevice
	attrs.MTU = h.MTU
	attrs.HardwareAddr = net.HardwareAddr(h.MAC[:])
	veth := netlink.NewVeth(attrs)
	veth.PeerName = topology.Device(topology.FabricPrefix, h.Name)
	veth.PeerMTU = uint32(h.MTU)
	veth.PeerNamespace = netlink.NsFd(h.fabric.ns)
	if err := h.links.LinkAdd(veth); err != nil {
		return fmt.Errorf("add the uplink: %w", err)
	}
	h.uplink = veth.Index
	var err error
	h.fabricPort, err = h.fabric.plug(veth.PeerName, h.Segment)
	return err
}

// switchOffloads switches both ends' offloads, before they are up.
func (h *host) switchOffloads() error {
	err := h.in(func() (err error) {
		h.offloads, err = switchOffloads(UplinkDevice, sideProgram)
		return err
	})
	if err != nil || h.device != nil {
		return err
	}
	return h.fabric.in(func() (err error) {
		h.fabricOffloads, err = switchOffloads(topology.Device(topology.FabricPrefix, h.Name), sidePeer)
		return err
	})
}

// address sets both ends up and gives the uplink its addresses. Everything of
// the same family is on the link, whatever the addresses are.
func (h *host) address() error {
	if err := h.in(func() error { return set(h.linkLocal(), h.wants6()) }); err != nil {
		return err
	}
	if h.device == nil {
		if err := h.fabric.links.LinkSetUp(index(h.fabricPort)); err != nil {
			return fmt.Errorf("set the uplink's other end up: %w", err)
		}
	}
	if err := h.links.LinkSetUp(index(h.uplink)); err != nil {
		return fmt.Errorf("set the uplink up: %w", err)
	}
	if h.routed() {
		return h.join()
	}
	for _, a := range h.Addresses {
		if err := addAddress(h.links, h.uplink, netip.PrefixFrom(a, a.BitLen())); err != nil {
			return err
		}
		all := netip.PrefixFrom(a, 0).Masked()
		route := &netlink.Route{LinkIndex: h.uplink, Dst: ipNet(all), Scope: netlink.SCOPE_LINK, Src: a.AsSlice()}
		if err := h.links.RouteAdd(route); err != nil {
			return fmt.Errorf("route %s to the uplink: %w", all, err)
		}
	}
	return nil
}

// linkLocal keeps the uplink without a link-local address, unless the host has to
// solicit neighbours, which it does from there.
func (h *host) linkLocal() []sysctl {
	if h.routed() {
		return nil
	}
	return []sysctl{{"net.ipv6.conf.uplink.addr_gen_mode", "1"}}
}

// routed says that the host's segment is one of several.
func (h *host) routed() bool { return len(h.Links) > 0 }

// join gives the uplink its addresses on its segment, and routes to the others.
func (h *host) join() error {
	for i, a := range h.Addresses {
		if err := addAddress(h.links, h.uplink, netip.PrefixFrom(a, h.Links[i].Bits())); err != nil {
			return err
		}
	}
	return addRoutes(h.space, h.Routes)
}

// addRoutes adds routes by gateways that are on a link.
func addRoutes(s *space, routes []topology.Route) error {
	for _, r := range routes {
		if err := s.links.RouteAdd(&netlink.Route{Dst: ipNet(r.To), Gw: r.Via.AsSlice()}); err != nil {
			return fmt.Errorf("route %s by %s: %w", r.To, r.Via, err)
		}
	}
	return nil
}

// wants6 lets the uplink speak IPv6 if it has an address of it.
func (h *host) wants6() []sysctl {
	for _, a := range h.Addresses {
		if a.Is6() {
			return []sysctl{{"net.ipv6.conf.uplink.disable_ipv6", "0"}}
		}
	}
	return nil
}

// meet enters the addresses of another host as permanent neighbours.
func (h *host) meet(other topology.Host) error {
	for _, a := range other.Addresses {
		if h.met[a] == other.MAC || !h.speaks(a) {
			continue
		}
		err := h.links.NeighSet(&netlink.Neigh{
			LinkIndex: h.uplink, State: netlink.NUD_PERMANENT,
			IP: a.AsSlice(), HardwareAddr: bytes.Clone(other.MAC[:]),
		})
		if err != nil {
			return fmt.Errorf("add neighbour %s: %w", a, err)
		}
		h.met[a] = other.MAC
	}
	return nil
}

// speaks says whether the host has an address of a's family.
func (h *host) speaks(a netip.Addr) bool {
	for _, own := range h.Addresses {
		if own.Is4() == a.Is4() {
			return true
		}
	}
	return false
}

// nextHops are the Ethernet addresses of the neighbours.
func (h *host) nextHops() map[netip.Addr]state.MAC {
	all := make(map[netip.Addr]state.MAC, len(h.met))
	for a, m := range h.met {
		all[a] = m
	}
	return all
}

// close unplugs the host and ends its namespace.
func (h *host) close() error {
	if h.device != nil {
		return errors.Join(h.giveBack(), h.space.close())
	}
	// The link's end in the fabric would linger until the kernel gets to it.
	if err := h.links.LinkDel(index(h.uplink)); err != nil && !errors.Is(err, unix.ENODEV) {
		return fmt.Errorf("remove the uplink: %w", err)
	}
	return h.space.close()
}

// index is a device known by its interface index alone.
func index(i int) netlink.Link {
	return &netlink.Device{LinkAttrs: netlink.LinkAttrs{Index: i}}
}

// ipNet is a prefix as netlink wants it.
func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// addAddress gives a device an address that is usable at once.
func addAddress(links *netlink.Handle, device int, p netip.Prefix) error {
	a := &netlink.Addr{IPNet: ipNet(p)}
	if p.Addr().Is6() {
		a.Flags = unix.IFA_F_NODAD
	}
	if err := links.AddrAdd(index(device), a); err != nil {
		return fmt.Errorf("add address %s: %w", p, err)
	}
	return nil
}
