// SPDX-License-Identifier: Apache-2.0

// Package dataplane makes the kernel of one host hold a state.
//
//	state.Host + state.Local --encode--> rows --table.Plan, table.Sync--> maps
//
// It is told everything: the state (dataplane/state), the facts of the machine,
// the time. Every step up to the maps is a pure function; applying a state twice
// changes nothing, and referents are written before what refers to them. It
// imports bpf and nothing of the rooms above it.
package dataplane
