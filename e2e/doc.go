// SPDX-License-Identifier: Apache-2.0

// Package e2e is the conformance suite: specs made from the embedded scenarios,
// labelled with the rows and cells of ACCEPTANCE, a planted fault for each row,
// and the tests that look at the repository as a whole (imports, documents).
//
// It needs root. Nothing imports it.
package e2e
