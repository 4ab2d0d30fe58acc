// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"fmt"
	"net/netip"

	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/frame"
)

// How much of a packet an ICMP error quotes: what makes 576 bytes of IPv4, and
// 1280 of IPv6, with the headers.
const (
	quote4 = 548
	quote6 = 1232
)

// ReadRefusal reads the ICMP error that came out at an endpoint's port, as
// [ReadError] does. sent is the frame that must be quoted.
func ReadRefusal(got, sent []byte, gateways []netip.Addr) (*Refusal, error) {
	was, err := frame.Decode(sent)
	if err != nil {
		return nil, fmt.Errorf("read the packet that an ICMP error is about: %w", err)
	}
	r, err := ReadError(got, was.Inner.SrcMAC, was.Inner.Src, gateways)
	if err != nil {
		return nil, err
	}
	p, _ := frame.Decode(got) // ReadError has read it
	most := quote4
	if p.Inner.Src.Is6() {
		most = quote6
	}
	if err := p.Inner.Error.Quotes(sent, most); err != nil {
		return nil, fmt.Errorf("ICMP error (%s): %w", p, err)
	}
	return r, nil
}

// ReadError reads an ICMP error. It fails when that is none, or not as the overlay
// says errors to an endpoint: right checksums, from one of the gateways, TTL 64,
// TOS 0xc0 (IPv6: 0), not to be cut.
func ReadError(got []byte, mac state.MAC, to netip.Addr, gateways []netip.Addr) (*Refusal, error) {
	if err := frame.VerifyChecksums(got); err != nil {
		return nil, fmt.Errorf("read an ICMP error: %w", err)
	}
	p, err := frame.Decode(got)
	if err != nil {
		return nil, fmt.Errorf("read an ICMP error: %w", err)
	}
	y := p.Inner
	switch {
	case y.DstMAC != mac:
		err = fmt.Errorf("it goes to MAC %s, want %s", y.DstMAC, mac)
	case y.Dst != to:
		err = fmt.Errorf("it is to %s, want %s", y.Dst, to)
	default:
		err = honest(y, gateways)
	}
	if err != nil {
		return nil, fmt.Errorf("ICMP error (%s): %w", p, err)
	}
	return &Refusal{From: y.Src, Type: y.ICMPType, Code: y.ICMPCode, MTU: y.Error.MTU}, nil
}

// honest says what is wrong with the headers of an error.
func honest(y frame.Layer, gateways []netip.Addr) error {
	tos, four := uint8(0), y.Src.Is4()
	if four {
		tos = 0xc0
	}
	known := false
	for _, g := range gateways {
		known = known || g == y.Src
	}
	switch {
	case y.Error == nil:
		return fmt.Errorf("it is no error")
	case !known:
		return fmt.Errorf("it is from %s, want a gateway of %v", y.Src, gateways)
	case y.TTL != 64 || y.TOS != tos:
		return fmt.Errorf("its TTL is %d and its TOS %#x, want 64 and %#x", y.TTL, y.TOS, tos)
	case four && (!y.DF || y.IPID != 0):
		return fmt.Errorf("its id is %d and DF %t, want 0 and DF", y.IPID, y.DF)
	}
	return nil
}
