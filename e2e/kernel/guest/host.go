// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/vishvananda/netlink"

	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/dataplane"
	"github.com/mizar-net/mizar/dataplane/encode"
	"github.com/mizar-net/mizar/dataplane/nexthop"
	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/e2e/kernel/order"
	"github.com/mizar-net/mizar/sim/wire/veth"
	"github.com/mizar-net/mizar/topology"
	"github.com/mizar-net/mizar/topology/netns"
)

// host is a host of the underlay inside this machine: a namespace with a device
// virtio-net as its uplink, and the endpoints behind it.
type host struct {
	state state.Host
	room  *netns.Net
	path  *dataplane.Datapath
	watch *nexthop.Watcher

	mu    sync.Mutex
	local state.Local
	// failed is what went wrong while next hops were followed.
	failed error
}

// Hold makes the machine be a host: the devices, the programs, the rows. Next hops
// are followed from then on.
func (g *guest) Hold(o order.Hold, held *order.Held) error {
	device, err := deviceOf(o.MAC)
	if err != nil {
		return err
	}
	driver, err := driverOf(device)
	if err != nil {
		return err
	}
	h := &host{state: o.State}
	if err := h.build(o.Ground, device); err != nil {
		return fmt.Errorf("host %s: %w", o.State.Name, err)
	}
	g.mu.Lock()
	g.hosts[o.State.Name] = h
	g.mu.Unlock()
	mode, err := h.room.Mode(o.State.Name)
	if err != nil {
		return err
	}
	var report strings.Builder
	err = veth.WriteReport(&report, h.room.Offloads(), h.room.Fallbacks())
	*held = order.Held{Driver: driver, Mode: mode, Report: report.String()}
	return err
}

func (h *host) build(ground topology.Underlay, device string) error {
	ctx := context.Background()
	topo, err := topology.Over(ground, []state.Host{h.state})
	if err != nil {
		return err
	}
	if h.room, err = netns.Build(ctx, topo, netns.Options{Uplinks: map[string]string{h.state.Name: device}}); err != nil {
		return err
	}
	if h.path, err = load(); err != nil {
		return err
	}
	if h.local, err = h.room.Local(h.state.Name); err != nil {
		return err
	}
	if _, err := h.path.Apply(h.state, h.local); err != nil {
		return err
	}
	if err := veth.AttachAll(h.room, h.state, h.path); err != nil {
		return err
	}
	if err := h.room.Ready(ctx); err != nil {
		return err
	}
	for _, e := range h.state.Endpoints {
		if err := h.room.InEndpoint(e.Name, func() error { _, err := newEcho(ctx); return err }); err != nil {
			return fmt.Errorf("endpoint %s: %w", e.Name, err)
		}
	}
	err = h.room.InHost(h.state.Name, func() (err error) {
		h.watch, err = nexthop.Watch(h.changed)
		return err
	})
	if err != nil {
		return err
	}
	h.watch.Follow(encode.Targets(h.state))
	return nil
}

// load loads the programs for a driver that transmits what the uplink's program
// gives back to it.
func load() (*dataplane.Datapath, error) {
	var secret [8]byte
	_, _ = rand.Read(secret[:]) // never fails
	limits := dataplane.SimulatedLimits()
	limits[bpf.RowMapPorts] = 4096 // its rows are told by interface index
	return dataplane.Load(dataplane.Options{
		Mode: dataplane.Live, Uplink: dataplane.Transmits,
		TokenSecret: binary.NativeEndian.Uint64(secret[:]), Limits: limits,
	})
}

// changed brings new next hops to the maps.
func (h *host) changed() {
	h.mu.Lock()
	defer h.mu.Unlock()
	veth.Answered(&h.local, h.watch.Answers())
	_, err := h.path.Reach(h.local)
	h.failed = errors.Join(h.failed, err)
}

// Reach waits until a host knows the next hops of all others.
func (g *guest) Reach(name string, _ *order.Nothing) error {
	h, err := g.host(name)
	if err != nil {
		return err
	}
	targets := encode.Targets(h.state)
	ctx, cancel := context.WithTimeout(context.Background(), order.Patience)
	defer cancel()
	err = h.watch.Wait(ctx, func(a nexthop.Answers) bool {
		for _, to := range targets {
			if a[to].Why != nexthop.Resolved {
				return false
			}
		}
		return true
	})
	if err != nil {
		return fmt.Errorf("host %s: find the next hops of %v: %w", name, targets, err)
	}
	h.changed() // the watcher may not have come to it
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.failed
}

// Count tells what a host's programs have counted.
func (g *guest) Count(name string, c *order.Counters) error {
	h, err := g.host(name)
	if err != nil {
		return err
	}
	if c.Drops, err = h.path.Drops(); err != nil {
		return err
	}
	c.Verdicts, err = h.path.Verdicts()
	return err
}

// Forget makes a host forget what it has learned.
func (g *guest) Forget(name string, _ *order.Nothing) error {
	h, err := g.host(name)
	if err != nil {
		return err
	}
	return h.path.Forget()
}

// Leave ends a host and gives its device back.
func (g *guest) Leave(name string, _ *order.Nothing) error {
	h, err := g.host(name)
	if err != nil {
		return err
	}
	g.mu.Lock()
	delete(g.hosts, name)
	g.mu.Unlock()
	return errors.Join(h.watch.Close(), h.room.Close(), h.path.Close())
}

// deviceOf is the name of the device with an Ethernet address.
func deviceOf(mac state.MAC) (string, error) {
	all, err := netlink.LinkList()
	if err != nil {
		return "", fmt.Errorf("list devices: %w", err)
	}
	for _, l := range all {
		if l.Attrs().HardwareAddr.String() == mac.String() {
			return l.Attrs().Name, nil
		}
	}
	return "", fmt.Errorf("find the device with MAC %s: none of %d has it; is the driver loaded?", mac, len(all))
}

// driverOf is the name of a device's driver.
func driverOf(device string) (string, error) {
	link, err := os.Readlink("/sys/class/net/" + device + "/device/driver")
	if err != nil {
		return "", fmt.Errorf("find the driver of %s: %w", device, err)
	}
	return filepath.Base(link), nil
}

// source is an endpoint's own address of a family.
func (h *host) source(endpoint string, to netip.Addr) (netip.Addr, error) {
	for _, e := range h.state.Endpoints {
		for _, a := range e.Addresses {
			if e.Name == endpoint && a.Is4() == to.Is4() {
				return a, nil
			}
		}
	}
	return netip.Addr{}, fmt.Errorf("endpoint %s has no address to reach %s from", endpoint, to)
}
