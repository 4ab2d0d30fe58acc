// SPDX-License-Identifier: Apache-2.0

package frame

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// Class is the Geneve option class that Mizar's options are in.
const Class uint16 = 0xff4d

// The types of Mizar's Geneve options.
const (
	OptionIdentity uint8 = 1
	OptionReturn   uint8 = 2
	OptionSendBack uint8 = 3
	OptionNotHere  uint8 = 4 | optionCritical
	OptionService  uint8 = 5
	OptionRefusal  uint8 = 6 | optionCritical

	optionCritical uint8 = 0x80
)

// Options are the options of a Geneve header; those that are absent are nil.
type Options struct {
	Identity *Identity
	Return   *Return
	SendBack *SendBack
	NotHere  *NotHere
	Service  *Service
	Refusal  *Refusal
	// Other are options of another class or type, or of an unexpected
	// length, and second ones of the kinds above.
	Other []Option
}

// Identity is the option that every packet carries first.
type Identity struct {
	// Identity of the source, 24 bits.
	Identity uint32
	// Generation of the destination, as the sender knows it.
	Generation uint8
}

// The flags of [Return].
const (
	// ReturnAnswer says that the option quotes the token it answers.
	ReturnAnswer uint8 = 0x01
	// ReturnSendBack asks for the packet back with the location.
	ReturnSendBack uint8 = 0x02
	// ReturnJudge asks even the destination's own host for that: the sender's has
	// yet to judge the packet.
	ReturnJudge uint8 = 0x04
)

// Return is return-to-sender: who the source host is.
type Return struct {
	Flags, Limit uint8
	// Generation of the inner source.
	Generation uint8
	Token      uint32
	Host       netip.Addr
}

// SendBack carries a resolved location from a bouncer to the source host.
type SendBack struct {
	// Identity of the destination, 24 bits, and its generation.
	Identity   uint32
	Generation uint8
	Token      uint32
	Host       netip.Addr
}

// NotHere tells the source host that its row is stale; the packet comes with it.
type NotHere struct{}

// Refusal tells the source host that a packet goes nowhere, and why; the packet
// comes with it.
type Refusal struct {
	// Reason is a drop reason's number.
	Reason uint8
	// MTU of the inner IP packet that would have fit; 0 when size is not why.
	MTU   uint16
	Token uint32
}

// Service carries the frontend for direct server return.
type Service struct {
	Port     uint16
	Proto    uint8
	Frontend netip.Addr
}

// Option is an option by its bytes.
type Option struct {
	Class uint16
	Type  uint8
	// Data is the option's body, a multiple of four bytes, at most 124.
	Data []byte
}

// Encode writes the options in the order identity, return-to-sender,
// send-back, not-here, refusal, service, others.
func (o Options) Encode() ([]byte, error) {
	var list []Option
	own := func(typ uint8, data []byte) { list = append(list, Option{Class, typ, data}) }
	if o.Identity != nil {
		own(OptionIdentity, identityWord(o.Identity.Identity, o.Identity.Generation))
	}
	if o.Return != nil {
		own(OptionReturn, o.Return.encode())
	}
	if o.SendBack != nil {
		own(OptionSendBack, o.SendBack.encode())
	}
	if o.NotHere != nil {
		own(OptionNotHere, o.NotHere.encode())
	}
	if o.Refusal != nil {
		own(OptionRefusal, o.Refusal.encode())
	}
	if o.Service != nil {
		own(OptionService, o.Service.encode())
	}
	var b []byte
	for _, option := range append(list, o.Other...) {
		if len(option.Data)%4 != 0 || len(option.Data) > 31*4 {
			return nil, fmt.Errorf("geneve option class %#04x type %d: %d bytes of data, want a multiple of 4 up to 124", option.Class, option.Type, len(option.Data))
		}
		b = binary.BigEndian.AppendUint16(b, option.Class)
		b = append(b, option.Type, uint8(len(option.Data)/4))
		b = append(b, option.Data...)
	}
	if len(b) > 63*4 {
		return nil, fmt.Errorf("geneve options: %d bytes, a header holds at most 252", len(b))
	}
	return b, nil
}

// critical says whether a receiver must understand one of the options.
func (o Options) critical() bool {
	if o.NotHere != nil || o.Refusal != nil {
		return true
	}
	for _, option := range o.Other {
		if option.Type&optionCritical != 0 {
			return true
		}
	}
	return false
}

func identityWord(identity uint32, generation uint8) []byte {
	return binary.BigEndian.AppendUint32(nil, identity<<8|uint32(generation))
}

func (o *Return) encode() []byte {
	b := []byte{o.Flags, o.Limit, o.Generation, 0}
	b = binary.BigEndian.AppendUint32(b, o.Token)
	return append(b, mapped(o.Host)...)
}

func (o *SendBack) encode() []byte {
	b := identityWord(o.Identity, o.Generation)
	b = binary.BigEndian.AppendUint32(b, o.Token)
	return append(b, mapped(o.Host)...)
}

func (o *NotHere) encode() []byte { return make([]byte, 24) }

func (o *Refusal) encode() []byte {
	b := binary.BigEndian.AppendUint16([]byte{o.Reason, 0}, o.MTU)
	b = binary.BigEndian.AppendUint32(b, o.Token)
	return append(b, make([]byte, 16)...)
}

func (o *Service) encode() []byte {
	b := binary.BigEndian.AppendUint16(nil, o.Port)
	b = append(b, o.Proto, 0, 0, 0, 0, 0)
	return append(b, mapped(o.Frontend)...)
}

// decodeOptions reads the options' part of a Geneve header.
func decodeOptions(b []byte) (Options, error) {
	var o Options
	for at := 0; at < len(b); {
		if len(b)-at < 4 {
			return o, fmt.Errorf("geneve option at byte %d: %d bytes left, want a head of 4", at, len(b)-at)
		}
		size := int(b[at+3]&0x1f) * 4
		if len(b)-at-4 < size {
			return o, fmt.Errorf("geneve option at byte %d: length %d, only %d bytes left", at, size, len(b)-at-4)
		}
		o.add(Option{binary.BigEndian.Uint16(b[at:]), b[at+2], b[at+4 : at+4+size]})
		at += 4 + size
	}
	return o, nil
}

func (o *Options) add(option Option) {
	d, known := option.Data, option.Class == Class
	switch {
	case known && option.Type == OptionIdentity && len(d) == 4 && o.Identity == nil:
		o.Identity = &Identity{number(d), d[3]}
	case known && option.Type == OptionReturn && len(d) == 24 && o.Return == nil:
		o.Return = &Return{d[0], d[1], d[2], binary.BigEndian.Uint32(d[4:]), unmapped(d[8:])}
	case known && option.Type == OptionSendBack && len(d) == 24 && o.SendBack == nil:
		o.SendBack = &SendBack{number(d), d[3], binary.BigEndian.Uint32(d[4:]), unmapped(d[8:])}
	case known && option.Type == OptionNotHere && len(d) == 24 && o.NotHere == nil:
		o.NotHere = &NotHere{}
	case known && option.Type == OptionRefusal && len(d) == 24 && o.Refusal == nil:
		o.Refusal = &Refusal{d[0], binary.BigEndian.Uint16(d[2:]), binary.BigEndian.Uint32(d[4:])}
	case known && option.Type == OptionService && len(d) == 24 && o.Service == nil:
		o.Service = &Service{binary.BigEndian.Uint16(d), d[2], unmapped(d[8:])}
	default:
		option.Data = append([]byte(nil), d...)
		o.Other = append(o.Other, option)
	}
}

func number(d []byte) uint32 { return binary.BigEndian.Uint32(d) >> 8 }

// mapped is an address in 16 bytes, IPv4 as ::ffff:a.b.c.d; none is all zeros.
func mapped(a netip.Addr) []byte {
	if !a.IsValid() {
		return make([]byte, 16)
	}
	b := a.As16()
	return b[:]
}

func unmapped(b []byte) netip.Addr { return netip.AddrFrom16([16]byte(b[:16])).Unmap() }
