// SPDX-License-Identifier: Apache-2.0

package frame_test

import (
	"net/netip"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/sim/frame"
)

// refused is a packet, and an ICMP error about it.
func refused(t *testing.T, from, to, gateway string, s frame.Spec, quote int) (sent, got []byte) {
	t.Helper()
	var err error
	sent, err = frame.Build(frame.Spec{
		Kind: frame.UDP, Src: netip.MustParseAddr(from), Dst: netip.MustParseAddr(to), SrcPort: 1, DstPort: 2, Payload: make([]byte, 2000),
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Kind, s.Src, s.Dst = frame.ErrorMessage, netip.MustParseAddr(gateway), netip.MustParseAddr(from)
	s.Payload = sent[14 : 14+quote]
	if got, err = frame.Build(s); err != nil {
		t.Fatal(err)
	}
	return sent, got
}

func TestICMPErrors(t *testing.T) {
	for _, c := range []struct {
		from, to, gateway string
		spec              frame.Spec
		quote             int
		says              string
	}{
		{"10.0.0.2", "10.0.0.9", "10.0.0.1", frame.Spec{Type: 3, Code: 4, MTU: 1414}, 548,
			"10.0.0.1 → 10.0.0.2 icmp unreachable code 4 mtu 1414 about (10.0.0.2 → 10.0.0.9 udp 1 → 2, 2000 bytes)"},
		{"10.0.0.2", "10.0.0.9", "10.0.0.1", frame.Spec{Type: 11, Code: 0}, 548,
			"10.0.0.1 → 10.0.0.2 icmp time-exceeded code 0 about (10.0.0.2 → 10.0.0.9 udp 1 → 2, 2000 bytes)"},
		{"fd00::2", "fd00::9", "fd00::1", frame.Spec{Type: 2, MTU: 1280}, 1232,
			"fd00::1 → fd00::2 icmpv6 too-big code 0 mtu 1280 about (fd00::2 → fd00::9 udp 1 → 2, 2000 bytes)"},
	} {
		g := NewWithT(t)
		sent, got := refused(t, c.from, c.to, c.gateway, c.spec, c.quote)
		g.Expect(frame.VerifyChecksums(got)).To(Succeed())
		p, err := frame.Decode(got)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(p.String()).To(Equal(c.says))
		g.Expect(p.Inner.Error.MTU).To(Equal(c.spec.MTU))
		g.Expect(p.Inner.Error.Quotes(sent, c.quote)).To(Succeed())
		g.Expect(p.Inner.Error.Quotes(sent, c.quote+4)).To(MatchError(ContainSubstring("bytes, want")))

		counted := append([]byte(nil), sent...)
		other := append([]byte(nil), sent...)
		other[14+60]++
		g.Expect(p.Inner.Error.Quotes(other, c.quote)).To(MatchError(ContainSubstring("another packet")))
		ttl := map[bool]int{true: 14 + 8, false: 14 + 7}[p.Inner.Src.Is4()]
		counted[ttl] += 2
		g.Expect(p.Inner.Error.Quotes(counted, c.quote)).To(HaveOccurred(), "two hops were counted")
	}
}

func TestAQuoteOfNearlyNothing(t *testing.T) {
	g := NewWithT(t)
	for quote := range 70 {
		_, got := refused(t, "10.0.0.2", "10.0.0.9", "10.0.0.1", frame.Spec{Type: 3, Code: 1}, quote)
		p, err := frame.Decode(got)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(p.String()).To(ContainSubstring("about"))
	}
}
