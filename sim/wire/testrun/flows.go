// SPDX-License-Identifier: Apache-2.0

package testrun

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/mizar-net/mizar/dataplane/flow"
	"github.com/mizar-net/mizar/dataplane/state"
)

// Flows is a machine that keeps flows. Those of [Load] and [Pool] are.
type Flows interface {
	// Collect removes flows whose time is up.
	Collect(ctx context.Context, now time.Duration) (flow.Collected, error)
	// ExportFlows and ImportFlows carry the flows of endpoints to their new host.
	ExportFlows(endpoints []string) ([]flow.Row, error)
	ImportFlows(rows []flow.Row) (int, error)
}

var _ Flows = (*loaded)(nil)

// collect is what agents do every few seconds. Nobody sees that it is done only before
// the next frame after some time has passed, or the next flow that moves.
func (w *Wire) collect(ctx context.Context) error {
	if !w.elapsed {
		return nil
	}
	w.elapsed = false
	for _, h := range w.hosts {
		f, ok := h.machine.(Flows)
		if !ok || h.condition.Behind() {
			continue
		}
		if _, err := f.Collect(ctx, w.now()+h.ahead); err != nil {
			return fmt.Errorf("host %s: %w", h.name, err)
		}
	}
	return nil
}

// moving are the flows of endpoints that live elsewhere in the next states, by the
// name of their new host. An agent that is behind cannot tell.
func (w *Wire) moving(ctx context.Context, next []state.Host) (map[string][]flow.Row, error) {
	if err := w.collect(ctx); err != nil {
		return nil, err
	}
	leaving, by := map[string]map[string][]string{}, map[string][]flow.Row{}
	for _, s := range next {
		for _, e := range s.Endpoints {
			if was := w.endpoints[e.Name]; was != nil && was.host.name != s.Name && was.Is(e) {
				if leaving[was.host.name] == nil {
					leaving[was.host.name] = map[string][]string{}
				}
				leaving[was.host.name][s.Name] = append(leaving[was.host.name][s.Name], e.Name)
			}
		}
	}
	for from, where := range leaving {
		f, ok := w.hosts[from].machine.(Flows)
		if !ok || w.hosts[from].condition.Behind() {
			continue
		}
		for to, endpoints := range where {
			rows, err := f.ExportFlows(endpoints)
			if err != nil {
				return nil, fmt.Errorf("host %s: %w", from, err)
			}
			by[to] = slices.Concat(by[to], rows)
		}
	}
	return by, nil
}

// receive writes the flows that came to a host.
func (h *host) receive(rows []flow.Row) error {
	f, ok := h.machine.(Flows)
	if !ok || len(rows) == 0 || h.condition.Behind() {
		return nil
	}
	if _, err := f.ImportFlows(rows); err != nil {
		return fmt.Errorf("host %s: %w", h.name, err)
	}
	return nil
}
