// SPDX-License-Identifier: Apache-2.0

// Package machine keeps a measurement on one CPU and says which one it was.
package machine

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/mizar-net/mizar/bench/report"
)

// Pin keeps the calling goroutine, and its thread, on one CPU from now on. It
// is not undone: the goroutine is there to measure.
func Pin(cpu int) error {
	runtime.LockOSThread()
	var only unix.CPUSet
	only.Set(cpu)
	if err := unix.SchedSetaffinity(0, &only); err != nil {
		return fmt.Errorf("stay on CPU %d: %w", cpu, err)
	}
	return nil
}

// LastCPU is the highest CPU that this process may use: the first one has most
// of the interrupts.
func LastCPU() (int, error) {
	all, err := usable()
	if err != nil {
		return 0, err
	}
	return all[len(all)-1], nil
}

// OtherCPU is the highest one beside another. Ask before [Pin].
func OtherCPU(than int) (int, error) {
	all, err := usable()
	if err != nil {
		return 0, err
	}
	all = slices.DeleteFunc(all, func(cpu int) bool { return cpu == than })
	if len(all) == 0 {
		return 0, fmt.Errorf("this process may use no CPU but %d", than)
	}
	return all[len(all)-1], nil
}

// usable are the CPUs that the thread may use, in order.
func usable() ([]int, error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return nil, fmt.Errorf("ask which CPUs may be used: %w", err)
	}
	var all []int
	for cpu := range len(set) * 64 {
		if set.IsSet(cpu) {
			all = append(all, cpu)
		}
	}
	return all, nil
}

// Describe says what is measured on.
func Describe(pinned int) (report.Machine, error) {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return report.Machine{}, fmt.Errorf("ask for the kernel's name: %w", err)
	}
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return report.Machine{}, fmt.Errorf("ask for the CPU's name: %w", err)
	}
	return report.Machine{
		Kernel: unix.ByteSliceToString(name.Release[:]), CPU: model(string(info)), CPUs: runtime.NumCPU(), Pinned: pinned,
	}, nil
}

// model is the CPU's name in /proc/cpuinfo.
func model(info string) string {
	for line := range strings.Lines(info) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown CPU"
}
