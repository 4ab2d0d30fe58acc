// SPDX-License-Identifier: Apache-2.0

package run_test

import (
	"context"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/sim/run"
	"github.com/mizar-net/mizar/sim/wire"
)

// carrying is a fake wire that says what it is told of traffic and faults.
type carrying struct {
	*network
	series wire.Series
	// deaf wires take no notice of conditions.
	deaf       bool
	conditions map[string]wire.Condition
}

func (c *carrying) Start(context.Context, wire.Traffic) error         { return nil }
func (c *carrying) Stop(context.Context, string) (wire.Series, error) { return c.series, nil }
func (c *carrying) Seed(int)                                          {}
func (c *carrying) Conditions(context.Context) (map[string]wire.Condition, error) {
	return c.conditions, nil
}

func (c *carrying) SetCondition(_ context.Context, host string, to wire.Condition) error {
	if !c.deaf {
		c.conditions[host] = to
	}
	return nil
}

func runOn(t *testing.T, c *carrying, steps string) run.Result {
	t.Helper()
	config := setup(newNetwork("testrun"), newNetwork("veth"))
	config.Wires = []run.Factory{{Name: "testrun", Open: func(context.Context) (wire.Wire, error) { return c, nil }}}
	r, err := run.Run(t.Context(), load(t, steps), config)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return r
}

func newCarrying(s wire.Series) *carrying {
	return &carrying{network: newNetwork("testrun"), series: s, conditions: map[string]wire.Condition{}}
}

func TestASeriesIsJudgedByItsBounds(t *testing.T) {
	const steps = `- traffic: {name: t, proto: tcp, from: red-1, to: red-2, family: 4}
- move: {endpoint: red-2, to: h3}
- stop: {traffic: t, survived: true, lost: {most: 2}, resent: {most: 3}, gap: {least: 10ms, most: 1s}, delay: {least: 5ms}}
`
	good := wire.Series{Sent: 10, Answered: 10, Resent: 3, Gap: time.Second, Shortest: 5 * time.Millisecond, Longest: time.Second}
	g := NewWithT(t)
	r := runOn(t, newCarrying(good), steps)
	g.Expect(r.Status).To(Equal(run.Pass), "%+v", r.Runs[0].Steps)
	c := r.Runs[0].Steps[2].Checks[0]
	g.Expect(c.Name).To(Equal("tcp red-1 → red-2 v4 across move"))
	g.Expect(c.Cell.String()).To(Equal("v4/tcp/two-hosts/same-subnet/direct/over-v4/move/testrun/deliver"))

	for want, spoil := range map[string]func(*wire.Series){
		"requests lost":            func(s *wire.Series) { s.Answered = 7 },
		"segments sent again":      func(s *wire.Series) { s.Resent = 4 },
		"longest gap":              func(s *wire.Series) { s.Gap++ },
		"shortest time to a reply": func(s *wire.Series) { s.Shortest-- },
		"series":                   func(s *wire.Series) { s.Wrong = "connection reset" },
	} {
		bad := good
		spoil(&bad)
		r := runOn(t, newCarrying(bad), steps)
		g.Expect(r.Runs[0].Steps[2].Checks[0].Failures).To(ContainElement(HaveField("Field", want)))
	}
}

func TestAFaultThatIsNotThereFails(t *testing.T) {
	const steps = "- link: {host: h2, state: down, loss: 20}\n- link: {host: h2, state: repaired}\n"
	g := NewWithT(t)
	wire := newCarrying(wire.Series{})
	r := runOn(t, wire, steps)
	g.Expect(r.Status).To(Equal(run.Pass))
	g.Expect(r.Runs[0].Steps[0].Checks).To(HaveLen(2), "down, and loss")
	wire.deaf = true
	r = runOn(t, wire, steps)
	g.Expect(r.Runs[0].Steps[0].Checks[0].Failures[0].String()).To(Equal(
		"condition: testrun got in order, the scenario wants link down, loss 20% in, loss 20% out"))
}

// A dead host is believed to be dead within a second, by those who hear nothing of
// it, and alive again after two heartbeats; a paused agent sends them, a killed one
// does not.
func TestHeartbeatsFollowConditions(t *testing.T) {
	g := NewWithT(t)
	r := runOn(t, newCarrying(wire.Series{}), `- host: {name: h2, state: dead}
- agent: {host: h1, state: paused}
- wait: 790ms
- assert: {down: {h1: none, h3: none}}
- wait: 210ms
- assert: {down: {h1: [h2], h2: [h1, h3], h3: [h2]}}
- host: {name: h2, state: alive}
- agent: {host: h1, state: killed}
- wait: 400ms
- assert: {down: {h3: none}}
- wait: 600ms
- assert: {down: {h2: [h1], h3: [h1]}}
- agent: {host: h1, state: running}
- link: {host: h1, delay: 100ms}
- wait: 700ms
- assert: {down: {h1: none, h2: none, h3: none}}
`)
	g.Expect(r.Status).To(Equal(run.Pass), "%+v", r.Runs[0].Steps)
	r = runOn(t, newCarrying(wire.Series{}), "- wait: 1s\n- assert: {down: {h1: [h2]}}\n")
	g.Expect(r.Status).To(Equal(run.Fail))
}

func TestAWireWithoutFaultsSaysSo(t *testing.T) {
	for want, steps := range map[string]string{
		"has no faults":                  "- link: {host: h2, state: down}\n",
		"carries none in the background": "- traffic: {name: t, proto: icmp, from: red-1, to: red-2}\n- stop: {traffic: t, survived: true}\n",
	} {
		_, err := run.Run(t.Context(), load(t, steps), setup(newNetwork("testrun"), newNetwork("veth")))
		NewWithT(t).Expect(err).To(MatchError(ContainSubstring(want)))
	}
}
