// SPDX-License-Identifier: Apache-2.0

package testrun

import (
	"context"
	"fmt"

	"github.com/mizar-net/mizar/sim/wire"
)

// Inject puts frames on a port and returns what came out. Endpoints that receive
// something stay silent.
func (w *Wire) Inject(ctx context.Context, at wire.Port, frames [][]byte) ([]wire.Emission, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []wire.Emission
	for i, frame := range frames {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		t, err := w.walk(at, frame)
		if err != nil {
			return nil, fmt.Errorf("inject frame %d: %w", i, err)
		}
		for _, e := range t.emissions {
			e.Input = i
			all = append(all, e)
		}
	}
	return all, nil
}
