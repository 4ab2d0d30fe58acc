// SPDX-License-Identifier: Apache-2.0

package link_test

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/sim/link"
)

const ms = time.Millisecond

// lost are the numbers of the frames of a thousand that a line loses.
func lost(n *link.Line, percent int) []int {
	var all []int
	for i := range 1000 {
		if _, why := n.Carry(link.Link{}, link.Way{Loss: percent}, 100, 0); why != "" {
			all = append(all, i)
		}
	}
	return all
}

func TestLossDependsOnSeedHostAndDirectionAlone(t *testing.T) {
	g := NewWithT(t)
	once := lost(link.NewLine(1, "h1", "in"), 20)
	g.Expect(len(once)).To(BeNumerically("~", 200, 40))
	g.Expect(lost(link.NewLine(1, "h1", "in"), 20)).To(Equal(once))
	for _, other := range []*link.Line{link.NewLine(2, "h1", "in"), link.NewLine(1, "h2", "in"), link.NewLine(1, "h1", "out")} {
		g.Expect(lost(other, 20)).NotTo(Equal(once))
	}
	g.Expect(lost(link.NewLine(1, "h1", "in"), 0)).To(BeEmpty())
	g.Expect(lost(link.NewLine(1, "h1", "in"), 100)).To(HaveLen(1000))
}

func TestDelayAndRate(t *testing.T) {
	g := NewWithT(t)
	n := link.NewLine(1, "h1", "in")
	carry := func(w link.Way, packet int, now time.Duration) time.Duration {
		at, why := n.Carry(link.Link{}, w, packet, now)
		g.Expect(why).To(BeEmpty())
		return at
	}
	g.Expect(carry(link.Way{}, 1500, 3*ms)).To(Equal(3 * ms))
	g.Expect(carry(link.Way{Delay: 5 * ms}, 1500, 3*ms)).To(Equal(8 * ms))
	slow := link.Way{Rate: 1000, Delay: ms} // 1000 bytes take 8 ms
	g.Expect(carry(slow, 1000, 0)).To(Equal(9 * ms))
	g.Expect(carry(slow, 1000, 2*ms)).To(Equal(17*ms), "behind the frame before")
	g.Expect(carry(slow, 1000, 100*ms)).To(Equal(109 * ms))
}

func TestWhatALinkDoesNotCarry(t *testing.T) {
	g := NewWithT(t)
	n := link.NewLine(1, "h1", "in")
	_, why := n.Carry(link.Link{Down: true}, link.Way{}, 100, 0)
	g.Expect(why).To(Equal(link.Down))
	_, why = n.Carry(link.Link{MTU: 1400}, link.Way{}, 1401, 0)
	g.Expect(why).To(Equal(link.TooBig))
	_, why = n.Carry(link.Link{MTU: 1400}, link.Way{}, 1400, 0)
	g.Expect(why).To(BeEmpty())
	tagged := make([]byte, 118)
	tagged[12] = 0x81
	g.Expect(link.PacketLength(tagged)).To(Equal(100))
	g.Expect(link.PacketLength(make([]byte, 114))).To(Equal(100))
}

func TestALinkInWords(t *testing.T) {
	g := NewWithT(t)
	g.Expect(link.Link{}.String()).To(Equal("perfect"))
	l := link.Link{Down: true, MTU: 1400, In: link.Way{Loss: 20, Delay: 5 * ms}, Out: link.Way{Rate: 64}}
	g.Expect(l.String()).To(Equal("down, MTU 1400, loss 20% in, delay 5ms in, 64 kbit/s out"))
}
