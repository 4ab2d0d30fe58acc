// SPDX-License-Identifier: Apache-2.0

// Package machine keeps a measurement on one CPU and says which one it was.
package machine

import (
	"fmt"
	"os"
	"runtime"
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
	var all unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		return 0, fmt.Errorf("ask which CPUs may be used: %w", err)
	}
	last := 0
	for cpu := range len(all) * 64 {
		if all.IsSet(cpu) {
			last = cpu
		}
	}
	return last, nil
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
