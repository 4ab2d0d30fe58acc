// SPDX-License-Identifier: Apache-2.0

// Package bench has the measurements: what a packet costs in nanoseconds and
// instructions, with the floors that a change may not fall under. Figures are
// printed with the mode, the offloads and the kernel that they were taken with.
package bench
