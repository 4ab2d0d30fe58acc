// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/sim/link"
	"github.com/mizar-net/mizar/sim/wire"
)

func first(t *testing.T, o *Oracle, from, to string) wire.Packet {
	t.Helper()
	return probe(t, o, wire.Probe{Proto: wire.UDP, From: from, To: netip.MustParseAddr(to), Port: 7}).Requests[0]
}

func TestBrokenLinksAndDeadHosts(t *testing.T) {
	g := NewWithT(t)
	o := knowing(t, objects(t, apart))
	g.Expect(first(t, o, "a1", "10.0.0.12").Delivered).To(BeTrue())
	g.Expect(o.SetCondition("h2", wire.Condition{Link: link.Link{Down: true}})).To(Succeed())
	p := first(t, o, "a1", "10.0.0.12")
	g.Expect([]string{p.Reason, p.Dropper, strings.Join(p.Hosts, " ")}).To(Equal([]string{link.Down, "h2", "h1 h2"}))
	g.Expect(o.SetCondition("h2", wire.Condition{})).To(Succeed())
	g.Expect(first(t, o, "a1", "10.0.0.12").Delivered).To(BeTrue())
	g.Expect(o.SetCondition("h1", wire.Condition{Dead: true})).To(Succeed())
	p = first(t, o, "a1", "10.0.0.12")
	g.Expect([]string{p.Reason, p.Dropper}).To(Equal([]string{link.Dead, "h1"}))
	p = first(t, o, "a2", "10.0.0.11")
	g.Expect([]string{p.Reason, p.Dropper}).To(Equal([]string{link.Down, "h1"}))
}

func TestAHostThatIsBehindSeesTheOldWorld(t *testing.T) {
	g := NewWithT(t)
	o := knowing(t, objects(t, apart))
	g.Expect(o.SetCondition("h3", wire.Condition{Agent: wire.Paused})).To(Succeed())
	moved := strings.Replace(apart, "Endpoint a2 {subnet: a, host: h2", "Endpoint a2 {subnet: a, host: h5", 1)
	g.Expect(o.Apply(objects(t, moved))).To(Succeed())
	p := first(t, o, "a1", "10.0.0.12")
	g.Expect(p.Delivered).To(BeFalse(), "the bouncer sends it where it was")
	g.Expect(p.Hosts).To(Equal([]string{"h1", "h3", "h2"}))
	g.Expect(o.SetCondition("h3", wire.Condition{})).To(Succeed())
	o.Forget()
	p = first(t, o, "a1", "10.0.0.12")
	g.Expect(p.Delivered).To(BeTrue())
	g.Expect(p.Hosts).To(Equal([]string{"h1", "h3", "h5"}))

	g.Expect(o.SetCondition("h5", wire.Condition{Agent: wire.Paused})).To(Succeed())
	g.Expect(o.Apply(objects(t, apart))).To(Succeed())
	g.Expect(first(t, o, "b5", "10.0.0.12").Reason).To(Equal(link.NoPort), "h5 delivers to a port that is gone")
	g.Expect(first(t, o, "a2", "10.0.0.11").Delivered).To(BeTrue())
	g.Expect(o.Apply(objects(t, moved))).To(Succeed())
}

func TestAQuestionGetsOldByTheClockOfItsHost(t *testing.T) {
	for ahead, hops := range map[time.Duration]int{0: 3, 2 * time.Second: 2} {
		g := NewWithT(t)
		o := knowing(t, objects(t, apart))
		g.Expect(o.SetCondition("h2", wire.Condition{Link: link.Link{Down: true}})).To(Succeed())
		g.Expect(first(t, o, "a1", "10.0.0.12").Delivered).To(BeFalse())
		g.Expect(o.SetCondition("h2", wire.Condition{})).To(Succeed())
		o.StepClock("h3", time.Hour)
		o.StepClock("h1", ahead)
		g.Expect(first(t, o, "a1", "10.0.0.12").Hops).To(Equal(hops), ahead.String())
	}
}

// A stack that has found its neighbour once cuts what is too long, also for a host that
// died meanwhile; one that finds none cuts nothing.
func TestAStackRemembersItsNeighbours(t *testing.T) {
	for _, knows := range []bool{false, true} {
		g := NewWithT(t)
		o := knowing(t, objects(t, guarded))
		ask := wire.Probe{Proto: wire.ICMP, From: "x/a1", To: netip.MustParseAddr(a2)}
		if knows {
			probe(t, o, ask)
		}
		g.Expect(o.SetCondition("h1", wire.Condition{Dead: true})).To(Succeed())
		ask.Size = 3000
		parts := probe(t, o, ask).Requests[0].Parts
		if !knows {
			g.Expect(parts).To(BeEmpty())
			continue
		}
		g.Expect(parts).To(HaveLen(3))
		g.Expect(o.Apply(objects(t, guarded))).To(Succeed())
		g.Expect(probe(t, o, ask).Requests[0].Parts).To(BeEmpty(), "what is there was looked for anew")
	}
}
