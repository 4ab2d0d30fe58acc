// SPDX-License-Identifier: Apache-2.0

package table_test

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	. "github.com/onsi/gomega"
	"pgregory.net/rapid"

	"github.com/mizar-net/mizar/dataplane/table"
)

type rows = map[uint32]uint64

func filled(title string, r rows) *table.Memory[uint32, uint64] {
	m := &table.Memory[uint32, uint64]{Title: title}
	for k, v := range r {
		_ = m.Put(k, v) // no fault is asked for yet
	}
	return m
}

func want(t table.Table[uint32, uint64], r rows) table.Job {
	return table.Want(t, r, cmp.Compare[uint32])
}

func TestPlanIsWhatTurnsHaveIntoWant(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		gen := rapid.MapOf(rapid.Uint32Range(0, 9), rapid.Uint64Range(0, 2))
		have, wanted := gen.Draw(t, "have"), gen.Draw(t, "want")
		c := table.Plan(have, wanted, cmp.Compare[uint32])
		for _, r := range c.Puts {
			have[r.Key] = r.Value
		}
		for _, r := range c.Deletes {
			delete(have, r.Key)
		}
		g.Expect(have).To(Equal(wanted))
		g.Expect(slices.IsSortedFunc(c.Puts, byKey)).To(BeTrue())
		slices.Reverse(c.Deletes)
		g.Expect(slices.IsSortedFunc(c.Deletes, byKey)).To(BeTrue(), "what stands first goes last")
		none := table.Plan(have, wanted, cmp.Compare[uint32])
		g.Expect(none.Puts).To(BeEmpty())
		g.Expect(none.Deletes).To(BeEmpty())
	})
}

func byKey(a, b table.Row[uint32, uint64]) int { return cmp.Compare(a.Key, b.Key) }

// TestSyncIsAllOrNothing lets any one write fail: the tables then hold what they
// held before; and without a fault, what was wanted.
func TestSyncIsAllOrNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		gen := rapid.MapOf(rapid.Uint32Range(0, 6), rapid.Uint64Range(1, 3))
		haveA, haveB := gen.Draw(t, "have a"), gen.Draw(t, "have b")
		wantA, wantB := gen.Draw(t, "want a"), gen.Draw(t, "want b")
		a, b := filled("a", haveA), filled("b", haveB)
		a.FailPut = failing(t, "put of a", len(haveA))
		b.FailPut = failing(t, "put of b", len(haveB))
		a.FailDelete = rapid.IntRange(0, 6).Draw(t, "delete of a")
		b.FailDelete = rapid.IntRange(0, 6).Draw(t, "delete of b")

		_, err := table.Sync(want(a, wantA), want(b, wantB))
		gotA, _ := a.All()
		gotB, _ := b.All()
		switch {
		case err == nil:
			g.Expect(gotA).To(Equal(wantA))
			g.Expect(gotB).To(Equal(wantB))
		case !half(err):
			g.Expect(gotA).To(Equal(haveA))
			g.Expect(gotB).To(Equal(haveB))
		}
		report, err := table.Sync(want(a, wantA), want(b, wantB))
		for half(err) || errors.Is(err, table.ErrInjected) { // the other faults come up
			report, err = table.Sync(want(a, wantA), want(b, wantB))
		}
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(report).NotTo(BeNil())
		again, err := table.Sync(want(a, wantA), want(b, wantB))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(again.Rows()).To(BeZero(), "a second Sync writes nothing")
	})
}

// failing draws which Put of a table that was filled with n rows fails.
func failing(t *rapid.T, label string, n int) int {
	k := rapid.IntRange(0, 7).Draw(t, label)
	if k == 0 {
		return 0
	}
	return n + k
}

// half says whether the undoing failed too, as a second fault can make it.
func half(err error) bool {
	return err != nil && strings.Contains(err.Error(), "half written")
}

// journal notes every write of several tables in order.
type journal struct {
	*table.Memory[uint32, uint64]
	log *[]string
}

func (j journal) Put(k uint32, v uint64) error {
	*j.log = append(*j.log, "put "+j.Name())
	return j.Memory.Put(k, v)
}

func (j journal) Delete(k uint32) error {
	*j.log = append(*j.log, "delete "+j.Name())
	return j.Memory.Delete(k)
}

func (j journal) PutAll(keys []uint32, values []uint64) (int, error) {
	for i, k := range keys {
		if err := j.Put(k, values[i]); err != nil {
			return i, err
		}
	}
	return len(keys), nil
}

func (j journal) DeleteAll(keys []uint32) (int, error) {
	for i, k := range keys {
		if err := j.Delete(k); err != nil {
			return i, err
		}
	}
	return len(keys), nil
}

func TestReferentsComeFirstAndGoLast(t *testing.T) {
	g := NewWithT(t)
	var log []string
	hosts := journal{filled("hosts", rows{1: 1}), &log}
	directory := journal{filled("directory", rows{1: 1}), &log}
	report, err := table.Sync(want(hosts, rows{2: 2}), want(directory, rows{2: 2}))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(log).To(Equal([]string{"put hosts", "put directory", "delete directory", "delete hosts"}))
	g.Expect(report).To(Equal(table.Report{"hosts": {Puts: 1, Deletes: 1}, "directory": {Puts: 1, Deletes: 1}}))

	log = nil
	hosts.FailDelete = 2
	_, err = table.Sync(want(hosts, rows{3: 3}), want(directory, rows{3: 3}))
	g.Expect(err).To(MatchError(table.ErrInjected))
	g.Expect(err).To(MatchError(ContainSubstring("delete row 2 of map hosts")))
	g.Expect(log).To(Equal([]string{
		"put hosts", "put directory", "delete directory", "delete hosts",
		"put directory", "delete directory", "delete hosts",
	}), "undone in the opposite order")
}

// unsized is a table that turns out to be full only when it is.
type unsized struct {
	*table.Memory[uint32, uint64]
}

func (unsized) Room() table.Room { return table.Room{} }

func TestFullTableIsUndone(t *testing.T) {
	g := NewWithT(t)
	first, second := filled("first", nil), filled("second", nil)
	second.Capacity = 1
	unsaid := unsized{second}
	_, err := table.Sync(want(first, rows{1: 1}), want(unsaid, rows{1: 1, 2: 2}))
	g.Expect(err).To(MatchError(table.ErrFull))
	g.Expect(first.All()).To(BeEmpty())
	g.Expect(second.All()).To(BeEmpty())
}

func TestKeepRemovesOnlyWhatIsNotWanted(t *testing.T) {
	g := NewWithT(t)
	learned := filled("paths", rows{1: 1, 2: 2, 3: 3})
	odd := func(k uint32, _ uint64) bool { return k%2 == 1 }
	report, err := table.Sync(table.Keep(learned, odd, cmp.Compare[uint32]))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(report).To(Equal(table.Report{"paths": {Deletes: 1}}))
	g.Expect(learned.All()).To(Equal(rows{1: 1, 3: 3}))
}

// TestMapIsLikeMemory holds the kernel's maps against the Go map.
func TestMapIsLikeMemory(t *testing.T) {
	for _, kind := range []ebpf.MapType{ebpf.Hash, ebpf.LRUHash, ebpf.Array} {
		t.Run(kind.String(), func(t *testing.T) {
			g := NewWithT(t)
			m, err := ebpf.NewMap(&ebpf.MapSpec{Name: "rows", Type: kind, KeySize: 4, ValueSize: 8, MaxEntries: 20000})
			g.Expect(err).NotTo(HaveOccurred(), "root is needed")
			defer m.Close()
			real, model := table.NewMap[uint32, uint64]("rows", m), filled("rows", nil)
			for i := uint32(0); i < 30000; i++ {
				key := i * 2654435761 % 9000
				if i%3 == 0 {
					g.Expect(real.Delete(key)).To(Succeed())
					g.Expect(model.Delete(key)).To(Succeed())
					continue
				}
				g.Expect(real.Put(key, uint64(i))).To(Succeed())
				g.Expect(model.Put(key, uint64(i))).To(Succeed())
			}
			all, err := real.All()
			g.Expect(err).NotTo(HaveOccurred())
			expected, _ := model.All()
			g.Expect(len(all)).To(BeNumerically(">", 4096), "more than one batch")
			g.Expect(all).To(Equal(expected))
			for _, key := range []uint32{0, 1, 8999, 9999} {
				gotValue, got, err := real.Lookup(key)
				g.Expect(err).NotTo(HaveOccurred())
				wantValue, wanted, _ := model.Lookup(key)
				g.Expect(got).To(Equal(wanted))
				g.Expect(gotValue).To(Equal(wantValue))
			}
		})
	}
}

// TestWhatDoesNotFitIsRefusedBeforeAnythingIsWritten lets tables be too small for
// what they hold and shall hold, and any write fail besides.
func TestWhatDoesNotFitIsRefusedBeforeAnythingIsWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		gen := rapid.MapOf(rapid.Uint32Range(0, 9), rapid.Uint64Range(1, 3))
		haveA, haveB := gen.Draw(t, "have a"), gen.Draw(t, "have b")
		wantA, wantB := gen.Draw(t, "want a"), gen.Draw(t, "want b")
		a, b := filled("a", haveA), filled("b", haveB)
		b.Capacity = rapid.IntRange(max(1, len(haveB)), 12).Draw(t, "capacity")
		a.FailPut = failing(t, "put of a", len(haveA))
		a.Writes, b.Writes = 0, 0
		needs := len(haveB)
		for k := range wantB {
			if _, ok := haveB[k]; !ok {
				needs++
			}
		}

		_, err := table.Sync(want(a, wantA), want(b, wantB))
		var small *table.TooSmall
		g.Expect(errors.As(err, &small)).To(Equal(needs > b.Capacity), "%v", err)
		if small == nil {
			g.Expect(errors.Is(err, table.ErrFull)).To(BeFalse())
			return
		}
		g.Expect(*small).To(And(HaveField("Map", "b"), HaveField("Needs", needs), HaveField("Room", b.Capacity)))
		g.Expect(a.Writes + b.Writes).To(BeZero())
	})
}

func TestAllTablesThatAreTooSmallAreNamed(t *testing.T) {
	g := NewWithT(t)
	first, second := filled("first", nil), filled("second", rows{7: 7})
	first.Capacity, second.Capacity = 1, 1
	_, err := table.Sync(want(first, rows{1: 1, 2: 2}), want(second, rows{8: 8}))
	g.Expect(err).To(MatchError(And(
		ContainSubstring("map first has room for 1 rows and needs 2;"),
		ContainSubstring("map second has room for 1 rows and needs 2 (1 of them until the others are written);"))))
}

func TestAnArrayHasRoomForIndexesBelowItsSize(t *testing.T) {
	g := NewWithT(t)
	m, err := ebpf.NewMap(&ebpf.MapSpec{Name: "rows", Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: 4})
	g.Expect(err).NotTo(HaveOccurred(), "root is needed")
	defer m.Close()
	array := table.NewMap[uint32, uint64]("rows", m)
	_, err = table.Sync(want(array, rows{3: 3}))
	g.Expect(err).NotTo(HaveOccurred())
	_, err = table.Sync(want(array, rows{1: 1, 4: 4}))
	g.Expect(err).To(MatchError(ContainSubstring("room for 4 rows and needs 5")))
	g.Expect(array.All()).To(Equal(rows{3: 3}))
}

func TestMergedRowsKeepWhatOthersWrote(t *testing.T) {
	g := NewWithT(t)
	m := filled("hosts", rows{1: 100, 2: 5})
	least := func(held, wanted uint64) uint64 { return min(held, wanted) }
	report, err := table.Sync(table.WantMerged(m, nil, rows{1: 200, 2: 3, 3: 300}, least, cmp.Compare[uint32]))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(report).To(Equal(table.Report{"hosts": {Puts: 2}}))
	g.Expect(m.All()).To(Equal(rows{1: 100, 2: 3, 3: 300}))
}
