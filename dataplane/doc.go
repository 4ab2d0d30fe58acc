// SPDX-License-Identifier: Apache-2.0

// Package dataplane makes one host's kernel hold a state: it loads the programs
// with maps of the host's own, and applies states to the maps.
//
//	state.Host ─┐
//	            ├─► encode.Encode ─► rows ─► table.Sync ─► maps ◄─ programs
//	state.Local ┘     (pure)               (idempotent)
//
// Several hosts may be loaded into one kernel: nothing is shared, and
// nothing pinned but by [Datapath.Pin].
package dataplane
