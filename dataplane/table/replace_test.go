// SPDX-License-Identifier: Apache-2.0

package table_test

import (
	"cmp"
	"errors"
	"maps"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/mizar-net/mizar/dataplane/table"
)

// ordered are rows in order of keys.
func ordered(rows map[uint32]int) (all []table.Row[uint32, int]) {
	for _, key := range slices.Sorted(maps.Keys(rows)) {
		all = append(all, table.Row[uint32, int]{Key: key, Value: rows[key]})
	}
	return all
}

// Some rows take the place of others, and nothing else changes; or nothing at all does.
func TestReplaceIsWantOfSomeRows(t *testing.T) {
	done, undone := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		draw := func(of string) map[uint32]int {
			return rapid.MapOfN(rapid.Uint32Range(0, 9), rapid.IntRange(1, 2), 0, 6).Draw(t, of)
		}
		gone, come := draw("gone"), draw("come")
		m := &table.Memory[uint32, int]{Title: "m"}
		held := map[uint32]int{77: 7}
		maps.Copy(held, gone)
		for key, v := range held {
			_ = m.Put(key, v)
		}
		if at := rapid.IntRange(0, 8).Draw(t, "fault"); rapid.Bool().Draw(t, "of a put") {
			m.Fail(at, 0)
		} else {
			m.Fail(0, at)
		}
		want := maps.Clone(held)
		report, err := table.Sync(table.Replace(m, len(held), ordered(gone), ordered(come), cmp.Compare[uint32]))
		if err == nil {
			done++
			maps.DeleteFunc(want, func(key uint32, _ int) bool { _, goes := gone[key]; return goes })
			maps.Copy(want, come)
			changes := table.Plan(gone, come, cmp.Compare[uint32])
			if n := len(changes.Puts) + len(changes.Deletes); report.Rows() != n {
				t.Fatalf("%d rows are written, want %d", report.Rows(), n)
			}
		} else if undone++; !errors.Is(err, table.ErrInjected) {
			t.Fatal(err)
		}
		if got, _ := m.All(); !reflect.DeepEqual(got, want) {
			t.Fatalf("%v, want %v (%v)", got, want, err)
		}
	})
	if done == 0 || undone == 0 {
		t.Fatalf("%d done, %d undone: that shows nothing", done, undone)
	}
}
