// SPDX-License-Identifier: Apache-2.0

package encode

import (
	"hash/maphash"
	"maps"
)

// Kept is a map that is never changed: another one is made of it by an edit, and shares
// with it what is alike. So what a change costs follows what it changes, however much
// there is. The zero value says that nothing is known of what it has.
type Kept[K comparable, V any] struct {
	parts *[keptParts]map[K]V
	size  int
}

// keptParts is how many parts there are: of one that an edit touches, all is copied.
const keptParts = 256

// seed spreads keys over parts.
var seed = maphash.MakeSeed()

func partOf[K comparable](key K) int { return int(maphash.Comparable(seed, key) % keptParts) }

// KeptNone is a map that is known to be empty.
func KeptNone[K comparable, V any]() Kept[K, V] { return Kept[K, V]{parts: &[keptParts]map[K]V{}} }

// Known says whether it is known what is in it.
func (k Kept[K, V]) Known() bool { return k.parts != nil }

// Len is how many keys it has.
func (k Kept[K, V]) Len() int { return k.size }

// Get is the value of a key, if there is one.
func (k Kept[K, V]) Get(key K) (value V, ok bool) {
	if k.parts == nil {
		return value, false
	}
	value, ok = k.parts[partOf(key)][key]
	return value, ok
}

// Map is a copy of all of it; nil where nothing is known.
func (k Kept[K, V]) Map() map[K]V {
	if k.parts == nil {
		return nil
	}
	all := make(map[K]V, k.size)
	for _, part := range k.parts {
		maps.Copy(all, part)
	}
	return all
}

// edit makes another map of one; where nothing is known of it, of an empty one.
func (k Kept[K, V]) edit() *keptEdit[K, V] {
	e := &keptEdit[K, V]{Kept: KeptNone[K, V]()}
	if k.parts != nil {
		*e.parts, e.size = *k.parts, k.size
	}
	return e
}

// keptEdit is a map that is being made: Kept is what it is by now.
type keptEdit[K comparable, V any] struct {
	Kept[K, V]
	// own are the parts that are nobody else's.
	own [keptParts]bool
}

// part is that of a key, to be changed.
func (e *keptEdit[K, V]) part(key K) map[K]V {
	i := partOf(key)
	if !e.own[i] {
		part := make(map[K]V, len(e.parts[i])+1)
		maps.Copy(part, e.parts[i])
		e.parts[i], e.own[i] = part, true
	}
	return e.parts[i]
}

func (e *keptEdit[K, V]) put(key K, value V) {
	part := e.part(key)
	e.size -= len(part)
	part[key] = value
	e.size += len(part)
}

func (e *keptEdit[K, V]) drop(key K) {
	if _, ok := e.Get(key); ok {
		delete(e.part(key), key)
		e.size--
	}
}
