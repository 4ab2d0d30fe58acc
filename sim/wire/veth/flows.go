// SPDX-License-Identifier: Apache-2.0

package veth

import (
	"context"
	"fmt"
	"slices"

	"github.com/mizar-net/mizar/dataplane/clock"
	"github.com/mizar-net/mizar/dataplane/flow"
	"github.com/mizar-net/mizar/dataplane/state"
)

// moving are the flows of endpoints that live elsewhere in the next states, by the
// name of their new host. An agent that is behind cannot tell.
func (w *Wire) moving(next []state.Host) (map[string][]flow.Row, error) {
	by := map[string][]flow.Row{}
	for _, s := range next {
		for from, path := range w.paths {
			if from == s.Name || w.conditions[from].Behind() {
				continue
			}
			var coming []string
			for _, e := range s.Endpoints {
				if was, ok := w.held[from][e.Name]; ok && was.Is(e) {
					coming = append(coming, e.Name)
				}
			}
			if len(coming) == 0 {
				continue
			}
			rows, err := path.ExportFlows(coming)
			if err != nil {
				return nil, fmt.Errorf("host %s: %w", from, err)
			}
			by[s.Name] = slices.Concat(by[s.Name], rows)
		}
	}
	return by, nil
}

// collect is what agents do every few seconds.
func (w *Wire) collect(ctx context.Context) error {
	now, err := clock.Kernel{}.Now()
	if err != nil {
		return err
	}
	for name, path := range w.paths {
		if w.conditions[name].Behind() {
			continue
		}
		if _, err := path.Collect(ctx, now); err != nil {
			return fmt.Errorf("host %s: %w", name, err)
		}
	}
	return nil
}
