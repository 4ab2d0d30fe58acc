// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"errors"
	"fmt"
	"time"
)

// Tended is what was to be done of a datapath that nobody asked to change.
type Tended struct {
	// Paths are how many were forgotten: they had been learned too long ago.
	Paths int
	// Mended are rows that were not as the state wants them: somebody else has
	// written to the maps.
	Mended Report
}

// Tend removes the paths that were learned more than [PathAge] before now, of the clock
// that the programs read, and mends the tables. Whoever holds a datapath tends it every
// few minutes: the collector does.
func (h *Holder) Tend(now time.Duration) (Tended, error) {
	var t Tended
	stale := staleHosts{}
	paths, err := sweepOld(h.tables.Paths, stale, now)
	h.open.add(steps{stale: stale})
	mended, failed := h.Mend()
	t.Paths, t.Mended = paths, mended
	return t, errors.Join(err, failed)
}

// Mend makes the tables hold the state that they held last, on the same machine, and says
// what was not so. It reads them all. Before the first Apply there is nothing to mend.
func (h *Holder) Mend() (Report, error) {
	if h.state.Name == "" {
		return nil, h.settle()
	}
	h.Reread()
	leaving := h.leaving // in the next state
	report, err := h.Apply(h.state, h.local)
	h.leaving = leaving
	if err != nil {
		return report, fmt.Errorf("mend the maps: %w", err)
	}
	return report, nil
}
