// SPDX-License-Identifier: Apache-2.0

package table

import "slices"

// replacer is the Job of putting rows in the place of others.
type replacer[K, V comparable] struct {
	job[K, V]
	gone, come []Row[K, V]
	holds      int
}

// Replace returns the job of putting some rows of t in the place of others, which it is
// known to hold; the rest of t, which holds so many rows with these, stays as it is. How
// many does not matter to an array. Both are in the order of compare. It is for
// many rows, of which a map costs more than writing them.
func Replace[K, V comparable](t Table[K, V], holds int, gone, come []Row[K, V], compare func(a, b K) int) Job {
	return &replacer[K, V]{job: job[K, V]{table: t, compare: compare}, gone: gone, come: come, holds: holds}
}

// Keyed are rows by their keys.
func Keyed[K, V comparable](rows []Row[K, V]) map[K]V {
	m := make(map[K]V, len(rows))
	for _, r := range rows {
		m[r.Key] = r.Value
	}
	return m
}

// plan goes through both at once. What was there counts only where it is written over, or
// undone.
func (r *replacer[K, V]) plan() error {
	gone := r.gone
	for _, row := range r.come {
		for len(gone) > 0 && r.compare(gone[0].Key, row.Key) < 0 {
			r.changes.Deletes, gone = append(r.changes.Deletes, gone[0]), gone[1:]
		}
		if len(gone) > 0 && gone[0].Key == row.Key {
			if gone[0].Value == row.Value {
				gone = gone[1:]
				continue
			}
			gone = gone[1:]
			r.holds-- // it is written over
		}
		r.changes.Puts = append(r.changes.Puts, row)
	}
	r.changes.Deletes = append(r.changes.Deletes, gone...)
	slices.Reverse(r.changes.Deletes)
	return nil
}

func (r *replacer[K, V]) fit() error {
	room, needs := r.table.Room(), r.holds+len(r.changes.Puts)
	if room.Indexed || room.Rows == 0 || needs <= room.Rows {
		return r.job.fit()
	}
	return &TooSmall{Map: r.name(), Needs: needs, Room: room.Rows, Going: len(r.changes.Deletes)}
}

func (r *replacer[K, V]) undoPut() error { return r.known(r.job.undoPut) }

func (r *replacer[K, V]) undoRemove() error { return r.known(r.job.undoRemove) }

// known undoes with what was there.
func (r *replacer[K, V]) known(undo func() error) error {
	if r.have == nil {
		r.have = Keyed(r.gone)
	}
	return undo()
}
