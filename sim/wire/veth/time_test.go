// SPDX-License-Identifier: Apache-2.0

package veth_test

import (
	"slices"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/controlplane/compile"
	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/sim/link"
	"github.com/mizar-net/mizar/sim/wire"
	"github.com/mizar-net/mizar/sim/wire/testrun"
)

// Both wires lose the same of twenty datagrams, and count it.
func TestLinksLoseTheSameOnBothWires(t *testing.T) {
	g := NewWithT(t)
	probe := wire.Probe{Proto: wire.UDP, From: "default/a1", To: addr("10.0.0.3"), Port: 80, Count: 20}
	model := testrun.New(testrun.Load)
	defer model.Close()
	g.Expect(model.Apply(t.Context(), compile.Hosts(set()))).To(Succeed())
	var lost []map[string]uint64
	var which []string
	for _, w := range []wire.Wire{model, open(t, set())} {
		once := probe
		once.Count = 2
		must(w.Probe(t.Context(), once))
		faulty := w.(wire.Faulty)
		faulty.Seed(4)
		g.Expect(faulty.SetCondition(t.Context(), "h2", wire.Condition{Link: link.Link{In: link.Way{Loss: 30}}})).To(Succeed())
		o := must(w.Probe(t.Context(), probe))
		text := ""
		for _, p := range o.Requests {
			text += map[bool]string{true: ".", false: "X"}[p.Delivered]
		}
		which, lost = append(which, text), append(lost, must(w.Drops(t.Context()))["h2"])
	}
	g.Expect(which[0]).To(ContainSubstring("X"))
	g.Expect(which[1]).To(Equal(which[0]))
	g.Expect(lost[1]).To(Equal(lost[0]))
	g.Expect(lost[0]).To(HaveKey(link.Loss))
}

// An endpoint moves to the bouncer's host, with a connection that stays, and back
// to a host whose agent is paused.
func TestAConnectionMovesWithItsEndpoint(t *testing.T) {
	g := NewWithT(t)
	w := open(t, set())
	probe := wire.Probe{Proto: wire.TCP, From: "default/b1", To: addr("fd10::3"), Port: 80}
	g.Expect(w.Start(t.Context(), wire.Traffic{Name: "t", Probe: probe, Every: 5 * time.Millisecond})).To(Succeed())
	g.Expect(w.Start(t.Context(), wire.Traffic{Name: "t", Probe: probe, Every: time.Second})).NotTo(Succeed(), "it runs already")
	moved := set()
	i := slices.IndexFunc(moved.Endpoints, func(e object.Endpoint) bool { return e.Key() == "default/a2" })
	moved.Endpoints[i].Host = "h3"
	g.Expect(w.Apply(t.Context(), compile.Hosts(moved))).To(Succeed())
	g.Expect(w.Forget(t.Context())).To(Succeed())
	g.Expect(w.Advance(t.Context(), 50*time.Millisecond)).To(Succeed())
	s, err := w.Stop(t.Context(), "t")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(s.Survived(wire.TCP)).To(BeTrue(), s.String())
	g.Expect(s.Sent).To(BeNumerically(">", 10))

	g.Expect(w.SetCondition(t.Context(), "h2", wire.Condition{Agent: wire.Paused})).To(Succeed())
	g.Expect(w.Apply(t.Context(), compile.Hosts(set()))).To(Succeed())
	back := wire.Probe{Proto: wire.UDP, From: "default/a2", To: addr("fd10::2"), Port: 80}
	g.Expect(must(w.Probe(t.Context(), back)).Requests[0].Reason).To(Equal(link.NoPort))
	g.Expect(w.SetCondition(t.Context(), "h2", wire.Condition{})).To(Succeed())
	g.Expect(must(w.Probe(t.Context(), back)).Requests[0].Delivered).To(BeTrue())
}

func TestADeadHostComesBackAsItWas(t *testing.T) {
	g := NewWithT(t)
	w := open(t, set())
	probe := func(from, to string) wire.Packet {
		return must(w.Probe(t.Context(), wire.Probe{Proto: wire.UDP, From: from, To: addr(to), Port: 80})).Requests[0]
	}
	g.Expect(probe("default/a1", "10.0.0.3").Delivered).To(BeTrue())
	g.Expect(w.SetCondition(t.Context(), "h2", wire.Condition{Dead: true})).To(Succeed())
	g.Expect(probe("default/a2", "10.0.0.2").Reason).To(Equal(link.Dead))
	there := probe("default/a1", "10.0.0.3")
	g.Expect([]string{there.Reason, there.Dropper}).To(Equal([]string{link.Down, "h2"}))
	g.Expect(must(w.Conditions(t.Context()))["h2"]).To(Equal(wire.Condition{Dead: true}))
	g.Expect(w.SetCondition(t.Context(), "h2", wire.Condition{})).To(Succeed())
	for _, to := range []string{"10.0.0.3", "fd10::3"} {
		g.Expect(probe("default/a1", to).Delivered).To(BeTrue(), to)
	}
	g.Expect(w.SetCondition(t.Context(), "h9", wire.Condition{})).To(MatchError(ContainSubstring("no such host")))
}
