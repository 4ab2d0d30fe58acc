// SPDX-License-Identifier: Apache-2.0

// Package clock says what time it is: the kernel's monotonic clock, which the
// programs read, or a virtual one, which they are told.
package clock

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// Clock tells the time that stands in map rows.
type Clock interface {
	// Now is the time since an arbitrary start; it never goes back.
	Now() (time.Duration, error)
}

// Kernel is the clock of programs on real devices (bpf_ktime_get_coarse_ns):
// monotonic, stands still while the machine is suspended, a tick fine.
type Kernel struct{}

// Now reads the kernel's coarse monotonic clock.
func (Kernel) Now() (time.Duration, error) {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC_COARSE, &ts); err != nil {
		return 0, fmt.Errorf("read the monotonic clock: %w", err)
	}
	return time.Duration(ts.Nano()), nil
}

// Start is the time at which a virtual clock starts: late enough that every
// age that programs look at can be subtracted from it.
const Start = time.Hour

// Virtual is a clock that moves only when told to. Its zero value stands at
// Start and is followed by nobody.
type Virtual struct {
	passed    time.Duration
	followers []func(now time.Duration) error
}

// Now is the virtual time.
func (v *Virtual) Now() (time.Duration, error) { return Start + v.passed, nil }

// Follow tells set the time now, and whenever it has moved.
func (v *Virtual) Follow(set func(now time.Duration) error) error {
	if err := set(Start + v.passed); err != nil {
		return fmt.Errorf("tell the time: %w", err)
	}
	v.followers = append(v.followers, set)
	return nil
}

// Advance moves the clock forward and tells all who follow it. A step of 0 or
// less is refused: time does not go back.
func (v *Virtual) Advance(step time.Duration) error {
	if step <= 0 {
		return fmt.Errorf("advance the clock by %v: the step must be more than 0", step)
	}
	v.passed += step
	for _, set := range v.followers {
		if err := set(Start + v.passed); err != nil {
			return fmt.Errorf("advance the clock by %v: %w", step, err)
		}
	}
	return nil
}
