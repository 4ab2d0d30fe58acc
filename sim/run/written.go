// SPDX-License-Identifier: Apache-2.0

package run

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/mizar-net/mizar/sim/scenario"
	"github.com/mizar-net/mizar/sim/wire"
)

// written is what states have written on a wire so far; nil where it is not counted.
func written(ctx context.Context, w wire.Wire) (wire.Written, error) {
	writer, ok := w.(wire.Writer)
	if !ok {
		return nil, nil
	}
	all, err := writer.Written(ctx)
	if err != nil {
		return nil, fmt.Errorf("count the rows that states wrote on the %s wire: %w", w.Name(), err)
	}
	return all, nil
}

// compareWritten holds what states have written since the last assert against the
// scenario.
func compareWritten(a *scenario.Assert, w wire.Wire, got wire.Written) (Check, error) {
	if _, ok := w.(wire.Writer); !ok {
		return Check{}, fmt.Errorf("assert written: the %s wire does not count what states write", w.Name())
	}
	c := Check{Name: "written rows", Wire: w.Name(), Cell: Cell{Proto: "written", Wire: w.Name()}}
	var seen []string
	for _, host := range slices.Sorted(maps.Keys(a.Written)) {
		for _, name := range slices.Sorted(maps.Keys(a.Written[host])) {
			want, rows := a.Written[host][name], got.Rows(host, name)
			seen = append(seen, fmt.Sprintf("%s %s %d", host, name, rows))
			within(func(field, got, want string) {
				c.Failures = append(c.Failures, Failure{Field: field, Who: w.Name(), Got: got, Against: "the scenario", Want: want})
			}, fmt.Sprintf("rows of %s that %s wrote", name, host), rows, &want)
		}
	}
	c.Seen = join(seen)
	return c, nil
}
