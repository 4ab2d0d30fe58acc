// SPDX-License-Identifier: Apache-2.0

// Package property draws networks with policies, and conversations in them, and holds
// three parties against each other that share no code.
//
//	drawn scenario ─┬─► controlplane/compile ─► states ─► an interpreter of sets ─┐
//	                │                             └─► testrun wire (programs) ────┼─► equal
//	                └─► sim/oracle (objects alone) ───────────────────────────────┘
//
// What is drawn is the text of a scenario: hosts that share roles, two VPCs with the
// same addresses, policies, services; and steps in which endpoints talk, with each other
// and with frontends, policies, services, what stands behind them, endpoints and
// namespaces come, change, move and go, and time passes. When a case fails, all is left
// out without which it still fails ([Trial.Minimal]), and what is left is a file for
// `mizar sim run`: tests write it to out/property.yaml.
//
// A part of `make test` draws 2,000 cases with [Trial], `make nightly` 100,000; [Search]
// draws a few hundred outside of tests, and [Prove] makes evidence of them.
package property
