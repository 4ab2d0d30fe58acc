// SPDX-License-Identifier: Apache-2.0

package netns

import (
	"errors"
	"fmt"
	"net"

	"github.com/vishvananda/netlink"

	"github.com/mizar-net/mizar/topology"
)

// device is a device of the machine that is some host's uplink.
type device struct {
	// name and links are what it has where it comes from.
	name  string
	links *netlink.Handle
	// home is that namespace, as a descriptor.
	home int
	// was is the device as it was.
	was netlink.LinkAttrs
}

// take makes a device of the machine the uplink. It has no other end in the
// fabric: its underlay is what it is plugged into.
func (h *host) take() error {
	link, err := h.device.links.LinkByName(h.device.name)
	if err != nil {
		return fmt.Errorf("find device %s: %w", h.device.name, err)
	}
	h.device.was = *link.Attrs()
	if err := h.device.links.LinkSetDown(link); err != nil {
		return fmt.Errorf("set device %s down: %w", h.device.name, err)
	}
	if err := h.device.links.LinkSetNsFd(link, int(h.ns)); err != nil {
		return fmt.Errorf("take device %s along: %w", h.device.name, err)
	}
	// Its number may have been taken, and be another now.
	if link, err = h.links.LinkByName(h.device.name); err != nil {
		return fmt.Errorf("find device %s again: %w", h.device.name, err)
	}
	h.uplink = link.Attrs().Index
	for _, step := range []func() error{
		func() error { return h.links.LinkSetName(link, UplinkDevice) },
		func() error { return h.links.LinkSetHardwareAddr(link, net.HardwareAddr(h.MAC[:])) },
		func() error { return h.links.LinkSetMTU(link, h.MTU) },
	} {
		if err := step(); err != nil {
			return fmt.Errorf("make device %s the uplink with MAC %s and MTU %d: %w", h.device.name, h.MAC, h.MTU, err)
		}
	}
	return nil
}

// giveBack gives the device back to where it comes from as it was, but down and
// without a program.
func (h *host) giveBack() error {
	link := index(h.uplink)
	err := h.detach(h.uplink, &h.attached)
	for _, step := range []func() error{
		func() error { return h.links.LinkSetDown(link) },
		func() error { return h.links.LinkSetName(link, h.device.name) },
		func() error { return h.links.LinkSetHardwareAddr(link, h.device.was.HardwareAddr) },
		func() error { return h.links.LinkSetMTU(link, h.device.was.MTU) },
		func() error { return h.links.LinkSetNsFd(link, h.device.home) },
	} {
		if err == nil {
			err = step()
		}
	}
	if err != nil {
		return fmt.Errorf("give device %s back: %w", h.device.name, err)
	}
	return nil
}

// deviceOf is the device that is to be a host's uplink; nil: a link to the fabric.
func (n *Net) deviceOf(t topology.Host) (*device, error) {
	name, ok := n.opts.Uplinks[t.Name]
	if !ok {
		return nil, nil
	}
	if len(t.Links) == 0 {
		return nil, fmt.Errorf("device %s as an uplink: the underlay has no segment with addresses, so the host could not ask who has which: %w", name, errNoSegments)
	}
	return &device{name: name, links: n.home.links, home: int(n.home.ns)}, nil
}

var errNoSegments = errors.New("give the underlay a segment with CIDRs")
