// SPDX-License-Identifier: Apache-2.0

package run

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/scenario"
	"github.com/mizar-net/mizar/sim/wire"
)

// modes compares how programs sit at their devices with what the objects ask;
// auto is content with any, as long as there is a program.
func (r *runner) modes(ctx context.Context, w wire.Wire) (Check, error) {
	c := Check{Name: "modes of XDP", Wire: w.Name(), Cell: Cell{Proto: "mode", XDP: r.xdp, Wire: w.Name()}}
	moder, ok := w.(wire.Moder)
	if !ok {
		return c, fmt.Errorf("assert xdp: the %s wire has no devices", w.Name())
	}
	got, err := moder.Modes(ctx)
	if err != nil {
		return c, fmt.Errorf("ask the %s wire for the modes of XDP: %w", w.Name(), err)
	}
	counts := map[string]int{}
	compare := func(port wire.Port, name string, asked wire.Seat) {
		seat := got[port]
		counts[seat.String()]++
		if seat.Form.Is(asked.Form) && (seat.Form == state.FormTCX || asked.Mode.Allows(seat.Mode)) {
			return
		}
		c.Failures = append(c.Failures, Failure{
			Field: "program at " + name, Who: w.Name(), Got: fmt.Sprintf("%q", seat), Against: "the objects", Want: fmt.Sprintf("%q", asked),
		})
	}
	for _, h := range r.world.set.Hosts {
		compare(wire.Port{Uplink: h.Name}, "the uplink of "+h.Name, wire.Seat{Form: h.Form.Or(state.FormXDP), Mode: h.XDP})
	}
	for _, e := range r.world.set.Endpoints {
		compare(wire.Port{Endpoint: e.Key()}, "the port of "+scenario.Short(e.Key()), wire.Seat{Form: e.Form.Or(state.FormXDP), Mode: e.XDP})
	}
	var seen []string
	for _, mode := range slices.Sorted(maps.Keys(counts)) {
		seen = append(seen, fmt.Sprintf("%d devices %s", counts[mode], mode))
	}
	c.Seen = strings.Join(seen, ", ")
	return c, nil
}
