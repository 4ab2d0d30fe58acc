// SPDX-License-Identifier: Apache-2.0

package testrun

import (
	"context"
	"fmt"

	"github.com/mizar-net/mizar/sim/wire"
)

var _ wire.Flooder = (*Wire)(nil)

// Flood implements wire.Flooder: the clock stands still meanwhile.
func (w *Wire) Flood(ctx context.Context, at wire.Port, frames [][]byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, frame := range frames {
		if err := ctx.Err(); err != nil {
			return err
		}
		if _, err := w.walk(at, frame); err != nil {
			return fmt.Errorf("frame %d of a flood: %w", i, err)
		}
	}
	return nil
}

// Learned implements wire.Flooder.
func (w *Wire) Learned(ctx context.Context) (map[string]map[uint32]int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := map[string]map[uint32]int{}
	for name, h := range w.hosts {
		g, ok := h.machine.(Glass)
		if !ok {
			return nil, fmt.Errorf("host %s: its rows cannot be read", name)
		}
		paths, err := g.Paths()
		if err != nil {
			return nil, fmt.Errorf("host %s: %w", name, err)
		}
		all[name] = wire.ByVNI(paths)
	}
	return all, ctx.Err()
}
