// SPDX-License-Identifier: Apache-2.0

package table_test

import (
	"errors"
	"testing"

	"github.com/cilium/ebpf"
	. "github.com/onsi/gomega"
	"pgregory.net/rapid"

	"github.com/mizar-net/mizar/dataplane/table"
)

// TestBatchesAreLikeMemory puts and deletes many rows at a time in the kernel's
// maps and in the Go map: more than one batch of them, some there and some not,
// and some for which there is no room.
func TestBatchesAreLikeMemory(t *testing.T) {
	const room = 6000
	for _, kind := range []ebpf.MapType{ebpf.Hash, ebpf.Array, ebpf.LPMTrie} {
		t.Run(kind.String(), func(t *testing.T) {
			g := NewWithT(t)
			spec := &ebpf.MapSpec{Name: "rows", Type: kind, KeySize: 8, ValueSize: 8, MaxEntries: room}
			switch kind {
			case ebpf.Array:
				array(g, spec)
				return
			case ebpf.LPMTrie:
				spec.Flags = 1 // BPF_F_NO_PREALLOC, which a trie must have
			}
			m, err := ebpf.NewMap(spec)
			g.Expect(err).NotTo(HaveOccurred(), "root is needed")
			defer m.Close()
			real := table.NewMap[[2]uint32, uint64]("rows", m)
			model := &table.Memory[[2]uint32, uint64]{Title: "rows", Capacity: room}
			key := func(n int) [2]uint32 { return [2]uint32{32, uint32(n)} }
			same(g, real, model, sequence(key, 0, 5000))
			same(g, real, model, sequence(key, 4000, 1500)) // some are there
			g.Expect(deleteBoth(g, real, model, sequence(key, 3000, 6000).keys)).To(Equal(6000), "some are not there")
			g.Expect(same(g, real, model, sequence(key, 10000, 4096))).To(Equal(3000), "some have no room")
		})
	}
}

// array is the same for an array, whose rows are always there.
func array(g Gomega, spec *ebpf.MapSpec) {
	spec.KeySize = 4
	m, err := ebpf.NewMap(spec)
	g.Expect(err).NotTo(HaveOccurred(), "root is needed")
	defer m.Close()
	real := table.NewMap[uint32, uint64]("rows", m)
	model := &table.Memory[uint32, uint64]{Title: "rows"}
	key := func(n int) uint32 { return uint32(n) }
	same(g, real, model, sequence(key, 0, 5000))
	g.Expect(deleteBoth(g, real, model, sequence(key, 1000, 4500).keys)).To(Equal(4500))
	rows := sequence(key, 5998, 4)
	n, err := real.PutAll(rows.keys, rows.values)
	g.Expect(err).To(MatchError(ContainSubstring("room for 6000")))
	g.Expect(n).To(Equal(2))
}

type columns[K comparable] struct {
	keys   []K
	values []uint64
}

// sequence has n rows, the first of which is number from; no value is 0.
func sequence[K comparable](key func(int) K, from, n int) columns[K] {
	var c columns[K]
	for i := from; i < from+n; i++ {
		c.keys, c.values = append(c.keys, key(i)), append(c.values, uint64(i+n))
	}
	return c
}

// same puts rows into both and wants both to take as many, and to hold the same.
func same[K comparable](g Gomega, a, b table.Table[K, uint64], c columns[K]) int {
	n, err := a.PutAll(c.keys, c.values)
	wanted, refused := b.PutAll(c.keys, c.values)
	g.Expect(n).To(Equal(wanted))
	g.Expect(err != nil).To(Equal(refused != nil), "%v, and in memory: %v", err, refused)
	alike(g, a, b)
	return n
}

// deleteBoth does the same for keys that go.
func deleteBoth[K comparable](g Gomega, a, b table.Table[K, uint64], keys []K) int {
	n, err := a.DeleteAll(keys)
	g.Expect(err).NotTo(HaveOccurred())
	wanted, err := b.DeleteAll(keys)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(n).To(Equal(wanted))
	alike(g, a, b)
	return n
}

func alike[K comparable](g Gomega, a, b table.Table[K, uint64]) {
	got, err := a.All()
	g.Expect(err).NotTo(HaveOccurred())
	want, _ := b.All()
	g.Expect(len(got)).To(Equal(len(want)))
	for key, value := range want {
		g.Expect(got[key]).To(Equal(value), "row %v", key)
	}
}

// TestScanHandsOverEveryRowOnce, also where all that was handed over is deleted at
// once.
func TestScanHandsOverEveryRowOnce(t *testing.T) {
	for _, kind := range []ebpf.MapType{ebpf.Hash, ebpf.LRUHash, ebpf.Array} {
		g := NewWithT(t)
		m, err := ebpf.NewMap(&ebpf.MapSpec{Name: "rows", Type: kind, KeySize: 4, ValueSize: 8, MaxEntries: 20000})
		g.Expect(err).NotTo(HaveOccurred(), "root is needed")
		defer m.Close()
		for _, rows := range []table.Table[uint32, uint64]{table.NewMap[uint32, uint64]("rows", m), &table.Memory[uint32, uint64]{}} {
			all := sequence(func(n int) uint32 { return uint32(n) }, 500, 10000)
			_, err = rows.PutAll(all.keys, all.values)
			g.Expect(err).NotTo(HaveOccurred())
			want, err := rows.All()
			g.Expect(err).NotTo(HaveOccurred())
			seen := map[uint32]uint64{}
			g.Expect(rows.Scan(func(keys []uint32, values []uint64) error {
				for i, k := range keys {
					if _, twice := seen[k]; twice {
						t.Errorf("row %d was handed over twice", k)
					}
					seen[k] = values[i]
				}
				n, err := rows.DeleteAll(keys)
				g.Expect(n).To(Equal(len(keys)))
				return err
			})).To(Succeed())
			g.Expect(seen).To(Equal(want))
			g.Expect(rows.All()).To(BeEmpty())
			g.Expect(rows.Scan(func([]uint32, []uint64) error { return errors.New("nothing is there") })).To(Succeed())
			g.Expect(rows.Put(1, 1)).To(Succeed())
			g.Expect(rows.Scan(func([]uint32, []uint64) error { return table.ErrInjected })).To(MatchError(table.ErrInjected))
		}
	}
}

// TestFaultInTheMiddleOfABatch lets any row of a batch fail: those before it are
// done and counted, none behind it is.
func TestFaultInTheMiddleOfABatch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		n := rapid.IntRange(1, 20).Draw(t, "rows")
		fails := rapid.IntRange(1, n).Draw(t, "failing")
		m := &table.Memory[uint32, uint64]{FailPut: fails, FailDelete: fails}
		rows := sequence(func(n int) uint32 { return uint32(n) }, 0, n)
		done, err := m.PutAll(rows.keys, rows.values)
		g.Expect(err).To(MatchError(table.ErrInjected))
		g.Expect(done).To(Equal(fails - 1))
		all, _ := m.All()
		g.Expect(all).To(HaveLen(fails - 1))

		done, err = m.PutAll(rows.keys, rows.values)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(done).To(Equal(n))
		done, err = m.DeleteAll(rows.keys)
		g.Expect(err).To(MatchError(table.ErrInjected))
		g.Expect(done).To(Equal(fails - 1))
		all, _ = m.All()
		g.Expect(all).To(HaveLen(n - fails + 1))
	})
}

// unsizedMap is a map of the kernel that turns out to be full only when it is.
type unsizedMap struct {
	*table.Map[uint32, uint64]
}

func (unsizedMap) Room() table.Room { return table.Room{} }

// TestFullMapInTheKernelIsUndone lets the second batch of the second map fail:
// both hold what they held before.
func TestFullMapInTheKernelIsUndone(t *testing.T) {
	g := NewWithT(t)
	tables := map[string]unsizedMap{}
	for name, room := range map[string]uint32{"first": 20000, "second": 9000} {
		m, err := ebpf.NewMap(&ebpf.MapSpec{Name: name, Type: ebpf.Hash, KeySize: 4, ValueSize: 8, MaxEntries: room})
		g.Expect(err).NotTo(HaveOccurred(), "root is needed")
		defer m.Close()
		tables[name] = unsizedMap{table.NewMap[uint32, uint64](name, m)}
		g.Expect(tables[name].Put(7, 700)).To(Succeed())
	}
	many := rows{}
	for i := range uint32(10000) {
		many[i] = uint64(i) + 1
	}
	_, err := table.Sync(want(tables["first"], many), want(tables["second"], many))
	g.Expect(err).To(MatchError(ContainSubstring("row 9000 of map second")))
	g.Expect(tables["first"].All()).To(Equal(rows{7: 700}))
	g.Expect(tables["second"].All()).To(Equal(rows{7: 700}))
}
