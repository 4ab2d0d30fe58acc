// SPDX-License-Identifier: Apache-2.0

package veth_test

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/sim/wire"
)

// Frames that fill the MTU go through, at 1500 and 9000 bytes, whole: TCP's
// segments and a datagram of exactly the endpoint's MTU.
func TestFramesOfFullSize(t *testing.T) {
	for _, mtu := range []int{1500, 9000} {
		g := NewWithT(t)
		s := set()
		for i := range s.Hosts {
			s.Hosts[i].MTU = mtu
		}
		w := open(t, s)
		const overhead = 40 + 8 + 8 + 8 + 14 + 28
		for to, header := range map[string]int{"10.0.0.3": 20 + 8, "fd10::3": 40 + 8} {
			for range 2 { // relayed, then direct
				out, err := w.Probe(t.Context(), wire.Probe{Proto: wire.UDP, From: "default/a1", To: addr(to), Port: 53, Size: mtu - overhead - header})
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(out.Replies).To(HaveLen(1))
				g.Expect(out.Replies[0].Delivered).To(BeTrue())
				for _, f := range out.Requests[0].Frames {
					g.Expect(len(f)).To(BeNumerically(">", mtu-overhead))
					g.Expect(len(f)).To(BeNumerically("<=", mtu+14))
				}
			}
			out, err := w.Probe(t.Context(), wire.Probe{Proto: wire.TCP, From: "default/a1", To: addr(to), Port: 80, Size: 200_000})
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(out.Replies[0].Delivered).To(BeTrue())
		}
	}
}
