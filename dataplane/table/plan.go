// SPDX-License-Identifier: Apache-2.0

package table

import "slices"

// Row is one row of a table.
type Row[K, V comparable] struct {
	Key   K
	Value V
}

// Changes are what turns one set of rows into another: puts in order of the keys,
// deletes in the opposite one, so that rows that refer to others of the same table
// are never there without them.
type Changes[K, V comparable] struct {
	// Puts are the rows that are missing or differ.
	Puts []Row[K, V]
	// Deletes are the rows that are too many, with their values.
	Deletes []Row[K, V]
}

// Plan returns what turns have into want: nothing where they are equal. It
// depends on its arguments alone.
func Plan[K, V comparable](have, want map[K]V, compare func(a, b K) int) Changes[K, V] {
	var c Changes[K, V]
	there := 0
	for k, v := range have {
		wanted, ok := want[k]
		switch {
		case !ok:
			c.Deletes = append(c.Deletes, Row[K, V]{k, v})
			continue
		case wanted != v:
			c.Puts = append(c.Puts, Row[K, V]{k, wanted})
		}
		there++
	}
	if missing := len(want) - there; missing > 0 {
		c.Puts = slices.Grow(c.Puts, missing)
		for k, v := range want {
			if _, ok := have[k]; !ok {
				c.Puts = append(c.Puts, Row[K, V]{k, v})
			}
		}
	}
	byKey := func(a, b Row[K, V]) int { return compare(a.Key, b.Key) }
	slices.SortFunc(c.Puts, byKey)
	slices.SortFunc(c.Deletes, func(a, b Row[K, V]) int { return byKey(b, a) })
	return c
}
