// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/gopacket/gopacket/pcapgo"
)

// The options of an enhanced packet block that are looked into, by their codes
// (draft-ietf-opsawg-pcapng, 4.3).
const (
	optionComment = 1
	optionID      = 5
	optionVerdict = 7
)

// actions are the names of XDP's, by their numbers (linux/bpf.h, enum
// xdp_action).
var actions = []string{"aborted", "drop", "pass", "transmit", "redirect"}

// Actions are the names that a packet's Action can have.
func Actions() []string { return slices.Clone(actions) }

// option returns what reads the options of a packet into the record.
func (r *record) option(order binary.ByteOrder) func(uint16, []byte) error {
	return func(code uint16, value []byte) error {
		switch code {
		case optionComment:
			if r.comment == "" {
				r.comment = string(value)
			}
		case optionID:
			if err := want8(code, value); err != nil {
				return err
			}
			r.id = order.Uint64(value)
		case optionVerdict:
			return r.verdict(value, order)
		}
		return nil
	}
}

// verdict reads one verdict: a type, and for XDP the program's return value.
// Those of hardware and of TC are not ours.
func (r *record) verdict(value []byte, order binary.ByteOrder) error {
	if len(value) == 0 {
		return fmt.Errorf("verdict option: empty, want a type")
	}
	if pcapgo.NgEpbVerdictType(value[0]) != pcapgo.NgEpbVerdictTypeLinuxeBPFXDP {
		return nil
	}
	if len(value) != 9 {
		return fmt.Errorf("verdict option: %d bytes, want 9 for XDP", len(value))
	}
	number := order.Uint64(value[1:])
	if number >= uint64(len(actions)) {
		return fmt.Errorf("verdict option: XDP action %d, want %d at most", number, len(actions)-1)
	}
	r.action = actions[number]
	return nil
}

// notes are the options that a packet is written with.
func (p Packet) notes() (pcapgo.NgPacketOptions, error) {
	var o pcapgo.NgPacketOptions
	if p.Comment != "" {
		o.Comments = []string{p.Comment}
	}
	if p.ID != 0 {
		o.PacketID = &p.ID
	}
	if p.Action == "" {
		return o, nil
	}
	number := slices.Index(actions, p.Action)
	if number < 0 {
		return o, fmt.Errorf("XDP action %q: want one of %v", p.Action, actions)
	}
	o.Verdicts = []pcapgo.NgEpbVerdict{{
		Type: pcapgo.NgEpbVerdictTypeLinuxeBPFXDP,
		Data: binary.LittleEndian.AppendUint64(nil, uint64(number)),
	}}
	return o, nil
}
