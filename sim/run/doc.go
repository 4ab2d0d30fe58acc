// SPDX-License-Identifier: Apache-2.0

// Package run runs a scenario on its wires, step by step, and holds what the
// packets did against three things: what the scenario expects, what the oracle
// says, and what the other wire did.
//
//	scenario ──► compile ──► states ──► wire (testrun) ──► outcome ─┐
//	    │                          └──► wire (veth)    ──► outcome ─┼─► checks
//	    └───► oracle ────────────────────────────────────► outcome ─┘
//
// The wires go in step: every step ends on all of them before the next begins.
// A check that fails is a result; an error is a harness that could not do its
// work.
package run
