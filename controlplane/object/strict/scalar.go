// SPDX-License-Identifier: Apache-2.0

package strict

import (
	"fmt"
	"math"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Text reads a text that is not empty.
func (v Value) Text() string {
	v.shape.scalar(Scalar{Kind: TextScalar})
	return v.scalar("!!str", "a text")
}

// Written reads a text that is not empty, or a whole number as it is written:
// "0xfc".
func (v Value) Written() string {
	v.shape.scalar(Scalar{Kind: IntScalar, Low: math.MinInt, High: math.MaxInt})
	if v.Present() && v.node.Kind == yaml.ScalarNode && v.node.ShortTag() == "!!int" {
		return v.node.Value
	}
	return v.Text()
}

// IsText says that a text was written, and no number or anything else.
func (v Value) IsText() bool {
	return v.Present() && v.node.Kind == yaml.ScalarNode && v.node.ShortTag() == "!!str"
}

// AnyText reads a text that may be empty.
func (v Value) AnyText() string {
	v.shape.scalar(Scalar{Kind: AnyTextScalar})
	if v.Present() && v.node.Kind == yaml.ScalarNode && v.node.Value == "" && v.node.ShortTag() == "!!str" {
		return ""
	}
	return v.scalar("!!str", "a text")
}

// Enum reads one of a few texts.
func (v Value) Enum(allowed ...string) string {
	v.shape.scalar(Scalar{Kind: EnumScalar, Enum: allowed})
	want := "one of " + strings.Join(allowed, ", ")
	text := v.scalar("!!str", want)
	if text != "" && !slices.Contains(allowed, text) {
		v.Fail(want)
		return ""
	}
	return text
}

// Int reads a whole number from low to high.
func (v Value) Int(low, high int) int {
	v.shape.scalar(Scalar{Kind: IntScalar, Low: low, High: high})
	want := fmt.Sprintf("a whole number from %d to %d", low, high)
	text := v.scalar("!!int", want)
	if text == "" {
		return 0
	}
	number, err := strconv.ParseInt(strings.ReplaceAll(text, "_", ""), 0, 64)
	if err != nil || number < int64(low) || number > int64(high) {
		v.Fail(want)
		return 0
	}
	return int(number)
}

// Bool reads true or false.
func (v Value) Bool() bool {
	v.shape.scalar(Scalar{Kind: BoolScalar})
	return strings.EqualFold(v.scalar("!!bool", "true or false"), "true")
}

// Duration reads a length of time that is not negative: "250ms".
func (v Value) Duration() time.Duration {
	v.shape.scalar(Scalar{Kind: DurationScalar})
	const want = "a duration such as 250ms, 1s, 5m"
	text := v.scalar("!!str", want)
	if text == "" {
		return 0
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		v.Fail(want)
		return 0
	}
	return d
}

// Addr reads an IP address. IPv4 addresses in IPv6 form, and zones, are wrong.
func (v Value) Addr() netip.Addr {
	v.shape.scalar(Scalar{Kind: AddrScalar})
	const want = "an IPv4 or IPv6 address"
	text := v.scalar("!!str", want)
	if text == "" {
		return netip.Addr{}
	}
	addr, err := netip.ParseAddr(text)
	if err != nil || addr.Is4In6() || addr.Zone() != "" {
		v.Fail(want)
		return netip.Addr{}
	}
	return addr
}

// Prefix reads a prefix whose bits past its length are zero.
func (v Value) Prefix() netip.Prefix {
	v.shape.scalar(Scalar{Kind: PrefixScalar})
	const want = "an IPv4 or IPv6 prefix such as 10.0.0.0/24"
	text := v.scalar("!!str", want)
	if text == "" {
		return netip.Prefix{}
	}
	prefix, err := netip.ParsePrefix(text)
	if err != nil || prefix.Addr().Is4In6() {
		v.Fail(want)
		return netip.Prefix{}
	}
	if prefix != prefix.Masked() {
		v.Fail(fmt.Sprintf("a prefix without host bits, such as %s", prefix.Masked()))
		return netip.Prefix{}
	}
	return prefix
}

// MAC reads an Ethernet address, unicast or not, but not zero.
func (v Value) MAC() [6]byte {
	v.shape.scalar(Scalar{Kind: MACScalar})
	const want = "an Ethernet address such as 02:00:00:00:00:01"
	text := v.scalar("!!str", want)
	if text == "" {
		return [6]byte{}
	}
	mac, err := net.ParseMAC(text)
	if err != nil || len(mac) != 6 || [6]byte(mac) == [6]byte{} {
		v.Fail(want)
		return [6]byte{}
	}
	return [6]byte(mac)
}

// scalar returns what is written if its type is tag, else records an error and
// returns "".
func (v Value) scalar(tag, want string) string {
	if !v.Present() {
		return ""
	}
	if v.node.Kind != yaml.ScalarNode || v.node.ShortTag() != tag || v.node.Value == "" {
		if tag == "!!str" && v.node.Kind == yaml.ScalarNode && !v.null() && v.node.Value != "" {
			want += " (in quotes if it looks like something else)"
		}
		v.Fail(want)
		return ""
	}
	return v.node.Value
}
