// SPDX-License-Identifier: Apache-2.0

// Package table makes a map hold given rows, no more and no fewer.
//
// A [Table] is a BPF map ([Map]) or a Go map with injected faults ([Memory]).
// [Plan] says which rows differ, [Sync] writes them over several tables in an
// order in which no row ever refers to one that is not there:
//
//	want ──┐
//	       ├─► Plan (pure) ─► puts, first table to last
//	have ──┘                  deletes, last table to first
//	                          any failure: all of it is undone
//
// Rows that some table has no room for are refused before anything is written:
// see [TooSmall].
package table

// Table is a map of fixed-size rows. Its one writer is the caller; programs in
// the kernel read it all the while, so each Put and Delete is atomic.
type Table[K, V comparable] interface {
	// Name is the map's name, for errors and reports.
	Name() string
	// Lookup returns the row of a key, and whether there is one.
	Lookup(key K) (V, bool, error)
	// Put makes or replaces a row.
	Put(key K, value V) error
	// Delete removes a row; to remove one that is not there is no error.
	Delete(key K) error
	// PutAll and DeleteAll do the same for many rows, one after the other, in
	// as few calls of the kernel as it takes. They say how many rows, from the
	// first, are done: all of them, or those before the one that failed.
	PutAll(keys []K, values []V) (int, error)
	DeleteAll(keys []K) (int, error)
	// All returns every row. An array's rows of zeros are not there.
	All() (map[K]V, error)
	// Scan hands over every row once, many at a time, so that a large table needs
	// little memory. The slices are good until f returns; f may delete rows that it
	// was given. Its error ends the scan.
	Scan(f func(keys []K, values []V) error) error
	// Room is what the table has room for.
	Room() Room
}
