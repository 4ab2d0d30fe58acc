// SPDX-License-Identifier: Apache-2.0

package testrun_test

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/link"
	"github.com/mizar-net/mizar/sim/wire"
)

const ms = time.Millisecond

// set makes the condition of a host.
func set(t *testing.T, w wire.Faulty, host string, c wire.Condition) {
	t.Helper()
	NewWithT(t).Expect(w.SetCondition(t.Context(), host, c)).To(Succeed())
}

// series runs traffic of a protocol from h1 to h3, one request each 10 ms, while
// something happens.
func series(t *testing.T, proto wire.Proto, while func(w wire.Wire, advance func(time.Duration))) wire.Series {
	t.Helper()
	g := NewWithT(t)
	w := network(t, sameSubnet)
	probe := wire.Probe{Proto: proto, From: "red/h1-a-10", To: address("10.0.0.11"), Port: 80}
	g.Expect(w.Start(t.Context(), wire.Traffic{Name: "t", Probe: probe, Every: 10 * ms})).To(Succeed())
	while(w, func(d time.Duration) { g.Expect(w.Advance(t.Context(), d)).To(Succeed()) })
	s, err := w.Stop(t.Context(), "t")
	g.Expect(err).NotTo(HaveOccurred())
	return s
}

func TestTrafficRunsWhileTimePasses(t *testing.T) {
	for _, proto := range []wire.Proto{wire.ICMP, wire.UDP, wire.TCP} {
		s := series(t, proto, func(_ wire.Wire, advance func(time.Duration)) { advance(100 * ms) })
		NewWithT(t).Expect(s).To(Equal(wire.Series{Sent: 11, Answered: 11, Gap: 10 * ms}), string(proto))
	}
}

func TestDelayIsThatOfTheLinks(t *testing.T) {
	g := NewWithT(t)
	s := series(t, wire.UDP, func(w wire.Wire, advance func(time.Duration)) {
		advance(15 * ms) // what comes now is learned
		set(t, w.(wire.Faulty), "h1", wire.Condition{Link: link.Link{In: link.Way{Delay: 3 * ms}, Out: link.Way{Delay: 4 * ms}}})
		advance(100 * ms)
	})
	g.Expect(s.Lost()).To(BeZero())
	g.Expect(s.Longest).To(Equal(7 * ms))
	g.Expect(s.Shortest).To(BeZero())
}

func TestABrokenLinkIsAGap(t *testing.T) {
	broken := func(w wire.Wire, advance func(time.Duration)) {
		advance(55 * ms)
		set(t, w.(wire.Faulty), "h3", wire.Condition{Link: link.Link{Down: true}})
		advance(100 * ms)
		set(t, w.(wire.Faulty), "h3", wire.Condition{})
		advance(400 * ms)
	}
	g := NewWithT(t)
	s := series(t, wire.ICMP, broken)
	g.Expect(s.Lost()).To(Equal(10))
	g.Expect(s.Gap).To(Equal(110 * ms))
	g.Expect(s.Survived(wire.ICMP)).To(BeTrue())

	s = series(t, wire.TCP, broken)
	g.Expect(s.Lost()).To(BeZero(), "sent again")
	g.Expect(s.Resent).To(Equal(1))
	g.Expect(s.Gap).To(Equal(210*ms), "until the segment of 60 ms is sent again")
	g.Expect(s.Survived(wire.TCP)).To(BeTrue())

	s = series(t, wire.TCP, func(w wire.Wire, advance func(time.Duration)) {
		advance(50 * ms)
		set(t, w.(wire.Faulty), "h3", wire.Condition{Dead: true})
		advance(100 * ms)
	})
	g.Expect(s.Survived(wire.TCP)).To(BeFalse())
	g.Expect(s.Lost()).To(BeNumerically(">", 5))
}

func TestWhatLinksLoseIsCounted(t *testing.T) {
	g := NewWithT(t)
	w := network(t, sameSubnet)
	probe := wire.Probe{Proto: wire.UDP, From: "red/h1-a-10", To: address("10.0.0.11"), Port: 80, Count: 20, Size: 400}
	lose := func(c wire.Condition) map[string]uint64 {
		set(t, w, "h3", c)
		before := must(w.Drops(t.Context()))["h3"]
		_, err := w.Probe(t.Context(), probe)
		g.Expect(err).NotTo(HaveOccurred())
		lost := map[string]uint64{}
		for reason, n := range must(w.Drops(t.Context()))["h3"] {
			if n > before[reason] {
				lost[reason] = n - before[reason]
			}
		}
		return lost
	}
	g.Expect(lose(wire.Condition{})).To(BeEmpty())
	g.Expect(lose(wire.Condition{Link: link.Link{Down: true}})).To(Equal(map[string]uint64{link.Down: 20}))
	g.Expect(lose(wire.Condition{Link: link.Link{MTU: 300}})).To(Equal(map[string]uint64{link.TooBig: 20}))
	some := lose(wire.Condition{Link: link.Link{In: link.Way{Loss: 50}}})
	g.Expect(some[link.Loss]).To(And(BeNumerically(">", 3), BeNumerically("<", 17)))
	g.Expect(must(w.Conditions(t.Context()))["h3"].String()).To(Equal("link loss 50% in"))
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestAHostThatIsBehindKeepsItsState(t *testing.T) {
	g := NewWithT(t)
	w := network(t, sameSubnet)
	set(t, w, "h3", wire.Condition{Agent: wire.Paused})
	more := plan{append([]string{"red/h3-a-40"}, sameSubnet.endpoints...)}
	g.Expect(w.Apply(t.Context(), more.states())).To(Succeed())
	probe := wire.Probe{Proto: wire.UDP, From: "red/h3-a-40", To: address("10.0.0.10"), Port: 80}
	o, err := w.Probe(t.Context(), probe)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(o.Requests[0].Reason).To(Equal(link.NoPort))
	set(t, w, "h3", wire.Condition{})
	o, err = w.Probe(t.Context(), probe)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(o.Requests[0].Delivered).To(BeTrue(), "it has caught up")

	set(t, w, "h3", wire.Condition{Agent: wire.Paused})
	g.Expect(w.Apply(t.Context(), sameSubnet.states())).To(Succeed())
	there := probe
	there.From, there.To = "red/h1-a-10", address("10.0.0.40")
	o, err = w.Probe(t.Context(), there)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(o.Requests[0].Delivered).To(BeFalse())
	g.Expect(o.Requests[0].Reason).To(Equal(link.NoPort), "h3 delivers to a port that is gone")
	g.Expect(w.Apply(t.Context(), more.states())).To(Succeed())

	set(t, w, "h3", wire.Condition{Dead: true})
	o, err = w.Probe(t.Context(), probe)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(o.Requests[0].Reason).To(Equal(link.Dead))
}

func TestOneClockIsStepped(t *testing.T) {
	g := NewWithT(t)
	w, made := fakes(t, nil)
	g.Expect(w.StepClock(t.Context(), "h2", 5*time.Second)).To(Succeed())
	g.Expect(made["h2"].now - made["h1"].now).To(Equal(5 * time.Second))
	g.Expect(w.Advance(t.Context(), time.Second)).To(Succeed())
	g.Expect(made["h2"].now-made["h1"].now).To(Equal(5*time.Second), "for good")
	g.Expect(w.StepClock(t.Context(), "h2", -time.Second)).To(MatchError(ContainSubstring("never goes back")))
	g.Expect(w.StepClock(t.Context(), "h9", time.Second)).To(MatchError(ContainSubstring("no such host")))
	g.Expect(w.SetCondition(t.Context(), "h9", wire.Condition{})).To(MatchError(ContainSubstring("no such host")))
	_, err := w.Stop(t.Context(), "nothing")
	g.Expect(err).To(MatchError(ContainSubstring("none of that name")))
}

func TestAnEndpointMovesUnderItsTraffic(t *testing.T) {
	g := NewWithT(t)
	s := series(t, wire.TCP, func(w wire.Wire, advance func(time.Duration)) {
		advance(50 * ms)
		hosts := sameSubnet.states()
		from, to := &hosts[2], &hosts[1] // h3 and the bouncer h2
		var moved state.Endpoint
		for i, e := range from.Endpoints {
			if e.Addresses[0] == address("10.0.0.11") {
				moved = e
				from.Endpoints = append(from.Endpoints[:i:i], from.Endpoints[i+1:]...)
				break
			}
		}
		to.Endpoints = append(to.Endpoints, moved)
		for i := range to.Directory {
			if l := &to.Directory[i]; l.VNI == moved.VNI && (l.Address == moved.Addresses[0] || l.Address == moved.Addresses[1]) {
				l.Host = to.Name
			}
		}
		g.Expect(w.Apply(t.Context(), hosts)).To(Succeed())
		g.Expect(w.Forget(t.Context())).To(Succeed())
		advance(50 * ms)
	})
	g.Expect(s.Survived(wire.TCP)).To(BeTrue(), s.String())
}
