// SPDX-License-Identifier: Apache-2.0

// Package policy compiles network policies to what hosts judge flows by.
//
//	NetworkPolicy ──read──► statement ─┐
//	endpoints, identities ─────────────┴─► set: peers, prefixes ──► state.Policy
//	                                            └► port classes
//
// What all policies that select an endpoint in one direction say together is a set;
// endpoints that the same policies select share it. In a set every identity has the
// class of ports that the rules matching it make, in the order of tiers and ranks,
// so that a packet meets one row, however many policies and rules there are.
//
// A [Compiler] is incremental, and holds at any time what a fresh one would hold
// of the same policies, identities and endpoints. An endpoint with an identity that
// is known changes no set; a new identity changes the sets that match it.
package policy
