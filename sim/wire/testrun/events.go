// SPDX-License-Identifier: Apache-2.0

package testrun

import (
	"cmp"
	"slices"
	"time"
)

// event is something that happens at a time.
type event struct {
	at time.Duration
	do func() error
}

// events wait in order of time; those of one time in the order in which they were
// planned, so that a run can be repeated.
type events []event

// plan puts an event in its place.
func (q *events) plan(at time.Duration, do func() error) {
	i, _ := slices.BinarySearchFunc(*q, at, func(e event, at time.Duration) int {
		return cmp.Or(cmp.Compare(e.at, at), -1) // behind all of the same time
	})
	*q = slices.Insert(*q, i, event{at, do})
}

// now is the virtual time.
func (w *Wire) now() time.Duration {
	now, _ := w.clock.Now() // a virtual clock always knows
	return now
}

// moveTo moves the clock forward, if it is not there yet.
func (w *Wire) moveTo(at time.Duration) error {
	if by := at - w.now(); by > 0 {
		return w.clock.Advance(by)
	}
	return nil
}

// next lets the next event happen at its time.
func (w *Wire) next() error {
	e := w.events[0]
	w.events = w.events[1:]
	if err := w.moveTo(e.at); err != nil {
		return err
	}
	return e.do()
}

// elapse lets all happen that happens in a span of time.
func (w *Wire) elapse(d time.Duration) error {
	end := w.now() + d
	for len(w.events) > 0 && w.events[0].at <= end {
		if err := w.next(); err != nil {
			return err
		}
	}
	return w.moveTo(end)
}

// until lets things happen until done says so, or nothing more happens before the
// end.
func (w *Wire) until(end time.Duration, done func() bool) error {
	for !done() && len(w.events) > 0 && w.events[0].at <= end {
		if err := w.next(); err != nil {
			return err
		}
	}
	return nil
}
