// SPDX-License-Identifier: Apache-2.0

package veth

import (
	"context"
	"fmt"

	"github.com/mizar-net/mizar/sim/wire"
)

var _ wire.Weigher = (*Wire)(nil)

// Memory implements wire.Weigher.
func (w *Wire) Memory(ctx context.Context) (map[string]map[string]uint64, error) {
	all := map[string]map[string]uint64{}
	for name, d := range w.paths {
		bytes, err := d.Memory()
		if err != nil {
			return nil, fmt.Errorf("host %s: %w", name, err)
		}
		all[name] = bytes
	}
	return all, ctx.Err()
}
