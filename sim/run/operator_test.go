// SPDX-License-Identifier: Apache-2.0

package run_test

import (
	"context"
	"slices"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/run"
	"github.com/mizar-net/mizar/sim/wire"
)

// witness is a wire that keeps all states that reached it.
type witness struct {
	*carrying
	all [][]state.Host
}

func (w *witness) Apply(ctx context.Context, hosts []state.Host) error {
	w.all = append(w.all, hosts)
	return w.network.Apply(ctx, hosts)
}

// witnessed are the states that a scenario's steps brought to a wire, over one
// underlay.
func witnessed(t *testing.T, steps string) [][]state.Host {
	t.Helper()
	g := NewWithT(t)
	w := &witness{carrying: newCarrying(wire.Series{})}
	c := setup(w.network, newNetwork("veth"))
	c.Wires = []run.Factory{{Name: "testrun", Open: func(context.Context) (wire.Wire, error) { return w, nil }}}
	s := load(t, steps)
	s.Families = s.Families[:1]
	_, err := run.Run(t.Context(), s, c)
	g.Expect(err).NotTo(HaveOccurred())
	return w.all
}

// generation is that of endpoint red-2, wherever it is.
func generation(hosts []state.Host) uint8 {
	for _, h := range hosts {
		for _, e := range h.Endpoints {
			if e.Name == "default/red-2" {
				return e.Generation
			}
		}
	}
	return 0
}

func TestAnEndpointThatMovesIsTheSameAndOneMadeAnewIsNot(t *testing.T) {
	g := NewWithT(t)
	const red2 = `{apiVersion: mizar.dev/v1alpha1, kind: Endpoint, metadata: {name: red-2}, spec: {subnet: red-a, host: h3, addresses: [10.0.0.3, "fd00::3"]}}`
	all := witnessed(t, `- change: {apply: [`+red2+`]}
- advance: 1m
- change: {delete: [Endpoint/red-2]}
- change: {apply: [`+red2+`]}
- change: {delete: [Endpoint/red-2], apply: [`+red2+`]}
`)
	var generations []uint8
	for _, states := range all {
		generations = append(generations, generation(states))
	}
	g.Expect(generations).To(HaveLen(5))
	g.Expect(generations[0]).NotTo(BeZero())
	g.Expect(generations[1]).To(Equal(generations[0]), "it moved")
	g.Expect(generations[2]).To(BeZero(), "it is deleted")
	g.Expect(generations[3:]).NotTo(ContainElement(generations[0]), "it was made anew")
	g.Expect(generations[4]).NotTo(Equal(generations[3]), "deleted and made anew in one step")
}

func TestRolesMoveStepByStep(t *testing.T) {
	g := NewWithT(t)
	all := witnessed(t, `- change: {apply: [{apiVersion: mizar.dev/v1alpha1, kind: Subnet, metadata: {name: red-a},
    spec: {vpc: red, cidrs: [10.0.0.0/24, "fd00::/64"], bouncers: {hosts: [h2]}}}]}
`)
	type step struct{ asked, holding []string }
	var steps []step
	for _, hosts := range all {
		var s step
		for _, h := range hosts {
			i := slices.IndexFunc(h.Subnets, func(n state.Subnet) bool { return n.Name == "red-a" })
			if i >= 0 && h.Name == "h1" {
				s.asked = h.Subnets[i].Bouncers
			}
			if i >= 0 && h.Subnets[i].Bouncer == state.Complete {
				s.holding = append(s.holding, h.Name)
			}
		}
		steps = append(steps, s)
	}
	g.Expect(steps).To(Equal([]step{
		{[]string{"h3"}, []string{"h3"}},
		{[]string{"h3"}, []string{"h2", "h3"}},
		{[]string{"h2"}, []string{"h2", "h3"}},
		{[]string{"h2"}, []string{"h2"}},
	}))
}

// bouncers are the hosts that h1 asks in each of some states, without repetitions.
func bouncers(all [][]state.Host) (asked [][]string) {
	for _, hosts := range all {
		for _, h := range hosts {
			i := slices.IndexFunc(h.Subnets, func(n state.Subnet) bool { return n.Name == "red-a" })
			if h.Name != "h1" || i < 0 {
				continue
			}
			if n := len(asked); n == 0 || !slices.Equal(asked[n-1], h.Subnets[i].Bouncers) {
				asked = append(asked, h.Subnets[i].Bouncers)
			}
		}
	}
	return asked
}

func TestTheRolesOfADeadHostGoElsewhereAndComeBack(t *testing.T) {
	g := NewWithT(t)
	two := "- roles: {subnet: red-a, hosts: [h2, h3], count: 2}\n- host: {name: h3, state: dead}\n"
	g.Expect(bouncers(witnessed(t, two+"- wait: 1s\n"))).To(Equal([][]string{{"h3"}, {"h2", "h3"}}), "hosts know first, and ask somebody else")
	g.Expect(bouncers(witnessed(t, two+"- wait: 2s\n"))).To(Equal([][]string{{"h3"}, {"h2", "h3"}, {"h2"}}))
	g.Expect(bouncers(witnessed(t, two+"- wait: 2s\n- host: {name: h3, state: alive}\n- wait: 1s\n"))).
		To(Equal([][]string{{"h3"}, {"h2", "h3"}, {"h2"}, {"h2", "h3"}}))
}

func TestRolesWaitForAPausedAgent(t *testing.T) {
	g := NewWithT(t)
	paused := "- agent: {host: h2, state: paused}\n- roles: {subnet: red-a, hosts: [h2]}\n"
	g.Expect(bouncers(witnessed(t, paused+"- wait: 3s\n"))).To(Equal([][]string{{"h3"}}), "h2 does not hold the directory")
	g.Expect(bouncers(witnessed(t, paused+"- agent: {host: h2, state: running}\n"))).To(Equal([][]string{{"h3"}, {"h2"}}))
}
