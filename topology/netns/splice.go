// SPDX-License-Identifier: Apache-2.0

package netns

import (
	"errors"
	"fmt"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/mizar-net/mizar/topology"
)

// SplicePrefix is the prefix of the names of taps in the fabric.
const SplicePrefix = "by"

// Splice opens the link between a host and the bridge and puts a process in: what
// the bridge has for the host is read from the tap, what is written to the tap
// goes to the bridge. The host's own end in the fabric ([Net.FabricPort]) is left
// to the caller, with a packet socket. The descriptor is non-blocking, one frame
// at a time; with its close the host is off the underlay until [Net.Unsplice].
func (n *Net) Splice(name string) (tap int, err error) {
	h, ok := n.hosts[name]
	if !ok {
		return 0, n.unknown("host", name)
	}
	device := topology.Device(SplicePrefix, name)
	err = n.fabric.in(func() error { tap, err = openTap(device); return err })
	if err != nil {
		return 0, fmt.Errorf("splice the link of host %s: %w", name, err)
	}
	if err := h.splice(device); err != nil {
		return 0, errors.Join(fmt.Errorf("splice the link of host %s: %w", name, err), unix.Close(tap))
	}
	return tap, nil
}

// Unsplice plugs a host's link straight into the bridge again; the tap must be
// closed.
func (n *Net) Unsplice(name string) error {
	h, ok := n.hosts[name]
	if !ok {
		return n.unknown("host", name)
	}
	if err := n.fabric.links.LinkSetMasterByIndex(index(h.fabricPort), n.fabric.bridges[h.Segment]); err != nil {
		return fmt.Errorf("mend the link of host %s: %w", name, err)
	}
	return nil
}

// openTap makes a tap in the thread's namespace, which ends with its descriptor.
func openTap(device string) (int, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, fmt.Errorf("open /dev/net/tun: %w", err)
	}
	req, err := unix.NewIfreq(device)
	if err != nil {
		return 0, errors.Join(fmt.Errorf("name tap %s: %w", device, err), unix.Close(fd))
	}
	req.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, req); err != nil {
		return 0, errors.Join(fmt.Errorf("make tap %s: %w", device, err), unix.Close(fd))
	}
	return fd, nil
}

// splice makes the tap the host's place at the bridge. Its address is entered
// there, so that nothing for the host is flooded.
func (h *host) splice(device string) error {
	links := h.fabric.links
	tap, err := links.LinkByName(device)
	if err != nil {
		return fmt.Errorf("find tap %s: %w", device, err)
	}
	if err := links.LinkSetMTU(tap, h.MTU); err != nil {
		return fmt.Errorf("set the MTU of tap %s: %w", device, err)
	}
	if err := links.LinkSetNoMaster(index(h.fabricPort)); err != nil {
		return fmt.Errorf("unplug the uplink from the bridge: %w", err)
	}
	if err := links.LinkSetMasterByIndex(tap, h.fabric.bridges[h.Segment]); err != nil {
		return fmt.Errorf("plug tap %s into the bridge: %w", device, err)
	}
	if err := links.LinkSetUp(tap); err != nil {
		return fmt.Errorf("set tap %s up: %w", device, err)
	}
	known := &netlink.Neigh{
		LinkIndex: tap.Attrs().Index, Family: unix.AF_BRIDGE, State: netlink.NUD_NOARP,
		Flags: netlink.NTF_MASTER, HardwareAddr: h.MAC[:],
	}
	if err := links.NeighSet(known); err != nil {
		return fmt.Errorf("enter the host's address at the bridge: %w", err)
	}
	return nil
}
