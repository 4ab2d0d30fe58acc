// SPDX-License-Identifier: Apache-2.0

// Package kernel tests on another kernel than the machine's own, with a real driver
// and a foreign stack: two virtual machines with Debian's kernel, joined by
// virtio-net. `make kernel-test` runs it; it needs what .ci/kernel-image fetches.
//
//	this process                       machine alpha             machine beta
//	┌────────────────────┐             ┌───────────────────┐     ┌───────────────────┐
//	│ test ──── orders ──┼─ serial 2 ──┤ guest             │     │ guest             │
//	│                    │             │  h1 ── endpoints  │     │  h2 ── endpoints  │
//	│ underlay (switch) ─┼─ sockets ───┤  │ virtio-net     ├─────┤  h3, foreign      │
//	└────────────────────┘             └───────────────────┘     └───────────────────┘
package kernel
