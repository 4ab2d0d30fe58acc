// SPDX-License-Identifier: Apache-2.0

package table

import "maps"

// Mirror is a Table over another one that nobody else writes to, be it a program or a
// process that was there before. It remembers the rows, so that only writes reach the
// table behind it. It is not safe for concurrent use.
type Mirror[K, V comparable] struct {
	behind Table[K, V]
	rows   map[K]V
}

// NewMirror returns a mirror of a table that has no rows.
func NewMirror[K, V comparable](behind Table[K, V]) *Mirror[K, V] {
	return &Mirror[K, V]{behind: behind, rows: map[K]V{}}
}

// Name is that of the table behind.
func (t *Mirror[K, V]) Name() string { return t.behind.Name() }

// Lookup returns the row of a key, and whether there is one.
func (t *Mirror[K, V]) Lookup(key K) (V, bool, error) {
	v, ok := t.rows[key]
	return v, ok, nil
}

// Put makes or replaces a row.
func (t *Mirror[K, V]) Put(key K, value V) error {
	if err := t.behind.Put(key, value); err != nil {
		return err
	}
	t.remember(key, value)
	return nil
}

// Delete removes a row.
func (t *Mirror[K, V]) Delete(key K) error {
	if err := t.behind.Delete(key); err != nil {
		return err
	}
	delete(t.rows, key)
	return nil
}

// PutAll makes or replaces rows.
func (t *Mirror[K, V]) PutAll(keys []K, values []V) (int, error) {
	done, err := t.behind.PutAll(keys, values)
	for i := range done {
		t.remember(keys[i], values[i])
	}
	return done, err
}

// DeleteAll removes rows.
func (t *Mirror[K, V]) DeleteAll(keys []K) (int, error) {
	done, err := t.behind.DeleteAll(keys)
	for _, key := range keys[:done] {
		delete(t.rows, key)
	}
	return done, err
}

// remember notes a row; one of zeros is none in an array.
func (t *Mirror[K, V]) remember(key K, value V) {
	var zero V
	if value == zero && t.behind.Room().Indexed {
		delete(t.rows, key)
		return
	}
	t.rows[key] = value
}

// All returns every row.
func (t *Mirror[K, V]) All() (map[K]V, error) { return maps.Clone(t.rows), nil }

// Scan hands over every row, at once.
func (t *Mirror[K, V]) Scan(f func(keys []K, values []V) error) error {
	if len(t.rows) == 0 {
		return nil
	}
	var keys []K
	var values []V
	for key, value := range t.rows {
		keys, values = append(keys, key), append(values, value)
	}
	return f(keys, values)
}

// Room is that of the table behind.
func (t *Mirror[K, V]) Room() Room { return t.behind.Room() }
