// SPDX-License-Identifier: Apache-2.0

package netns

import (
	"errors"
	"fmt"
	"slices"

	"github.com/cilium/ebpf"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"

	"github.com/mizar-net/mizar/dataplane/state"
)

// Program is an XDP program in the kernel, known by a file descriptor.
type Program interface{ FD() int }

// Programs are those of one host.
type Programs struct {
	// Uplink meets what arrives from the underlay, Endpoint what endpoints
	// send.
	Uplink, Endpoint Program
	// UplinkTCX is for an uplink of the form tcx, EndpointTCX for ports of it;
	// nil where there are none.
	UplinkTCX, EndpointTCX *ebpf.Program
}

// attachment is how a program sits at one device; the zero value: not at all.
type attachment struct {
	// program is of XDP, tcx of TCX; one of them at most is there.
	program Program
	tcx     *ebpf.Program
	// asked is the mode that was asked for, mode the one that it is.
	asked, mode state.XDP
	// refused says why mode is generic although native was preferred.
	refused error
}

// String is the mode as people see it.
func (a attachment) String() string {
	switch {
	case a.tcx != nil:
		return string(state.FormTCX)
	case a.program == nil:
		return "-"
	case a.refused != nil:
		return string(a.mode) + " (fallback)"
	}
	return string(a.mode)
}

// Attach puts a host's programs at its uplink and at the ports of its
// endpoints, each in its mode; those already there stay. They stay as long as
// the device, whatever becomes of the process; what they need beyond that is for
// [Net.Pins]. (A BPF link would end with the process, which namespaces without a
// name do as well.)
func (n *Net) Attach(name string, p Programs) error {
	h, ok := n.hosts[name]
	if !ok {
		return n.unknown("host", name)
	}
	if err := h.attachUplink(p); err != nil {
		return fmt.Errorf("attach the uplink's program of host %s: %w", name, err)
	}
	for _, e := range n.endpoints {
		if e.host != h {
			continue
		}
		if err := e.attach(p); err != nil {
			return fmt.Errorf("attach the program at the port of endpoint %s on host %s: %w", e.Name, name, err)
		}
		if err := e.light(); err != nil {
			return fmt.Errorf("endpoint %s on host %s: %w", e.Name, name, err)
		}
	}
	return nil
}

// attach puts a program at one device, unless it is there in the mode.
func (h *host) attach(device int, p Program, asked state.XDP, there *attachment) error {
	if there.program == p && there.asked == asked {
		return nil
	}
	if err := h.detachTCX(device, there); err != nil {
		return err
	}
	var refused error
	for _, mode := range asked.Tries() {
		err := h.put(device, p, mode, there)
		if err == nil {
			*there = attachment{program: p, asked: asked, mode: mode, refused: refused}
			return nil
		}
		if mode == state.Offload {
			err = fmt.Errorf("the device runs no programs itself (native, generic or auto would do): %w", err)
		}
		refused = errors.Join(refused, fmt.Errorf("XDP mode %s: %w", mode, err))
	}
	return refused
}

// put tries one mode. A device has its programs in one mode at a time.
func (h *host) put(device int, p Program, mode state.XDP, there *attachment) error {
	if there.mode != mode {
		if err := h.detach(device, there); err != nil {
			return err
		}
	}
	if err := h.setProgram(device, p.FD(), mode); err != nil {
		return err
	}
	got, err := h.mode(device)
	if err == nil && got != mode {
		err = fmt.Errorf("the kernel says that it is %q", got)
	}
	return err
}

// detach takes the program away that is at a device, if any is.
func (h *host) detach(device int, there *attachment) error {
	if err := h.detachTCX(device, there); err != nil {
		return err
	}
	if there.program == nil {
		return nil
	}
	if err := h.setProgram(device, noProgram, there.mode); err != nil {
		return fmt.Errorf("take the program away: %w", err)
	}
	*there = attachment{}
	return nil
}

// The flags of linux/if_link.h, XDP_FLAGS_SKB_MODE, DRV_MODE and HW_MODE.
var modeFlags = map[state.XDP]int{state.Generic: 1 << 1, state.Native: 1 << 2, state.Offload: 1 << 3}

// noProgram takes a program away.
const noProgram = -1

// setProgram replaces the program of one of the host's devices.
func (h *host) setProgram(device, fd int, mode state.XDP) error {
	return h.in(func() error { return netlink.LinkSetXdpFdWithFlags(index(device), fd, modeFlags[mode]) })
}

// attachModes are the modes as the kernel tells them, enum of linux/if_link.h.
var attachModes = map[uint32]state.XDP{nl.XDP_ATTACHED_DRV: state.Native, nl.XDP_ATTACHED_SKB: state.Generic, nl.XDP_ATTACHED_HW: state.Offload}

// mode reads from the kernel how a program sits at a device; "" for none.
func (h *host) mode(device int) (state.XDP, error) {
	link, err := h.links.LinkByIndex(device)
	if err != nil {
		return "", fmt.Errorf("read the mode of XDP: %w", err)
	}
	if link.Attrs().Xdp == nil {
		return "", nil
	}
	return attachModes[link.Attrs().Xdp.AttachMode], nil
}

// Mode is how the program of a host's uplink sits, as the kernel tells it; ""
// without a program.
func (n *Net) Mode(name string) (state.XDP, error) {
	h, ok := n.hosts[name]
	if !ok {
		return "", n.unknown("host", name)
	}
	return h.mode(h.uplink)
}

// PortMode is how an XDP program at an endpoint's port sits; "" without one.
func (n *Net) PortMode(name string) (state.XDP, error) {
	e, ok := n.endpoints[name]
	if !ok {
		return "", n.unknown("endpoint", name)
	}
	return e.host.mode(e.port)
}

// Fallbacks are the devices whose program is in generic mode although native
// was preferred, each with the kernel's reason, sorted.
func (n *Net) Fallbacks() []string {
	var all []string
	for _, h := range n.hosts {
		if h.attached.refused != nil {
			all = append(all, fmt.Sprintf("%s %s: %v", h.Name, UplinkDevice, h.attached.refused))
		}
	}
	for _, e := range n.endpoints {
		if e.attached.refused != nil {
			all = append(all, fmt.Sprintf("%s %s: %v", e.Host, e.portName(), e.attached.refused))
		}
	}
	slices.Sort(all)
	return all
}
