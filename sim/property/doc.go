// SPDX-License-Identifier: Apache-2.0

// Package property has no code of its own: its tests draw networks with policies, and
// conversations in them, and hold three parties against each other that share no
// code.
//
//	drawn scenario ─┬─► controlplane/compile ─► states ─► an interpreter of sets ─┐
//	                │                             └─► testrun wire (programs) ────┼─► equal
//	                └─► sim/oracle (objects alone) ───────────────────────────────┘
//
// What is drawn is the text of a scenario: hosts that share roles, two VPCs with the
// same addresses, policies; and steps in which endpoints talk, policies, endpoints and
// namespaces come, change, move and go, and time passes. When a case fails, rapid makes
// it as small as it can, and what is left is written to out/property.yaml for
// `mizar sim run`.
//
// A part of `make test` draws 2,000 cases, `make nightly` 100,000.
package property
