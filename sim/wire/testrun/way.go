// SPDX-License-Identifier: Apache-2.0

package testrun

import (
	"context"
	"fmt"

	"github.com/mizar-net/mizar/sim/wire"
)

var _ wire.Tracer = (*Wire)(nil)

// Trace puts frames on a port and returns the way of each. Endpoints that
// receive something stay silent.
func (w *Wire) Trace(ctx context.Context, at wire.Port, frames [][]byte) ([]wire.Way, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []wire.Way
	for i, frame := range frames {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		t, err := w.walk(at, frame)
		if err != nil {
			return nil, fmt.Errorf("trace frame %d: %w", i, err)
		}
		for k := range t.emissions {
			t.emissions[k].Input = i
		}
		all = append(all, wire.Way{Steps: t.Steps, Emissions: t.emissions, Reason: t.Reason, Dropper: t.Dropper})
	}
	return all, nil
}
