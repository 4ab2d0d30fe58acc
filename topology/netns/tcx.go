// SPDX-License-Identifier: Apache-2.0

package netns

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"

	"github.com/mizar-net/mizar/dataplane/state"
)

// attach puts the program of the endpoint's form at its port, and switches the
// endpoint's offloads as that form can take them.
func (e *endpoint) attach(p Programs) error {
	if err := e.suitPort(); err != nil {
		return err
	}
	form := e.Form.Or(state.FormXDP)
	if form == state.FormXDP {
		// Unfinished packets must not meet an XDP program.
		if err := e.suit(sidePeer); err != nil {
			return err
		}
		return e.host.attach(e.port, p.Endpoint, e.XDP, &e.attached)
	}
	if p.EndpointTCX == nil {
		return fmt.Errorf("form %s: no program of this form was handed over", form)
	}
	if err := e.host.attachTCX(e.port, p.EndpointTCX, &e.attached); err != nil {
		return err
	}
	return e.suit(sideWhole)
}

// attachUplink puts the program of the host's form at its uplink.
func (h *host) attachUplink(p Programs) error {
	if h.Form.Is(state.FormXDP) {
		return h.attach(h.uplink, p.Uplink, h.XDP, &h.attached)
	}
	if p.UplinkTCX == nil {
		return fmt.Errorf("form %s: no program of this form was handed over", h.Form)
	}
	return h.attachTCX(h.uplink, p.UplinkTCX, &h.attached)
}

// suit switches the offloads of the endpoint's device, unless they are so.
func (e *endpoint) suit(s side) error {
	if e.suits == s {
		return nil
	}
	err := e.in(func() (err error) {
		e.offloads, err = switchOffloads(e.Device(), s)
		return err
	})
	if err != nil {
		return err
	}
	e.suits = s
	return nil
}

// suitPort switches the offloads of the port, which what its host's uplink delivers
// goes out by, unless they are so.
func (e *endpoint) suitPort() error {
	s := sideProgram
	if e.host.Form == state.FormTCX {
		s = sideDelivery
	}
	if e.portSuits == s {
		return nil
	}
	err := e.host.in(func() (err error) {
		e.portOffloads, err = switchOffloads(e.portName(), s)
		return err
	})
	if err != nil {
		return err
	}
	e.portSuits = s
	return nil
}

// attachTCX puts a program where packets arrive at a device, unless it is there.
// Like an XDP program here, it stays as long as the device.
func (h *host) attachTCX(device int, p *ebpf.Program, there *attachment) error {
	if there.tcx == p {
		return nil
	}
	if err := h.detach(device, there); err != nil {
		return err
	}
	err := h.in(func() error {
		return link.RawAttachProgram(link.RawAttachProgramOptions{Target: device, Program: p, Attach: ebpf.AttachTCXIngress})
	})
	if errors.Is(err, ebpf.ErrNotSupported) {
		return fmt.Errorf("TCX needs kernel 6.6 or later (form: xdp works on 6.1): %w", err)
	}
	if err != nil {
		return fmt.Errorf("TCX: %w", err)
	}
	*there = attachment{tcx: p}
	return nil
}

// detachTCX takes a program of TCX away that is at a device, if one is.
func (h *host) detachTCX(device int, there *attachment) error {
	if there.tcx == nil {
		return nil
	}
	err := h.in(func() error {
		return link.RawDetachProgram(link.RawDetachProgramOptions{Target: device, Program: there.tcx, Attach: ebpf.AttachTCXIngress})
	})
	if err != nil {
		return fmt.Errorf("take the TCX program away: %w", err)
	}
	*there = attachment{}
	return nil
}

// PortForm is the form of the program at an endpoint's port, as the kernel tells
// it; "" without a program.
func (n *Net) PortForm(name string) (state.Form, error) {
	e, ok := n.endpoints[name]
	if !ok {
		return "", n.unknown("endpoint", name)
	}
	return e.host.form(e.port)
}

// Form is the form of the program at a host's uplink, as the kernel tells it; ""
// without a program.
func (n *Net) Form(name string) (state.Form, error) {
	h, ok := n.hosts[name]
	if !ok {
		return "", n.unknown("host", name)
	}
	return h.form(h.uplink)
}

// form is that of the program at one device.
func (h *host) form(device int) (state.Form, error) {
	mode, err := h.mode(device)
	if err != nil {
		return "", err
	}
	if mode != "" {
		return state.FormXDP, nil
	}
	var there *link.QueryResult
	err = h.in(func() (err error) {
		there, err = link.QueryPrograms(link.QueryOptions{Target: device, Attach: ebpf.AttachTCXIngress})
		return err
	})
	switch {
	case errors.Is(err, ebpf.ErrNotSupported):
		return "", nil // a kernel without TCX has no such program
	case err != nil:
		return "", fmt.Errorf("ask for the TCX programs at interface %d of host %s: %w", device, h.Name, err)
	case len(there.Programs) == 0:
		return "", nil
	}
	return state.FormTCX, nil
}
