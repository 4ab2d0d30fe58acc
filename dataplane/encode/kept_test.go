// SPDX-License-Identifier: Apache-2.0

package encode

import (
	"maps"
	"testing"

	. "github.com/onsi/gomega"
	"pgregory.net/rapid"
)

// What an edit makes has what a map of its own would have, and leaves alone what it was
// made of.
func TestKeptIsAMapThatStays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var made []Kept[int, int]
		var want []map[int]int
		kept, own := KeptNone[int, int](), map[int]int{}
		for range rapid.IntRange(1, 6).Draw(t, "edits") {
			e := kept.edit()
			for range rapid.IntRange(0, 40).Draw(t, "changes") {
				key := rapid.IntRange(0, 300).Draw(t, "key")
				if value := rapid.IntRange(0, 3).Draw(t, "value"); value == 0 {
					e.drop(key)
					delete(own, key)
				} else {
					e.put(key, value)
					own[key] = value
				}
			}
			kept = e.Kept
			made, want = append(made, kept), append(want, maps.Clone(own))
		}
		for i, k := range made {
			if !maps.Equal(k.Map(), want[i]) || k.Len() != len(want[i]) {
				t.Fatalf("edit %d: it has %v (%d), want %v", i, k.Map(), k.Len(), want[i])
			}
			for key := range 301 {
				got, ok := k.Get(key)
				if is, there := want[i][key]; got != is || ok != there {
					t.Fatalf("edit %d: key %d is %d, %v, want %d, %v", i, key, got, ok, is, there)
				}
			}
		}
	})
}

func TestNothingIsKnownOfTheZeroValue(t *testing.T) {
	g := NewWithT(t)
	var k Kept[string, int]
	g.Expect(k.Known()).To(BeFalse())
	g.Expect(k.Map()).To(BeNil())
	_, ok := k.Get("a")
	g.Expect(ok).To(BeFalse())
	g.Expect(k.edit().Known()).To(BeTrue())
	g.Expect(KeptNone[string, int]().Map()).To(And(BeEmpty(), Not(BeNil())))
}
