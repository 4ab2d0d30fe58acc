// SPDX-License-Identifier: Apache-2.0

package netns

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
)

// Programs are those of one host.
type Programs struct {
	// Uplink meets what arrives from the underlay, Endpoint what endpoints
	// send.
	Uplink, Endpoint *ebpf.Program
}

// attachment is a program at a device. The nil one is none.
type attachment struct {
	program *ebpf.Program
	detach  func() error
}

// Attach puts a host's programs at its uplink and at the ports of its
// endpoints, in the driver; those already there stay. In a machine room with a
// name they stay as long as the device, otherwise they go with the process.
func (n *Net) Attach(name string, p Programs) error {
	h, ok := n.hosts[name]
	if !ok {
		return n.unknown("host", name)
	}
	if err := n.attach(h, h.uplink, p.Uplink, &h.attached); err != nil {
		return fmt.Errorf("attach the uplink's program of host %s: %w", name, err)
	}
	for _, e := range n.endpoints {
		if e.host != h {
			continue
		}
		if err := n.attach(h, e.port, p.Endpoint, &e.attached); err != nil {
			return fmt.Errorf("attach the program at the port of endpoint %s on host %s: %w", e.Name, name, err)
		}
	}
	return nil
}

// attach puts a program at one device, unless it is there.
func (n *Net) attach(h *host, device int, p *ebpf.Program, at **attachment) error {
	if *at != nil && (*at).program == p {
		return nil
	}
	if err := (*at).close(); err != nil {
		return err
	}
	*at = nil
	if n.opts.Name != "" {
		return h.in(func() (err error) { *at, err = attachLasting(device, p); return err })
	}
	return h.in(func() (err error) { *at, err = attachHeld(device, p); return err })
}

// attachHeld attaches for as long as the process lives, at the longest.
func attachHeld(device int, p *ebpf.Program) (*attachment, error) {
	l, err := link.AttachXDP(link.XDPOptions{Program: p, Interface: device, Flags: link.XDPDriverMode})
	if err != nil {
		return nil, err
	}
	return &attachment{program: p, detach: l.Close}, nil
}

// nativeMode is XDP_FLAGS_DRV_MODE of linux/if_link.h.
const nativeMode = 1 << 2

// attachLasting attaches for as long as the device lives.
func attachLasting(device int, p *ebpf.Program) (*attachment, error) {
	if err := netlink.LinkSetXdpFdWithFlags(index(device), p.FD(), nativeMode); err != nil {
		return nil, err
	}
	return &attachment{program: p}, nil
}

// close detaches a held program. A lasting one is left to its device.
func (a *attachment) close() error {
	if a == nil || a.detach == nil {
		return nil
	}
	if err := a.detach(); err != nil {
		return errors.Join(errors.New("detach the program"), err)
	}
	a.detach = nil
	return nil
}
