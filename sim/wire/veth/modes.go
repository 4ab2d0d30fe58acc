// SPDX-License-Identifier: Apache-2.0

package veth

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/mizar-net/mizar/dataplane/kernel"
	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/wire"
	"github.com/mizar-net/mizar/topology/netns"
)

var _ wire.Moder = (*Wire)(nil)

// Modes implements wire.Moder.
func (w *Wire) Modes(ctx context.Context) (map[wire.Port]wire.Seat, error) {
	all := map[wire.Port]wire.Seat{}
	for _, h := range w.topo.Hosts {
		mode, err := w.room.Mode(h.Name)
		if err != nil {
			return nil, err
		}
		form, err := w.room.Form(h.Name)
		if err != nil {
			return nil, err
		}
		all[wire.Port{Uplink: h.Name}] = wire.Seat{Form: form, Mode: mode}
	}
	for _, e := range w.topo.Endpoints {
		mode, err := w.room.PortMode(e.Name)
		if err != nil {
			return nil, err
		}
		form, err := w.room.PortForm(e.Name)
		if err != nil {
			return nil, err
		}
		all[wire.Port{Endpoint: e.Name}] = wire.Seat{Form: form, Mode: mode}
	}
	return all, ctx.Err()
}

// WriteReport prints how a machine room's devices are set: offloads and modes
// of XDP, who fell back and why, and what is different where a program is
// generic.
func WriteReport(out io.Writer, devices []netns.Offload, fallbacks []string) error {
	if err := netns.WriteOffloads(out, devices); err != nil {
		return err
	}
	for _, f := range fallbacks {
		fmt.Fprintf(out, "fallback to generic XDP: %s\n", f)
	}
	generic := func(o netns.Offload) bool { return strings.HasPrefix(o.XDP, string(state.Generic)) }
	if !slices.ContainsFunc(devices, generic) {
		return nil
	}
	fmt.Fprintln(out, "Some programs are generic. What is different there:")
	return kernel.WriteDifferences(out)
}
