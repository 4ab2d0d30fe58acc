// SPDX-License-Identifier: Apache-2.0

// Package replay puts a capture on a port of a wire, compares what comes out
// with a golden capture, and says of a difference which map row gave the field,
// where the ways parted, and what the likely cause is.
//
//	capture ─► Play ─► Recording ─► golden.Comparison ─► Explain
//	                       └──────► golden capture and its text twin
package replay
