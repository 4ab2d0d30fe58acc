// SPDX-License-Identifier: Apache-2.0

package table

import (
	"errors"
	"maps"
)

// ErrFull is what a full table answers to a Put of a new row.
var ErrFull = errors.New("the table is full")

// ErrInjected is what a table answers where a fault was asked for.
var ErrInjected = errors.New("injected fault")

// Memory is a Table in a Go map, with faults on request. The zero value but for
// Title works. It is not safe for concurrent use.
type Memory[K, V comparable] struct {
	// Title is the table's name.
	Title string
	// Capacity is the most rows it takes; 0 means no limit.
	Capacity int
	// FailPut and FailDelete are the number of the Put or Delete, counted
	// from 1, that fails once; 0 means none.
	FailPut, FailDelete int
	// Writes counts the Puts and Deletes that succeeded.
	Writes int

	rows          map[K]V
	puts, deletes int
}

// Fail makes the put-th Put and the remove-th Delete from now on fail, once; 0: none.
func (m *Memory[K, V]) Fail(put, remove int) {
	m.puts, m.deletes, m.FailPut, m.FailDelete = 0, 0, put, remove
}

// Name is the table's title.
func (m *Memory[K, V]) Name() string { return m.Title }

// Lookup returns the row of a key, and whether there is one.
func (m *Memory[K, V]) Lookup(key K) (V, bool, error) {
	v, ok := m.rows[key]
	return v, ok, nil
}

// Put makes or replaces a row, or fails as asked.
func (m *Memory[K, V]) Put(key K, value V) error {
	m.puts++
	if m.puts == m.FailPut {
		return ErrInjected
	}
	if _, ok := m.rows[key]; !ok && m.Capacity > 0 && len(m.rows) >= m.Capacity {
		return ErrFull
	}
	if m.rows == nil {
		m.rows = map[K]V{}
	}
	m.rows[key] = value
	m.Writes++
	return nil
}

// Delete removes a row, or fails as asked.
func (m *Memory[K, V]) Delete(key K) error {
	m.deletes++
	if m.deletes == m.FailDelete {
		return ErrInjected
	}
	delete(m.rows, key)
	m.Writes++
	return nil
}

// PutAll is a Put of each row, up to the one that fails.
func (m *Memory[K, V]) PutAll(keys []K, values []V) (int, error) {
	for i, key := range keys {
		if err := m.Put(key, values[i]); err != nil {
			return i, err
		}
	}
	return len(keys), nil
}

// DeleteAll is a Delete of each row, up to the one that fails.
func (m *Memory[K, V]) DeleteAll(keys []K) (int, error) {
	for i, key := range keys {
		if err := m.Delete(key); err != nil {
			return i, err
		}
	}
	return len(keys), nil
}

// Room is the capacity.
func (m *Memory[K, V]) Room() Room { return Room{Rows: m.Capacity} }

// All returns a copy of every row.
func (m *Memory[K, V]) All() (map[K]V, error) {
	if m.rows == nil {
		return map[K]V{}, nil
	}
	return maps.Clone(m.rows), nil
}

// Scan hands over a copy of all rows, at once.
func (m *Memory[K, V]) Scan(f func(keys []K, values []V) error) error {
	if len(m.rows) == 0 {
		return nil
	}
	keys, values := make([]K, 0, len(m.rows)), make([]V, 0, len(m.rows))
	for k, v := range m.rows {
		keys, values = append(keys, k), append(values, v)
	}
	return f(keys, values)
}
