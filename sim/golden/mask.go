// SPDX-License-Identifier: Apache-2.0

package golden

import (
	"encoding/binary"
	"encoding/hex"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/mizar-net/mizar/sim/frame"
)

// kind is how the values of a field are written.
type kind int

const (
	kindNone kind = iota // no bits: yes or no, or a text
	kindNumber
	kindMAC
	kindAddress
	kindBytes
	kindFlags
)

// kindNames are what people should write for bits of a kind.
var kindNames = map[kind]string{
	kindNumber:  "a number, such as 0xfc",
	kindMAC:     "a MAC, such as ff:ff:ff:00:00:00",
	kindAddress: "an address, such as 255.255.255.0 or ffff:ffff::",
	kindBytes:   "bytes in hexadecimal, such as ffff00",
	kindFlags:   "TCP flags, such as SYN|ACK",
}

// unusual are the fields that are not numbers, by the ends of their names.
var unusual = []struct {
	kind kind
	ends []string
}{
	{kindMAC, []string{"eth.src", "eth.dst", ".mac", ".link-layer"}},
	{kindAddress, []string{".src", ".dst", ".ip", ".host", ".frontend", "nd.target"}},
	{kindBytes, []string{".payload", ".trailer", ".options"}},
	{kindFlags, []string{"tcp.flags"}},
	{kindNone, []string{
		"tunnel", "malformed", ".df", ".more", ".oam", ".critical", "geneve.identity", "geneve.return",
		"geneve.send-back", "geneve.not-here", "geneve.refusal", "geneve.service", "geneve.other", ".extensions", ".checksum",
		".router", ".solicited", ".override",
	}},
}

// kindOf is the kind of a field's values.
func kindOf(name string) kind {
	for _, u := range unusual {
		if slices.ContainsFunc(u.ends, func(end string) bool { return strings.HasSuffix(name, end) }) {
			if name == "geneve.identity.identity" {
				break
			}
			return u.kind
		}
	}
	return kindNumber
}

// parse reads a value as bytes; false when it is none of the kind.
func (k kind) parse(text string) ([]byte, bool) {
	switch k {
	case kindNumber:
		n, err := strconv.ParseUint(text, 0, 64)
		return binary.BigEndian.AppendUint64(nil, n), err == nil
	case kindMAC:
		m, err := net.ParseMAC(text)
		return m, err == nil && len(m) == 6
	case kindAddress:
		a, err := netip.ParseAddr(text)
		return a.AsSlice(), err == nil
	case kindBytes:
		b, err := hex.DecodeString(text)
		return b, err == nil && len(b) > 0
	case kindFlags:
		return parseFlags(text)
	}
	return nil, false
}

func parseFlags(text string) ([]byte, bool) {
	var all frame.TCPFlags
	for name := range strings.SplitSeq(text, "|") {
		found := false
		for bit := range 8 {
			if f := frame.TCPFlags(1 << bit); f.String() == name {
				all, found = all|f, true
			}
		}
		if !found {
			return nil, text == frame.TCPFlags(0).String()
		}
	}
	return []byte{byte(all)}, true
}

// masked says whether two values are equal in the bits of a mask. Values of
// another length than the mask are compared whole behind its end.
func masked(name, bits, want, got string) bool {
	if want == got {
		return true
	}
	k := kindOf(name)
	mask, _ := k.parse(bits)
	a, ok := k.parse(want)
	b, also := k.parse(got)
	if !ok || !also || len(a) != len(b) {
		return false
	}
	for i := range a {
		m := byte(0xff)
		if i < len(mask) {
			m = mask[i]
		}
		if (a[i]^b[i])&m != 0 {
			return false
		}
	}
	return true
}
