// SPDX-License-Identifier: Apache-2.0

package netns

import (
	"errors"
	"fmt"
	"net"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/mizar-net/mizar/topology"
)

// Device is the name of an endpoint's device in a namespace of its own.
const Device = topology.EndpointDevice

// endpoint is a namespace with one device, whose other end is a host's port. The
// namespace of a host's own endpoint is the host's.
type endpoint struct {
	*space
	topology.Endpoint
	host *host
	// device is the index of the device here, port that of its other end there.
	device, port           int
	offloads, portOffloads map[string]string
	// dark ports stay down until a program is there, so that what the endpoint
	// asks first is answered. waiting: it may have asked in the dark.
	dark, waiting bool
	// attached is at the port; suits and portSuits are what the offloads of the
	// device and of the port suit.
	attached         attachment
	suits, portSuits side
}

// newEndpoint makes an endpoint and plugs it into its host.
func newEndpoint(t topology.Endpoint, h *host, file string) (*endpoint, error) {
	if t.Self {
		return newSelf(t, h)
	}
	s, err := newSpace(file)
	if err != nil {
		return nil, err
	}
	e := &endpoint{space: s, Endpoint: t, host: h}
	for _, step := range []func() error{e.settle, e.plugIn, e.switchOffloads, e.up, e.address} {
		if err := step(); err != nil {
			return nil, errors.Join(err, s.close())
		}
	}
	return e, nil
}

// newSelf plugs a host into itself.
func newSelf(t topology.Endpoint, h *host) (*endpoint, error) {
	e := &endpoint{space: h.space, Endpoint: t, host: h}
	for _, step := range []func() error{e.plugIn, e.speak, e.switchOffloads, e.up, e.address, e.route} {
		if err := step(); err != nil {
			if e.device != 0 {
				err = errors.Join(err, e.unplug())
			}
			return nil, err
		}
	}
	return e, nil
}

// speak lets the device speak IPv6, which other ports of the host do not, and
// keeps the host's other links from answering for its addresses.
func (e *endpoint) speak() error {
	return e.in(func() error {
		return set([]sysctl{
			{"net.ipv6.conf." + e.Device() + ".disable_ipv6", "0"},
			{"net.ipv4.conf.all.arp_ignore", "1"},
		})
	})
}

// route leads to the other subnets of the VPC by the gateways.
func (e *endpoint) route() error {
	for _, to := range e.Routes {
		for i, g := range e.Gateways {
			own := e.Addresses[i]
			if g.Is4() != to.Addr().Is4() || own.Masked() == to {
				continue
			}
			err := e.links.RouteAdd(&netlink.Route{LinkIndex: e.device, Dst: ipNet(to), Gw: g.AsSlice(), Src: own.Addr().AsSlice()})
			if err != nil {
				return fmt.Errorf("add the route to %s by %s: %w", to, g, err)
			}
		}
	}
	return nil
}

func (e *endpoint) settle() error {
	if err := e.in(func() error { return set(quiet) }); err != nil {
		return err
	}
	return loopbackUp(e.space)
}

// plugIn makes the link between eth0 and port.
func (e *endpoint) plugIn() error {
	attrs := netlink.NewLinkAttrs()
	attrs.Name = e.Device()
	attrs.MTU = e.MTU
	attrs.HardwareAddr = net.HardwareAddr(e.MAC[:])
	veth := netlink.NewVeth(attrs)
	veth.PeerName = e.portName()
	veth.PeerMTU = uint32(e.MTU)
	veth.PeerNamespace = netlink.NsFd(e.host.ns)
	if err := e.links.LinkAdd(veth); err != nil {
		return fmt.Errorf("add %s: %w", e.Device(), err)
	}
	e.device = veth.Index
	return e.findPort()
}

// portName is the name of the device in the host's namespace.
func (e *endpoint) portName() string { return topology.Device(topology.PortPrefix, e.Name) }

// findPort looks up the port's index, which depends on the host.
func (e *endpoint) findPort() error {
	port, err := e.host.links.LinkByName(e.portName())
	if err != nil {
		return fmt.Errorf("find the port on host %s: %w", e.host.Name, err)
	}
	e.port = port.Attrs().Index
	return nil
}

// switchOffloads switches both ends' offloads, before they are up.
func (e *endpoint) switchOffloads() error {
	err := e.in(func() (err error) {
		e.offloads, err = switchOffloads(e.Device(), sidePeer)
		return err
	})
	if err != nil {
		return err
	}
	e.suits = sidePeer
	return e.host.in(func() (err error) {
		e.portOffloads, err = switchOffloads(e.portName(), sideProgram)
		e.portSuits = sideProgram
		return err
	})
}

// up sets both ends up, the host's first.
func (e *endpoint) up() error {
	if err := e.host.links.LinkSetUp(index(e.port)); err != nil {
		return fmt.Errorf("set the port up: %w", err)
	}
	if err := e.links.LinkSetUp(index(e.device)); err != nil {
		return fmt.Errorf("set %s up: %w", e.Device(), err)
	}
	return nil
}

// address gives the device its addresses and default routes.
func (e *endpoint) address() error {
	for _, a := range e.Addresses {
		if err := addAddress(e.links, e.device, a); err != nil {
			return err
		}
	}
	if e.Self {
		return nil
	}
	for _, g := range e.Gateways {
		if err := e.links.RouteAdd(&netlink.Route{LinkIndex: e.device, Gw: g.AsSlice()}); err != nil {
			return fmt.Errorf("add the default route by %s: %w", g, err)
		}
	}
	return nil
}

// move takes the port to another host's namespace, where it is down until
// [Net.Attach]. What is in the endpoint's namespace stays: addresses, routes,
// sockets.
func (e *endpoint) move(to *host) error {
	if err := e.host.detach(e.port, &e.attached); err != nil {
		return fmt.Errorf("leave the old host: %w", err)
	}
	if err := e.host.links.LinkSetNsFd(index(e.port), int(to.ns)); err != nil {
		return fmt.Errorf("take the port along: %w", err)
	}
	e.host, e.Host = to, to.Name
	e.dark, e.waiting = true, true
	return e.findPort()
}

// light sets a dark port up.
func (e *endpoint) light() error {
	if !e.dark || e.host.dead {
		return nil
	}
	e.dark = false
	return e.up()
}

// askAnew forgets the neighbours that the endpoint has asked for in the dark: its
// kernel would not ask again for a second. A machine that moves for real keeps its
// link meanwhile, and need not ask.
func (e *endpoint) askAnew() error {
	if !e.waiting {
		return nil
	}
	e.waiting = false
	all, err := e.links.NeighList(e.device, netlink.FAMILY_ALL)
	if err != nil {
		return fmt.Errorf("list the neighbours of %s: %w", e.Device(), err)
	}
	for _, n := range all {
		if n.State&(netlink.NUD_INCOMPLETE|netlink.NUD_FAILED) == 0 {
			continue
		}
		if err := e.links.NeighDel(&n); err != nil && !errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("forget neighbour %s of %s: %w", n.IP, e.Device(), err)
		}
	}
	return nil
}

// unplug removes the endpoint's link, which would linger until the kernel gets
// to it.
func (e *endpoint) unplug() error {
	if err := e.links.LinkDel(index(e.device)); err != nil && !errors.Is(err, unix.ENODEV) {
		return fmt.Errorf("remove %s: %w", e.Device(), err)
	}
	return nil
}

// close unplugs the endpoint and ends its namespace, if it has one of its own.
func (e *endpoint) close() error {
	if err := e.unplug(); err != nil || e.Self {
		return err
	}
	return e.space.close()
}
