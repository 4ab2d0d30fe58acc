// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// The magic numbers of both formats, as the first four bytes read them.
const (
	magicNg      = 0x0a0d0d0a
	magicNgOrder = 0x1a2b3c4d
	magicMicros  = 0xa1b2c3d4
	magicNanos   = 0xa1b23c4d
)

// The sizes of pcap's headers.
const (
	headerPcap = 24
	recordPcap = 16
)

func isNg(b []byte) bool { return len(b) >= 4 && binary.BigEndian.Uint32(b) == magicNg }

// record is where a packet stands in a file, and what the file says of it.
type record struct {
	offset  int64
	id      uint64
	action  string
	comment string
}

// walk proves the framework of a capture file, so that no reader meets a
// length that the file doesn't have, and returns where packets' records start.
func walk(b []byte) ([]record, *Error) {
	switch {
	case len(b) == 0:
		return nil, &Error{Err: errors.New("the file is empty: want a pcap or pcapng capture")}
	case isNg(b):
		return walkNg(b)
	case len(b) < headerPcap:
		return nil, &Error{Err: fmt.Errorf("file header: %d bytes, want %d", len(b), headerPcap)}
	}
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		if m := order.Uint32(b); m == magicMicros || m == magicNanos {
			return walkPcap(b, order)
		}
	}
	return nil, &Error{Err: fmt.Errorf("magic number %x: want a pcap (a1b2c3d4, a1b23c4d) or pcapng (0a0d0d0a) capture", b[:4])}
}

func walkPcap(b []byte, order binary.ByteOrder) ([]record, *Error) {
	var records []record
	for at := headerPcap; at < len(b); {
		wrong := func(format string, args ...any) *Error {
			return &Error{Packet: len(records) + 1, Offset: int64(at), Err: fmt.Errorf(format, args...)}
		}
		left := len(b) - at
		if left < recordPcap {
			return nil, wrong("record header: %d bytes left, want %d (the file was cut)", left, recordPcap)
		}
		captured, length := order.Uint32(b[at+8:]), order.Uint32(b[at+12:])
		if int64(captured) > int64(left-recordPcap) {
			return nil, wrong("record of %d bytes, only %d left (the file was cut)", captured, left-recordPcap)
		}
		if captured < length {
			return nil, wrong("only %d of %d bytes were captured: want whole packets (record with snap length 0)", captured, length)
		}
		records = append(records, record{offset: int64(at)})
		at += recordPcap + int(captured)
	}
	return records, nil
}

// walkNg goes from block to block (draft-ietf-opsawg-pcapng):
//
//	type (4) | total length (4) | body … | total length (4)
func walkNg(b []byte) ([]record, *Error) {
	var records []record
	var order binary.ByteOrder = binary.LittleEndian
	for at := 0; at < len(b); {
		wrong := func(format string, args ...any) *Error {
			return &Error{Offset: int64(at), Err: fmt.Errorf(format, args...)}
		}
		left := len(b) - at
		if left < 12 {
			return nil, wrong("block: %d bytes left, want 12 (the file was cut)", left)
		}
		if binary.BigEndian.Uint32(b[at:]) == magicNg {
			switch uint32(magicNgOrder) {
			case binary.LittleEndian.Uint32(b[at+8:]):
				order = binary.LittleEndian
			case binary.BigEndian.Uint32(b[at+8:]):
				order = binary.BigEndian
			default:
				return nil, wrong("section header: byte-order magic %x, want 1a2b3c4d", b[at+8:at+12])
			}
		}
		size := order.Uint32(b[at+4:])
		if size < 12 || size%4 != 0 || int64(size) > int64(left) {
			return nil, wrong("block of %d bytes, %d left: want a multiple of 4 that fits (the file was cut?)", size, left)
		}
		block := b[at : at+int(size)]
		if tail := order.Uint32(block[size-4:]); tail != size {
			return nil, wrong("block of %d bytes ends with length %d", size, tail)
		}
		r := record{offset: int64(at)}
		packet, err := checkBlock(block, order, r.option(order))
		if err != nil {
			return nil, &Error{Packet: len(records) + 1, Offset: int64(at), Err: err}
		}
		if packet {
			records = append(records, r)
		}
		at += int(size)
	}
	return records, nil
}
