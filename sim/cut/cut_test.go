// SPDX-License-Identifier: Apache-2.0

package cut

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/frame"
)

// A mended packet is one that says of itself how long it is, and its checksums of IP are
// right.
func TestMendedPacketsAreWhole(t *testing.T) {
	g := NewWithT(t)
	n, err := makeNetwork()
	g.Expect(err).NotTo(HaveOccurred())
	for _, family := range []int{4, 6} {
		for _, h := range headersOf(family) {
			for _, direction := range []state.Direction{state.Ingress, state.Egress} {
				c := packet{family: family, protocol: protocols[0], headers: h, direction: direction, peer: peers[1]}
				whole, around, needs, err := c.build(n.state)
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(needs).To(Equal(len(whole)-payload), "what is no payload are headers")
				left, ok := mend(whole[:len(whole)-4], around, family)
				g.Expect(ok).To(BeTrue())
				decoded, err := frame.Decode(left)
				g.Expect(err).NotTo(HaveOccurred(), "%s", c)
				g.Expect(decoded.Inner.DstPort).To(Equal(c.peer.port))
				if err := frame.VerifyChecksums(left); err != nil {
					g.Expect(err).To(MatchError(Not(ContainSubstring(".ip:"))), "%s", c)
				}
				_, ok = mend(whole[:around+20], around, family)
				g.Expect(ok).To(BeFalse(), "there is no whole header of IP to mend")
			}
		}
	}
}

// Without policy what is to be denied is let through, and with more of it what is to be
// accepted is not: both are told.
func TestWhatGetsAroundPolicyIsTold(t *testing.T) {
	g := NewWithT(t)
	open := func(h []state.Host) { h[0].Endpoints[0].Ingress = "" }
	shut := func(h []state.Host) {
		for i := range h[0].Policy.Sets {
			h[0].Policy.Sets[i].Prefixes = nil
		}
	}
	for says, change := range map[string]func([]state.Host){
		"the oracle accepts it: false": open,
		"the oracle accepts it: true":  shut,
	} {
		b, err := load(change)
		g.Expect(err).NotTo(HaveOccurred(), "root is needed")
		cuts, wrong, err := b.prove(6, protocols[0])
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(cuts).To(BeNumerically(">", 0))
		g.Expect(wrong).To(ContainSubstring(says))
		g.Expect(b.Close()).To(Succeed())
	}
}
