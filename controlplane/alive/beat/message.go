// SPDX-License-Identifier: Apache-2.0

package beat

import (
	"encoding/binary"
	"fmt"
)

// Kind is whether a message asks or answers.
type Kind uint8

// The kinds.
const (
	// Ask wants an answer that quotes it.
	Ask Kind = iota + 1
	// Answer is the heartbeat.
	Answer
)

// Message is one datagram between two hosts.
//
//	 0        4         5      6        7           8       16         24
//	+--------+---------+------+--------+-----------+-------+----------+------+
//	| "mzhb" | version | kind | length | reserved  | boot  | sequence | name |
//	+--------+---------+------+--------+-----------+-------+----------+------+
//
// Numbers are in network order; length is the name's. Version 1 is not
// authenticated; a later version appends a tag, and is refused by this one.
type Message struct {
	Kind Kind
	// Host is the name of the sender.
	Host string
	// Boot is a random number of the asking process, Sequence counts its
	// questions from 1. An answer quotes both.
	Boot, Sequence uint64
}

const (
	magic   = "mzhb"
	version = 1
	header  = 24
	maxName = 63
)

// Append writes the message behind b.
func (m Message) Append(b []byte) []byte {
	b = append(b, magic...)
	b = append(b, version, byte(m.Kind), byte(len(m.Host)), 0)
	b = binary.BigEndian.AppendUint64(b, m.Boot)
	b = binary.BigEndian.AppendUint64(b, m.Sequence)
	return append(b, m.Host...)
}

// Parse reads a message. The error says what of it is not as it must be.
func Parse(b []byte) (Message, error) {
	switch {
	case len(b) < header || string(b[:4]) != magic:
		return Message{}, fmt.Errorf("read a heartbeat of %d bytes: want one that begins with %q and %d bytes at least", len(b), magic, header)
	case b[4] != version:
		return Message{}, fmt.Errorf("read a heartbeat of version %d: want %d", b[4], version)
	case len(b) != header+int(b[6]) || b[6] == 0 || b[6] > maxName || b[7] != 0:
		return Message{}, fmt.Errorf("read a heartbeat of %d bytes with a name of %d: want %d and a name of 1 to %d, and nothing else", len(b), b[6], header, maxName)
	}
	m := Message{
		Kind: Kind(b[5]), Host: string(b[header:]),
		Boot: binary.BigEndian.Uint64(b[8:]), Sequence: binary.BigEndian.Uint64(b[16:]),
	}
	if m.Kind != Ask && m.Kind != Answer {
		return Message{}, fmt.Errorf("read a heartbeat of kind %d: want %d or %d", m.Kind, Ask, Answer)
	}
	return m, nil
}
