// SPDX-License-Identifier: Apache-2.0

// Package fuzz holds the programs to the forwarding oracle for one host and one
// frame: obvious Go that reads any bytes as the programs must, and says what
// becomes of them, to the byte (decision records 0001 and 0003 of bpf).
//
// A [Case] is a frame and what the host knows when it comes; a [Bench] runs it
// through the loaded programs and [Bench.Try] says what they did otherwise than
// the oracle: verdict, reason, port, every byte that came out, what was learned
// and what was counted. The fuzz targets and the cut and twisted frames of
// [Prove] share both.
package fuzz
