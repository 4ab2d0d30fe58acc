// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"fmt"

	"github.com/cilium/ebpf"

	"github.com/mizar-net/mizar/bpf"
)

// Drops returns how many packets died, by drop reason ("guard_address"), since
// the programs were loaded. Reasons that never came up are not in it.
func (d *Datapath) Drops() (map[string]uint64, error) {
	return d.counters(bpf.RowMapDrops, func(n uint32) string { return bpf.RowDropReason(n).String() })
}

// Verdicts returns how many packets met each verdict ("relay") since the
// programs were loaded. Verdicts that never came up are not in it.
func (d *Datapath) Verdicts() (map[string]uint64, error) {
	return d.counters(bpf.RowMapVerdicts, func(n uint32) string { return bpf.RowVerdict(n).String() })
}

// counters sums a per-CPU array of counts, by name of the row.
func (d *Datapath) counters(name string, label func(uint32) string) (map[string]uint64, error) {
	m := d.loaded.maps[name]
	counts := map[string]uint64{}
	for i := range m.MaxEntries() {
		var perCPU []bpf.RowCount
		if err := m.Lookup(i, &perCPU); err != nil {
			return nil, fmt.Errorf("read row %d of map %s: %w", i, name, err)
		}
		var packets uint64
		for _, c := range perCPU {
			packets += c.Packets
		}
		if packets > 0 {
			counts[label(i)] = packets
		}
	}
	return counts, nil
}

// everyRow are more rows than any array has.
const everyRow = 1<<32 - 1

// zeroCounters starts the first rows of a per-CPU array of counts anew.
func (d *Datapath) zeroCounters(name string, rows uint32) error {
	cpus, err := ebpf.PossibleCPU()
	if err != nil {
		return fmt.Errorf("count the CPUs: %w", err)
	}
	m := d.loaded.maps[name]
	for i := range min(rows, m.MaxEntries()) {
		if err := m.Put(i, make([]bpf.RowCount, cpus)); err != nil {
			return fmt.Errorf("zero row %d of map %s: %w", i, name, err)
		}
	}
	return nil
}

// Refund gives all endpoints their whole budgets back.
func (d *Datapath) Refund() error {
	m := d.loaded.maps[bpf.RowMapBudgets]
	keys := make([]uint32, min(d.holder.budgeted, m.MaxEntries()))
	for i := range keys {
		keys[i] = uint32(i)
	}
	if len(keys) == 0 {
		return nil
	}
	if _, err := m.BatchUpdate(keys, make([]bpf.RowBudget, len(keys)), nil); err != nil {
		return fmt.Errorf("zero map %s: %w", bpf.RowMapBudgets, err)
	}
	return nil
}
