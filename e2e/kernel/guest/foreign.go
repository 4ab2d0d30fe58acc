// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/mizar-net/mizar/e2e/kernel/order"
)

// geneveDevice is the name of the kernel's own device.
const geneveDevice = "geneve"

// Foreign makes the machine itself speak Geneve, without a program of ours.
func (g *guest) Foreign(f order.Foreign, _ *order.Nothing) error {
	if err := plug(f); err != nil {
		return err
	}
	if old, err := netlink.LinkByName(geneveDevice); err == nil {
		if err := netlink.LinkDel(old); err != nil {
			return fmt.Errorf("remove the geneve device of before: %w", err)
		}
	}
	if err := addGeneve(f); err != nil {
		return fmt.Errorf("add the geneve device: %w", err)
	}
	link, err := netlink.LinkByName(geneveDevice)
	if err != nil {
		return err
	}
	if err := address(link, f); err != nil {
		return fmt.Errorf("set the geneve device up: %w", err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.echo == nil {
		g.echo, err = newEcho(context.Background())
	}
	return err
}

// plug sets the device on the underlay up.
func plug(f order.Foreign) error {
	name, err := deviceOf(f.MAC)
	if err != nil {
		return err
	}
	link, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	if err := netlink.LinkSetUp(link); err != nil {
		return fmt.Errorf("set %s up: %w", name, err)
	}
	return addAddresses(link, f.Addresses)
}

func addAddresses(link netlink.Link, all []netip.Prefix) error {
	for _, p := range all {
		a := &netlink.Addr{IPNet: ipNet(p), Flags: unix.IFA_F_NODAD}
		if err := netlink.AddrReplace(link, a); err != nil {
			return fmt.Errorf("add %s to %s: %w", p, link.Attrs().Name, err)
		}
	}
	return nil
}

// address gives the device its addresses, and tells it where its peers are: behind
// the one on the other side, whatever their Ethernet address is.
func address(link netlink.Link, f order.Foreign) error {
	if err := errors.Join(netlink.LinkSetMTU(link, f.MTU), netlink.LinkSetUp(link), addAddresses(link, f.Inner)); err != nil {
		return err
	}
	for _, peer := range f.Peers {
		err := netlink.NeighSet(&netlink.Neigh{
			LinkIndex: link.Attrs().Index, State: netlink.NUD_PERMANENT,
			IP: peer.AsSlice(), HardwareAddr: bytes.Clone(f.InnerMAC[:]),
		})
		if err != nil {
			return fmt.Errorf("enter neighbour %s: %w", peer, err)
		}
		if f.Option == nil {
			continue
		}
		route := &netlink.Route{
			LinkIndex: link.Attrs().Index, Dst: ipNet(netip.PrefixFrom(peer, peer.BitLen())),
			Scope: netlink.SCOPE_LINK, Encap: &encap{vni: f.VNI, remote: f.Remote, option: *f.Option},
		}
		if err := netlink.RouteReplace(route); err != nil {
			return fmt.Errorf("route %s into the tunnel: %w", peer, err)
		}
	}
	return nil
}

// Received tells what the device has taken.
func (g *guest) Received(_ order.Nothing, r *order.Received) error {
	link, err := netlink.LinkByName(geneveDevice)
	if err != nil {
		return fmt.Errorf("find the geneve device: %w", err)
	}
	s := link.Attrs().Statistics
	*r = order.Received{Packets: s.RxPackets, Errors: s.RxErrors, FrameErrors: s.RxFrameErrors}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.echo != nil {
		r.Datagrams = g.echo.datagrams.Load()
	}
	return nil
}

// ipNet is a prefix as netlink wants it.
func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}
