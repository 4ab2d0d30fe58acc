// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"context"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/bench/probe"
)

// TestEveryCaseGoesItsWay runs each case shortly: what becomes of every packet
// is what the case says, or Run fails.
func TestEveryCaseGoesItsWay(t *testing.T) {
	g := NewWithT(t)
	figures, err := Run(context.Background(), Cases(), Filter{Families: []int{4, 6}},
		Plan{Loads: 1, Rounds: 1, Sample: time.Millisecond})
	g.Expect(err).NotTo(HaveOccurred(), "root is needed")
	seen := map[string]bool{}
	for _, f := range figures {
		g.Expect(f.Loads).To(HaveLen(1), f.ID())
		g.Expect(f.Loads[0].Wrapper.P5).To(BeNumerically(">", 0), f.ID())
		seen[f.Name] = true
	}
	for _, c := range Cases() {
		g.Expect(seen).To(HaveKey(c.Name))
	}
}

// TestCasesThatGoAnotherWayAreRefused plants one mistake at a time.
func TestCasesThatGoAnotherWayAreRefused(t *testing.T) {
	plan := Plan{Loads: 1, Rounds: 1, Sample: time.Millisecond}
	filter := Filter{Names: []string{"endpoint/established"}, Families: []int{4}, Flows: []int{1}}
	for what, plant := range map[string]func(*Case){
		"want verdicts":   func(c *Case) { c.want.verdict = "deliver" },
		"want action":     func(c *Case) { c.want.action = 1 },
		"out of its":      func(c *Case) { c.want.frame = delivered },
		"a floor must":    func(c *Case) { c.Floor = "receive" },
		"no such program": func(c *Case) { c.Floor = "nothing" },
		"form":            func(c *Case) { c.Form = "punched-cards" },
	} {
		cases := Cases()
		for i := range cases {
			plant(&cases[i])
		}
		_, err := Run(context.Background(), cases, filter, plan)
		NewWithT(t).Expect(err).To(MatchError(ContainSubstring(what)))
	}
}

func TestFilter(t *testing.T) {
	g := NewWithT(t)
	c := Case{Name: "uplink/deliver", Flows: []int{1, probe.MaxFlows}}
	g.Expect(Filter{Names: []string{"uplink"}, Families: []int{6}}.keys(c)).To(Equal([]Key{{6, 1}, {6, probe.MaxFlows}}))
	g.Expect(Filter{Names: []string{"uplink/deliver"}, Families: []int{4}, Flows: []int{1}}.keys(c)).To(Equal([]Key{{4, 1}}))
	g.Expect(Filter{Names: []string{"up"}, Families: []int{4}}.keys(c)).To(BeEmpty())
}
