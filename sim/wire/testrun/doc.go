// SPDX-License-Identifier: Apache-2.0

// Package testrun is a wire without devices: each host is a set of private maps,
// and a packet hops in memory from program to program, which the kernel runs
// over it one at a time (BPF_PROG_TEST_RUN). Time is virtual, so a run is fast
// and exactly repeatable.
//
//	endpoint ── frame ─► program endpoint of its host ─► record says what became of it
//	                        │ sent: to the host that has the outer MAC
//	                        ▼
//	                     program uplink there ─► … ─► delivered, answered or dropped
//
// Where links delay, a packet's way is a chain of events in virtual time, and
// other packets, those of traffic, are on their ways meanwhile.
//
// The programs, the maps and what is written to them are those of production;
// the underlay (one Ethernet) and the endpoints' stacks are simulated here.
package testrun
