// SPDX-License-Identifier: Apache-2.0

package testrun

import (
	"context"
	"fmt"

	"github.com/mizar-net/mizar/sim/wire"
)

var _ wire.Weigher = (*Wire)(nil)

// Memory implements wire.Weigher, for machines of the kernel's.
func (w *Wire) Memory(ctx context.Context) (map[string]map[string]uint64, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := map[string]map[string]uint64{}
	for name, h := range w.hosts {
		m, ok := h.machine.(interface {
			Memory() (map[string]uint64, error)
		})
		if !ok {
			return nil, fmt.Errorf("host %s: its machine has no maps in the kernel", name)
		}
		bytes, err := m.Memory()
		if err != nil {
			return nil, fmt.Errorf("host %s: %w", name, err)
		}
		all[name] = bytes
	}
	return all, ctx.Err()
}
