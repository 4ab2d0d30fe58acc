// SPDX-License-Identifier: Apache-2.0

package table

import "fmt"

// keeper is the Job of removing rows from a table that others write.
type keeper[K, V comparable] struct {
	job[K, V]
	keep func(K, V) bool
}

// Keep returns the job of removing from t the rows that keep does not want. The
// table has other writers (programs that learn), so it is read when its turn to
// delete has come, not before.
func Keep[K, V comparable](t Table[K, V], keep func(K, V) bool, compare func(a, b K) int) Job {
	return &keeper[K, V]{job: job[K, V]{table: t, compare: compare}, keep: keep}
}

func (k *keeper[K, V]) plan() error { return nil }

func (k *keeper[K, V]) remove() error {
	have, err := k.table.All()
	if err != nil {
		return fmt.Errorf("read map %s: %w", k.name(), err)
	}
	want := make(map[K]V, len(have))
	for key, value := range have {
		if k.keep(key, value) {
			want[key] = value
		}
	}
	k.have = have
	k.changes = Plan(have, want, k.compare)
	return k.job.remove()
}
