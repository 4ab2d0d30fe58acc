// SPDX-License-Identifier: Apache-2.0

package replay_test

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/frame"
	"github.com/mizar-net/mizar/sim/golden"
	"github.com/mizar-net/mizar/sim/replay"
)

var (
	macA, macB, gateway = state.MAC{2, 0, 0, 0, 0, 1}, state.MAC{2, 0, 0, 0, 0, 2}, state.MAC{2, 0x4d, 0x5a, 0, 0, 100}
	a4, b4, c4          = netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("10.0.0.3"), netip.MustParseAddr("10.96.0.77")
	a6, b6              = netip.MustParseAddr("fd00::2"), netip.MustParseAddr("fd00::3")
	host1, host2, host3 = netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("192.0.2.3")
)

func build(t testing.TB, s frame.Spec) []byte {
	t.Helper()
	b, err := frame.Build(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// base is a packet in a tunnel.
func base() frame.Spec {
	return frame.Spec{
		Kind: frame.TCP, SrcMAC: macA, DstMAC: gateway, Src: a4, Dst: b4, SrcPort: 40000, DstPort: 80, Seq: 0x11223344,
		TCPFlags: frame.ACK, TTL: 64, TOS: 0x28, Payload: []byte("GET /index.html HTTP/1.1\r\nHost: example.org\r\n\r\n"),
		Tunnel: &frame.Tunnel{
			SrcMAC: state.MAC{2, 0, 0, 0, 1, 1}, DstMAC: state.MAC{2, 0, 0, 0, 1, 2}, Src: host1, Dst: host2, VNI: 100, TOS: 0x28,
			Options: frame.Options{
				Identity: &frame.Identity{Identity: 5},
				Return:   &frame.Return{Limit: 4, Token: 0x01020304, Host: host1},
			},
		},
	}
}

func plain() frame.Spec {
	s := base()
	s.Tunnel = nil
	return s
}

// change is a frame of a spec with a change.
func change(t testing.TB, s frame.Spec, f func(*frame.Spec)) []byte {
	f(&s)
	return build(t, s)
}

// poke is a frame with other bytes at a field's place.
func poke(t testing.TB, b []byte, field string, value ...byte) []byte {
	t.Helper()
	place, ok := golden.PlaceOf(b, field)
	if !ok {
		t.Fatalf("no place of %s", field)
	}
	b = bytes.Clone(b)
	copy(b[place.Offset:], value)
	return b
}

// grow is a frame with bytes put in at a place, or (nil) n taken out; outer
// lengths follow.
func grow(b []byte, at int, more []byte, n int) []byte {
	out := append(bytes.Clone(b[:at]), more...)
	out = append(out, b[at+n:]...)
	delta := len(out) - len(b)
	for _, length := range []int{16, 38} {
		if length < at {
			binary.BigEndian.PutUint16(out[length:], uint16(int(binary.BigEndian.Uint16(b[length:]))+delta))
		}
	}
	return out
}

const checksumAt = 14 + 20 + 16 // of TCP in a plain frame

func TestCauses(t *testing.T) {
	names := map[string]string{
		gateway4: "the gateway of VPC red", "02:00:00:00:00:02": "endpoint red-2", "192.0.2.3": "host h3", "192.0.2.2": "host h2",
	}
	tunnelled, bare := build(t, base()), build(t, plain())
	// A translation of address and port: what comes out is right but for the
	// checksum of what went in.
	translated := change(t, plain(), func(s *frame.Spec) { s.Dst, s.DstPort = c4, 8080 })
	stale := func(want func(*frame.Spec)) []byte {
		b := bytes.Clone(translated)
		copy(b[checksumAt:], change(t, plain(), want)[checksumAt:checksumAt+2])
		return b
	}
	sum := func(b []byte, f func(uint16) uint16) []byte {
		b = bytes.Clone(b)
		binary.BigEndian.PutUint16(b[checksumAt:], f(binary.BigEndian.Uint16(b[checksumAt:])))
		return b
	}
	for name, c := range map[string]struct {
		golden, emitted, input []byte
		want                   string
	}{
		"address not folded in": {translated, stale(func(s *frame.Spec) { s.DstPort = 8080 }), bare,
			"off by exactly the change of inner.ip.dst (10.0.0.3 → 10.96.0.77): that was not folded into the checksum"},
		"port not folded in": {translated, stale(func(s *frame.Spec) { s.Dst = c4 }), bare,
			"off by exactly the change of inner.dport (80 → 8080)"},
		"neither folded in": {translated, stale(func(*frame.Spec) {}), bare,
			"inner.ip.dst (10.0.0.3 → 10.96.0.77) and inner.dport (80 → 8080)"},
		"TTL not folded in": {change(t, plain(), func(s *frame.Spec) { s.TTL = 63 }), poke(t, bare, "inner.ip.ttl", 63), bare,
			"off by exactly the change of inner.ip.ttl (64 → 63)"},
		"outer address not folded in": {tunnelled, poke(t, tunnelled, "outer.dst", 192, 0, 2, 3), nil,
			"host h3, in the place of host h2"},
		"checksum swapped":       {bare, sum(bare, func(n uint16) uint16 { return n<<8 | n>>8 }), bare, "bytes of the checksum are swapped"},
		"checksum complemented":  {bare, sum(bare, func(n uint16) uint16 { return ^n }), bare, "not complemented"},
		"checksum left zero":     {bare, sum(bare, func(uint16) uint16 { return 0 }), bare, "offload"},
		"pseudo-header only":     {bare, sum(bare, func(uint16) uint16 { return pseudo(bare) }), bare, "only the sum of the pseudo-header"},
		"pseudo-header left out": {bare, sum(bare, func(n uint16) uint16 { return plus(n, pseudo(bare)) }), bare, "pseudo-header was left out"},
		"outer UDP checksum": {tunnelled, grown(tunnelled, func(b []byte) { b[40] = 1 }), nil,
			"outer UDP checksum must be zero"},
		"16 bits swapped": {bare, poke(t, bare, "inner.dport", 80, 0), bare, "byte order: its 2 bytes"},
		"32 bits swapped": {tunnelled, poke(t, tunnelled, "geneve.return.token", 4, 3, 2, 1), nil, "byte order: its 4 bytes"},
		"halves swapped":  {tunnelled, poke(t, tunnelled, "geneve.return.token", 3, 4, 1, 2), nil, "two 16-bit halves"},
		"halves' bytes":   {tunnelled, poke(t, tunnelled, "geneve.return.token", 2, 1, 4, 3), nil, "bytes of both 16-bit halves"},
		"address swapped": {tunnelled, poke(t, tunnelled, "inner.ip.dst", 3, 0, 0, 10), nil, "byte order: its 4 bytes"},
		"VNI shifted":     {tunnelled, poke(t, tunnelled, "geneve.vni", 0, 100, 0), nil, "VNI shifted by 8"},
		"VNI shifted down": {change(t, base(), func(s *frame.Spec) { s.Tunnel.VNI = 0x123456 }),
			change(t, base(), func(s *frame.Spec) { s.Tunnel.VNI = 0x1234 }), nil, "VNI shifted by 8"},
		"VNI swapped": {tunnelled, poke(t, tunnelled, "geneve.vni", 100, 0, 0), nil, "VNI's 3 bytes are swapped"},
		"TTL not decremented": {change(t, base(), func(s *frame.Spec) { s.TTL = 63 }), tunnelled, bare,
			"TTL not decremented"},
		"TTL decremented twice": {change(t, base(), func(s *frame.Spec) { s.TTL = 63 }), change(t, base(), func(s *frame.Spec) { s.TTL = 62 }), bare,
			"decremented twice"},
		"TTL decremented in its subnet": {tunnelled, change(t, base(), func(s *frame.Spec) { s.TTL = 63 }), bare,
			"stays in its subnet"},
		"gateway's MAC": {change(t, plain(), func(s *frame.Spec) { s.DstMAC = macB }), bare, nil,
			"it is the gateway of VPC red, in the place of endpoint red-2"},
		"bouncer instead of host": {tunnelled, change(t, base(), func(s *frame.Spec) { s.Tunnel.Dst = host3 }), nil,
			"it is host h3, in the place of host h2"},
		"MACs swapped": {bare, change(t, plain(), func(s *frame.Spec) { s.SrcMAC, s.DstMAC = s.DstMAC, s.SrcMAC }), nil,
			"swapped: inner.eth.src and inner.eth.dst"},
		"addresses swapped": {bare, change(t, plain(), func(s *frame.Spec) { s.Src, s.Dst = s.Dst, s.Src }), nil,
			"swapped: inner.ip.src and inner.ip.dst"},
		"source in destination": {bare, change(t, plain(), func(s *frame.Spec) { s.Dst = s.Src }), nil,
			"inner.ip.dst holds what belongs into inner.ip.src"},
		"entropy of three fields": {tunnelled, change(t, base(), func(s *frame.Spec) {
			s.Tunnel.SrcPort = frame.OuterPort(frame.Layer{Src: a4, Dst: b4, Proto: 6})
		}), nil, "leaves the inner ports out"},
		"entropy before translation": {change(t, base(), func(s *frame.Spec) { s.Dst = c4 }), change(t, base(), func(s *frame.Spec) {
			s.Dst, s.Tunnel.SrcPort = c4, frame.OuterPort(frame.Layer{Src: a4, Dst: b4, Proto: 6, SrcPort: 40000, DstPort: 80})
		}), bare, "before its translation"},
		"no entropy": {tunnelled, change(t, base(), func(s *frame.Spec) { s.Tunnel.SrcPort = 6081 }), nil, "no entropy"},
		"TOS not carried": {tunnelled, change(t, base(), func(s *frame.Spec) { s.Tunnel.TOS = 0 }), nil,
			"DSCP and ECN of the inner packet were not carried"},
		"4 bytes more in the header": {tunnelled, grow(tunnelled, 50, []byte{9, 8, 7, 6}, 0), nil, "4 bytes later"},
		"8 bytes less in the header": {tunnelled, grow(tunnelled, 50, nil, 8), nil, "8 bytes earlier"},
		"value 4 bytes later": {tunnelled, poke(t, tunnelled, "inner.tcp.seq", 9, 9, 9, 9, 0x11, 0x22, 0x33, 0x44), nil,
			"its value stands 4 bytes later"},
		"truncated":  {bare, cut(bare, 10), bare, "truncated: the last 10 bytes are missing"},
		"cut to MTU": {big(t, 1600), cut(big(t, 1600), 1600+54-1514), nil, "ends at an MTU of 1500"},
		"cut on the way": {bare, bare[:len(bare)-10], bare,
			"truncated: the last 10 bytes are missing, and its length fields still say the old length"},
		"padded":          {bare, append(bytes.Clone(bare), 0, 0, 0, 0), bare, "padding: 4 bytes more"},
		"padding is gone": {append(bytes.Clone(bare), 0, 0, 0, 0), bare, bare, "padding: 4 bytes behind the packet are missing"},
		"not rewritten": {change(t, plain(), func(s *frame.Spec) { s.Dst = c4 }), bare, bare,
			"no program has rewritten it"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			list, err := golden.Compare([]golden.Frame{{Port: "p", Bytes: c.golden}}, []golden.Frame{{Port: "p", Bytes: c.emitted}})
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(list).To(HaveLen(1))
			d := list[0]
			g.Expect(replay.Cause(replay.Evidence{
				Field: d.Field, Want: d.Want, Got: d.Got, Golden: c.golden, Emitted: c.emitted, Input: c.input, Names: names,
			})).To(ContainSubstring(c.want), "%s", d)
		})
	}
}

const gateway4 = "02:4d:5a:00:00:64"

// big is a datagram of n bytes of payload.
func big(t testing.TB, n int) []byte {
	return build(t, frame.Spec{Kind: frame.TCP, Src: a4, Dst: b4, Payload: bytes.Repeat([]byte("0123456789"), n/10)})
}

// cut shortens a plain frame and its IP length.
func cut(b []byte, n int) []byte {
	b = bytes.Clone(b[:len(b)-n])
	binary.BigEndian.PutUint16(b[16:], uint16(len(b)-14))
	return b
}

func grown(b []byte, f func([]byte)) []byte {
	b = bytes.Clone(b)
	f(b)
	return b
}

// pseudo is the sum of a plain IPv4 frame's pseudo-header.
func pseudo(b []byte) uint16 {
	s := uint16(6)
	for at := 26; at < 34; at += 2 {
		s = plus(s, binary.BigEndian.Uint16(b[at:]))
	}
	return plus(s, uint16(len(b)-34))
}

// plus adds in one's complement.
func plus(a, b uint16) uint16 {
	s := uint32(a) + uint32(b)
	return uint16(s&0xffff + s>>16)
}

func TestCausesOfIPv6Checksums(t *testing.T) {
	g := NewWithT(t)
	s := frame.Spec{Kind: frame.Echo, Src: a6, Dst: b6, ID: 7, ICMPSeq: 1}
	input := build(t, s)
	s.Dst = netip.MustParseAddr("fd00::beef")
	want := build(t, s)
	stale := bytes.Clone(want)
	copy(stale[14+40+2:], input[14+40+2:14+40+4])
	g.Expect(replay.Cause(replay.Evidence{Field: "checksum", Golden: want, Emitted: stale, Input: input})).To(
		ContainSubstring("change of inner.ip.dst (fd00::3 → fd00::beef)"))
}

func TestNothingIsGuessedWithoutEvidence(t *testing.T) {
	g := NewWithT(t)
	for _, field := range golden.Fields() {
		g.Expect(replay.Cause(replay.Evidence{Field: field, Want: "4711", Got: "815"})).To(BeEmpty(), field)
	}
	tunnelled := build(t, base())
	other := change(t, base(), func(s *frame.Spec) { s.Seq = 77 })
	g.Expect(replay.Cause(replay.Evidence{Field: "inner.tcp.seq", Want: "287454020", Got: "77", Golden: tunnelled, Emitted: other})).To(BeEmpty())
}
