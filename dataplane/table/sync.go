// SPDX-License-Identifier: Apache-2.0

package table

import (
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Job is one table and the rows it shall hold, whatever their types. Make one
// with [Want] or [Keep].
type Job interface {
	name() string
	plan() error
	fit() error
	put() error
	remove() error
	undoPut() error
	undoRemove() error
	count() Count
}

// Count is how many rows of one table were written.
type Count struct {
	Puts, Deletes int
}

// Report says what was written, by table name. Tables in which nothing was
// written are not in it.
type Report map[string]Count

// Rows is the sum over all tables: 0 means that everything was as wanted.
func (r Report) Rows() int {
	n := 0
	for _, c := range r {
		n += c.Puts + c.Deletes
	}
	return n
}

// Want returns the job of making t hold rows, compared and written in the order
// of compare.
func Want[K, V comparable](t Table[K, V], rows map[K]V, compare func(a, b K) int) Job {
	return &job[K, V]{table: t, want: rows, compare: compare}
}

// WantFrom is [Want] for a table that is known to hold some rows, or to have been
// wanted to: it is not read, and only the rows that differ are written. Where held
// is nil, nothing is known, and the table is read. Neither of the maps is changed.
func WantFrom[K, V comparable](t Table[K, V], held, rows map[K]V, compare func(a, b K) int) Job {
	return &job[K, V]{table: t, known: held, want: rows, compare: compare}
}

// WantMerged is [WantFrom] for rows of which others write a part: what is wanted of a
// row that the table holds already is what merge says. Rows that are wanted as before
// are left to the others; those that are not are looked up.
func WantMerged[K, V comparable](t Table[K, V], held, rows map[K]V, merge func(held, wanted V) V, compare func(a, b K) int) Job {
	return &job[K, V]{table: t, known: held, want: rows, merge: merge, compare: compare}
}

// Sync makes every job's table hold its rows. All tables whose rows are not known are
// read, and all are compared first; when one of them has no room, nothing is written, and the error joins a
// [*TooSmall] for each such table. Then rows are put from the first job to the
// last, then deleted from the last to the first, so that jobs stand in the order
// referents, referrers.
// When a write fails, what was written is undone, and the error says so; tables
// that could not be restored are named in it, and another Sync repairs them.
func Sync(jobs ...Job) (Report, error) {
	for _, j := range jobs {
		if err := j.plan(); err != nil {
			return nil, err
		}
	}
	var full error
	for _, j := range jobs {
		full = errors.Join(full, j.fit())
	}
	if full != nil {
		return nil, full
	}
	if err := write(jobs); err != nil {
		return nil, errors.Join(err, undo(jobs))
	}
	report := Report{}
	for _, j := range jobs {
		if c := j.count(); c != (Count{}) {
			report[j.name()] = c
		}
	}
	return report, nil
}

func write(jobs []Job) error {
	for _, j := range jobs {
		if err := j.put(); err != nil {
			return err
		}
	}
	for i := len(jobs) - 1; i >= 0; i-- {
		if err := jobs[i].remove(); err != nil {
			return err
		}
	}
	return nil
}

// undo goes the way of write backwards: deleted rows come back from the first
// job to the last, then rows that were put go from the last to the first.
func undo(jobs []Job) error {
	var failed error
	for _, j := range jobs {
		failed = errors.Join(failed, j.undoRemove())
	}
	for i := len(jobs) - 1; i >= 0; i-- {
		failed = errors.Join(failed, jobs[i].undoPut())
	}
	return failed
}

// job is a Job of one table.
type job[K, V comparable] struct {
	table   Table[K, V]
	known   map[K]V // nil: the table has to be read
	want    map[K]V
	merge   func(held, wanted V) V // nil: what is wanted
	compare func(a, b K) int

	changes Changes[K, V]
	have    map[K]V
	counted Count // so many of changes are written
}

func (j *job[K, V]) name() string { return j.table.Name() }

func (j *job[K, V]) count() Count { return j.counted }

func (j *job[K, V]) plan() error {
	if j.known != nil {
		return j.planKnown()
	}
	have, err := j.table.All()
	if err != nil {
		return fmt.Errorf("read map %s: %w", j.name(), err)
	}
	j.have = have
	j.changes = Plan(have, j.merged(), j.compare)
	return nil
}

// planKnown compares with what the table is known to hold. Rows of which others write
// a part are not known as they are, but whether they have to change is.
func (j *job[K, V]) planKnown() error {
	j.have, j.changes = j.known, Plan(j.known, j.want, j.compare)
	if j.merge == nil || len(j.changes.Puts)+len(j.changes.Deletes) == 0 {
		return nil
	}
	j.have = maps.Clone(j.known)
	for i, r := range j.changes.Puts {
		held, there, err := j.look(r.Key)
		if err != nil {
			return err
		}
		if there {
			j.changes.Puts[i].Value = j.merge(held, r.Value)
		}
	}
	for _, r := range j.changes.Deletes {
		if _, _, err := j.look(r.Key); err != nil {
			return err
		}
	}
	return nil
}

// look notes how a row really is.
func (j *job[K, V]) look(key K) (V, bool, error) {
	held, there, err := j.table.Lookup(key)
	if err != nil {
		return held, false, fmt.Errorf("read row %v of map %s: %w", key, j.name(), err)
	}
	if there {
		j.have[key] = held
	} else {
		delete(j.have, key)
	}
	return held, there, nil
}

func (j *job[K, V]) merged() map[K]V {
	if j.merge == nil {
		return j.want
	}
	merged := make(map[K]V, len(j.want))
	for k, wanted := range j.want {
		merged[k] = wanted
		if held, ok := j.have[k]; ok {
			merged[k] = j.merge(held, wanted)
		}
	}
	return merged
}

// fit says whether the table has room for all rows that it holds at once: those
// that are wanted and, until the last of them is written, those that go.
func (j *job[K, V]) fit() error {
	room, needs := j.table.Room(), len(j.have)
	if room.Rows == 0 {
		return nil
	}
	for _, r := range j.changes.Puts {
		if room.Indexed {
			needs = max(needs, index(r.Key)+1)
		} else if _, there := j.have[r.Key]; !there {
			needs++
		}
	}
	if needs <= room.Rows {
		return nil
	}
	return &TooSmall{Map: j.name(), Needs: needs, Room: room.Rows, Going: len(j.changes.Deletes)}
}

func (j *job[K, V]) put() error {
	for chunk := range slices.Chunk(j.changes.Puts, batch) {
		keys, values := columns(chunk)
		n, err := j.table.PutAll(keys, values)
		j.counted.Puts += n
		if err != nil {
			return fmt.Errorf("write row %v of map %s: %w", keys[n], j.name(), err)
		}
	}
	return nil
}

func (j *job[K, V]) remove() error {
	for chunk := range slices.Chunk(j.changes.Deletes, batch) {
		keys, _ := columns(chunk)
		n, err := j.table.DeleteAll(keys)
		j.counted.Deletes += n
		if err != nil {
			return fmt.Errorf("delete row %v of map %s: %w", keys[n], j.name(), err)
		}
	}
	return nil
}

// columns are the keys and the values of rows.
func columns[K, V comparable](rows []Row[K, V]) ([]K, []V) {
	keys, values := make([]K, len(rows)), make([]V, len(rows))
	for i, r := range rows {
		keys[i], values[i] = r.Key, r.Value
	}
	return keys, values
}

func (j *job[K, V]) undoPut() error {
	for ; j.counted.Puts > 0; j.counted.Puts-- {
		key := j.changes.Puts[j.counted.Puts-1].Key
		if err := j.restore(key); err != nil {
			return j.halfWritten(key, err)
		}
	}
	return nil
}

func (j *job[K, V]) undoRemove() error {
	for ; j.counted.Deletes > 0; j.counted.Deletes-- {
		key := j.changes.Deletes[j.counted.Deletes-1].Key
		if err := j.restore(key); err != nil {
			return j.halfWritten(key, err)
		}
	}
	return nil
}

func (j *job[K, V]) restore(key K) error {
	if old, ok := j.have[key]; ok {
		return j.table.Put(key, old)
	}
	return j.table.Delete(key)
}

func (j *job[K, V]) halfWritten(key K, err error) error {
	return fmt.Errorf("map %s is left half written, apply again: restore row %v: %w", j.name(), key, err)
}
