// SPDX-License-Identifier: Apache-2.0

package netns

import (
	"fmt"

	"github.com/vishvananda/netlink"
)

// Program is an XDP program in the kernel, known by a file descriptor.
type Program interface{ FD() int }

// Programs are those of one host.
type Programs struct {
	// Uplink meets what arrives from the underlay, Endpoint what endpoints
	// send.
	Uplink, Endpoint Program
}

// Attach puts a host's programs at its uplink and at the ports of its
// endpoints, in the driver; those already there stay. They stay as long as the
// device, whatever becomes of the process, and nothing is pinned. (A BPF link
// would end with the process, which namespaces without a name do as well.)
func (n *Net) Attach(name string, p Programs) error {
	h, ok := n.hosts[name]
	if !ok {
		return n.unknown("host", name)
	}
	if err := h.attach(h.uplink, p.Uplink, &h.program); err != nil {
		return fmt.Errorf("attach the uplink's program of host %s: %w", name, err)
	}
	for _, e := range n.endpoints {
		if e.host != h {
			continue
		}
		if err := h.attach(e.port, p.Endpoint, &e.program); err != nil {
			return fmt.Errorf("attach the program at the port of endpoint %s on host %s: %w", e.Name, name, err)
		}
	}
	return nil
}

// attach puts a program at one device, unless it is there.
func (h *host) attach(device int, p Program, there *Program) error {
	if *there == p {
		return nil
	}
	if err := h.setProgram(device, p.FD()); err != nil {
		return err
	}
	*there = p
	return nil
}

const (
	// driverMode is XDP_FLAGS_DRV_MODE of linux/if_link.h.
	driverMode = 1 << 2
	// noProgram takes a program away.
	noProgram = -1
)

// setProgram replaces the program of one of the host's devices.
func (h *host) setProgram(device, fd int) error {
	return h.in(func() error { return netlink.LinkSetXdpFdWithFlags(index(device), fd, driverMode) })
}
