// SPDX-License-Identifier: Apache-2.0

package live

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/mizar-net/mizar/bench/suite"
)

const (
	// kernelVXLAN names the contender.
	kernelVXLAN = "kernel-vxlan"
	// vxlanPort is IANA's.
	vxlanPort = 4789
)

// vxlanOverhead is what the kernel's overlay needs of a packet, by family.
var vxlanOverhead = map[int]int{4: 50, 6: 70}

// newVXLAN is the kernel's own overlay: on each host a bridge between the port
// and a VXLAN device over the wire.
func newVXLAN(ctx context.Context, k suite.Key, at sink) (*contender, error) {
	c, err := armed(ctx, k, at, endpointMAC(1))
	if err != nil {
		return nil, err
	}
	c.name = kernelVXLAN
	if err := errors.Join(c.kernel(), c.pollPorts()); err != nil {
		return nil, errors.Join(err, c.close())
	}
	return c, nil
}

// kernel sets bridges and VXLAN devices up.
func (c *contender) kernel() error {
	return c.eachHost(func(n int) error {
		if err := c.bridge(c.family, n); err != nil {
			return fmt.Errorf("VXLAN and bridge: %w", err)
		}
		return nil
	})
}

// pollPorts makes the ports take the frames of a redirect, which are what the
// generator sends, without a program.
func (c *contender) pollPorts() error {
	return c.eachHost(func(n int) error {
		return change(c.portName(n), map[string]bool{"rx-gro": true})
	})
}

// wireAddress is a host's on the wire, beside its own on the uplink.
func wireAddress(family, n int) *net.IPNet {
	if family == 4 {
		return &net.IPNet{IP: net.IPv4(198, 51, 100, byte(n+1)).To4(), Mask: net.CIDRMask(24, 32)}
	}
	return &net.IPNet{IP: net.ParseIP(fmt.Sprintf("2001:db8:ff::%d", n+1)), Mask: net.CIDRMask(64, 128)}
}

// bridge sets the n-th host up, on a thread inside it.
func (r *rig) bridge(family, n int) error {
	h := r.hosts[n]
	if err := r.join(family, n); err != nil {
		return err
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "br0"
	bridge := &netlink.Bridge{LinkAttrs: attrs}
	if err := netlink.LinkAdd(bridge); err != nil {
		return fmt.Errorf("add the bridge: %w", err)
	}
	attrs = netlink.NewLinkAttrs()
	attrs.Name = "vx0"
	vxlan := &netlink.Vxlan{
		LinkAttrs: attrs, VxlanId: vni, VtepDevIndex: h.wire, Port: vxlanPort, Learning: true,
		SrcAddr: wireAddress(family, n).IP, Group: wireAddress(family, 1-n).IP,
	}
	if err := netlink.LinkAdd(vxlan); err != nil {
		return fmt.Errorf("add the VXLAN device: %w", err)
	}
	port := &netlink.Device{LinkAttrs: netlink.LinkAttrs{Index: h.port}}
	for _, l := range []netlink.Link{vxlan, port} {
		if err := errors.Join(netlink.LinkSetMasterByIndex(l, bridge.Index), netlink.LinkSetUp(l)); err != nil {
			return fmt.Errorf("plug interface %d into the bridge: %w", l.Attrs().Index, err)
		}
	}
	if err := netlink.LinkSetUp(bridge); err != nil {
		return fmt.Errorf("set the bridge up: %w", err)
	}
	return nil
}

// join gives the wire an address, and the other host's.
func (r *rig) join(family, n int) error {
	h := r.hosts[n]
	device := &netlink.Device{LinkAttrs: netlink.LinkAttrs{Index: h.wire}}
	if family == 6 {
		if err := os.WriteFile("/proc/sys/net/ipv6/conf/"+wire+"/disable_ipv6", []byte("0"), 0); err != nil {
			return err
		}
	}
	a := &netlink.Addr{IPNet: wireAddress(family, n)}
	if family == 6 {
		a.Flags = unix.IFA_F_NODAD
	}
	if err := netlink.AddrAdd(device, a); err != nil {
		return fmt.Errorf("add address %s to the wire: %w", a.IPNet, err)
	}
	far := wireMAC(1 - n)
	err := netlink.NeighSet(&netlink.Neigh{
		LinkIndex: h.wire, State: netlink.NUD_PERMANENT, IP: wireAddress(family, 1-n).IP, HardwareAddr: mac(far),
	})
	if err != nil {
		return fmt.Errorf("add the neighbour on the wire: %w", err)
	}
	return nil
}
