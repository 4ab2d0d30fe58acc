// SPDX-License-Identifier: Apache-2.0

package table_test

import (
	"errors"
	"testing"

	. "github.com/onsi/gomega"
	"pgregory.net/rapid"

	"github.com/mizar-net/mizar/dataplane/table"
)

// A mirror says of its rows what the table behind it would, whatever fails.
func TestMirrorIsWhatIsBehind(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		gen := rapid.MapOf(rapid.Uint32Range(0, 6), rapid.Uint64Range(0, 3))
		behind := &table.Memory[uint32, uint64]{Title: "a", Capacity: rapid.IntRange(0, 5).Draw(t, "capacity")}
		mirror := table.NewMirror[uint32, uint64](behind)
		for range 4 {
			behind.FailPut, behind.FailDelete = rapid.IntRange(0, 9).Draw(t, "put"), rapid.IntRange(0, 9).Draw(t, "delete")
			_, err := table.Sync(want(mirror, gen.Draw(t, "want")))
			var small *table.TooSmall
			g.Expect(err == nil || half(err) || errors.Is(err, table.ErrInjected) || errors.As(err, &small)).To(BeTrue(), "%v", err)
			got, err := mirror.All()
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(behind.All()).To(Equal(got))
			for key := range uint32(7) {
				value, there, err := mirror.Lookup(key)
				g.Expect(err).NotTo(HaveOccurred())
				really, is, _ := behind.Lookup(key)
				g.Expect([]any{value, there}).To(Equal([]any{really, is}))
			}
		}
		clear(mirrorRows(g, mirror))
		g.Expect(behind.All()).To(Equal(mirrorRows(g, mirror)), "what is read is the reader's")
	})
}

func mirrorRows(g Gomega, m *table.Mirror[uint32, uint64]) rows {
	all, err := m.All()
	g.Expect(err).NotTo(HaveOccurred())
	return all
}
