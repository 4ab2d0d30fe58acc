// SPDX-License-Identifier: Apache-2.0

// Package property has no code of its own: its tests draw networks with policies, and
// conversations in them, and hold three parties against each other that share no
// code.
//
//	drawn scenario ─┬─► controlplane/compile ─► states ─► an interpreter of sets ─┐
//	                │                             └─► testrun wire (programs) ────┼─► equal
//	                └─► sim/oracle (objects alone) ───────────────────────────────┘
//
// What is drawn is the text of a scenario. When a case fails, rapid makes it as small
// as it can, and what is left is written to out/property.yaml for `mizar sim run`.
//
// As a part of `make test` 2,000 cases are drawn; at night it is
//
//	go test ./sim/property -timeout 4h -rapid.checks=100000
package property
