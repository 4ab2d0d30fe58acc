// SPDX-License-Identifier: Apache-2.0

package table

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/cilium/ebpf"
)

// batch is the most rows that are read or written with one call. A bucket of a
// hash has to fit whole, or the kernel refuses to read it (ENOSPC); buckets hold
// a handful.
const batch = 4096

// firstBatch is how many rows are read at first: most maps hold few.
const firstBatch = 128

// Map is a Table in the kernel: a hash, an LRU hash, an LPM trie or an array.
// In an array, a row of zeros is no row and Delete writes one.
type Map[K, V comparable] struct {
	name string
	m    *ebpf.Map
}

// NewMap returns m as a table. The sizes of K and V must be those of the map.
func NewMap[K, V comparable](name string, m *ebpf.Map) *Map[K, V] {
	return &Map[K, V]{name: name, m: m}
}

// Name is the map's name.
func (t *Map[K, V]) Name() string { return t.name }

// Lookup returns the row of a key, and whether there is one.
func (t *Map[K, V]) Lookup(key K) (V, bool, error) {
	var v, zero V
	err := t.m.Lookup(&key, &v)
	switch {
	case errors.Is(err, ebpf.ErrKeyNotExist):
		return zero, false, nil
	case err != nil:
		return zero, false, err
	}
	return v, !t.array() || v != zero, nil
}

// Put makes or replaces a row.
func (t *Map[K, V]) Put(key K, value V) error {
	// Pointers, so that rows are copied as they lie in memory.
	err := t.m.Update(&key, &value, ebpf.UpdateAny)
	if err != nil {
		return fmt.Errorf("%w (the map has room for %d rows)", err, t.m.MaxEntries())
	}
	return nil
}

// Delete removes a row.
func (t *Map[K, V]) Delete(key K) error {
	if t.array() {
		var zero V
		return t.m.Update(&key, &zero, ebpf.UpdateAny)
	}
	err := t.m.Delete(&key)
	if errors.Is(err, ebpf.ErrKeyNotExist) {
		return nil
	}
	return err
}

// PutAll makes or replaces rows in batches. What the kernel does not write in a
// batch (its allocator may run short for a moment, or it may know no batches of
// this kind of map) is put alone.
func (t *Map[K, V]) PutAll(keys []K, values []V) (int, error) {
	for done := 0; done < len(keys); {
		end := min(done+batch, len(keys))
		n, err := t.m.BatchUpdate(keys[done:end], values[done:end], nil)
		done += whole(n, end-done, err)
		if err == nil {
			continue
		}
		if err := t.Put(keys[done], values[done]); err != nil {
			return done, err
		}
		done++
	}
	return len(keys), nil
}

// DeleteAll removes rows in batches. A batch ends at a row that is not there,
// and is taken up again behind it.
func (t *Map[K, V]) DeleteAll(keys []K) (int, error) {
	if t.array() {
		return t.PutAll(keys, make([]V, len(keys)))
	}
	for done := 0; done < len(keys); {
		end := min(done+batch, len(keys))
		n, err := t.m.BatchDelete(keys[done:end], nil)
		done += whole(n, end-done, err)
		if err == nil {
			continue
		}
		if err := t.Delete(keys[done]); err != nil {
			return done, err
		}
		done++
	}
	return len(keys), nil
}

// whole is how many rows of a batch are done. One that failed before its first
// row leaves the count as it was given, or says 0.
func whole(n, of int, err error) int {
	if err != nil && n >= of {
		return 0
	}
	return n
}

// All returns every row. Rows that programs add or remove meanwhile may or may
// not be among them.
func (t *Map[K, V]) All() (map[K]V, error) {
	rows := map[K]V{}
	err := t.Scan(func(keys []K, values []V) error {
		for i, k := range keys {
			rows[k] = values[i]
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return rows, nil
}

// Scan hands over every row in batches. Rows that programs add or remove meanwhile
// may or may not be among them.
func (t *Map[K, V]) Scan(f func(keys []K, values []V) error) error {
	var (
		cursor ebpf.MapBatchCursor
		most   = min(batch, int(t.m.MaxEntries()))
		size   = min(firstBatch, most)
		keys   = make([]K, size)
		values = make([]V, size)
	)
	for {
		n, err := t.m.BatchLookup(&cursor, keys, values, nil)
		last := errors.Is(err, ebpf.ErrKeyNotExist)
		if err != nil && !last && (size == most || !errors.Is(err, syscall.ENOSPC)) {
			return err
		}
		if n = t.squeeze(keys[:n], values[:n]); n > 0 {
			if err := f(keys[:n], values[:n]); err != nil {
				return err
			}
		}
		if last {
			return nil
		}
		if size < most {
			size = min(size*8, most)
			keys, values = make([]K, size), make([]V, size)
		}
	}
}

// squeeze moves the rows that are there to the front and returns how many those are:
// an array has rows of zeros.
func (t *Map[K, V]) squeeze(keys []K, values []V) int {
	if !t.array() {
		return len(keys)
	}
	var zero V
	n := 0
	for i := range keys {
		if values[i] != zero {
			keys[n], values[n] = keys[i], values[i]
			n++
		}
	}
	return n
}

// Room is the map's size.
func (t *Map[K, V]) Room() Room { return Room{Rows: int(t.m.MaxEntries()), Indexed: t.array()} }

func (t *Map[K, V]) array() bool { return t.m.Type() == ebpf.Array }
