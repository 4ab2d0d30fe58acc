// SPDX-License-Identifier: Apache-2.0

package scenarios_test

import (
	"context"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/controlplane/compile"
	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/oracle"
	"github.com/mizar-net/mizar/sim/run"
	"github.com/mizar-net/mizar/sim/scenarios"
	"github.com/mizar-net/mizar/sim/wire"
	"github.com/mizar-net/mizar/sim/wire/testrun"
)

// planted runs the replays with states that were spoiled, and returns all
// failures of the first run, in a line each.
func planted(t *testing.T, spoil func(*state.Host)) []string {
	t.Helper()
	g := NewWithT(t)
	s, err := scenarios.Load("replay")
	g.Expect(err).NotTo(HaveOccurred())
	s.Families = s.Families[:1]
	var pool testrun.Pool
	defer func() { g.Expect(pool.Close()).To(Succeed()) }()
	r, err := run.Run(context.Background(), s, run.Config{
		Wires:  []run.Factory{{Name: "testrun", Open: func(context.Context) (wire.Wire, error) { return testrun.New(pool.Make), nil }}},
		Oracle: func() run.Oracle { return oracle.New() },
		Compile: func(view compile.View, set object.Set) []state.Host {
			hosts := view.Hosts(set)
			for i := range hosts {
				spoil(&hosts[i])
			}
			return hosts
		},
	})
	g.Expect(err).NotTo(HaveOccurred())
	var lines []string
	for _, step := range r.Runs[0].Steps {
		for _, c := range step.Checks {
			for _, f := range c.Failures {
				lines = append(lines, f.String())
			}
		}
	}
	return lines
}

// having are the lines that contain all parts.
func having(lines []string, parts ...string) []string {
	var out []string
	for _, l := range lines {
		found := true
		for _, p := range parts {
			found = found && strings.Contains(l, p)
		}
		if found {
			out = append(out, l)
		}
	}
	return out
}

func TestPlantedFaultsOfProgrammedHostsAreExplained(t *testing.T) {
	g := NewWithT(t)
	g.Expect(planted(t, func(*state.Host) {})).To(BeEmpty())

	lines := planted(t, func(h *state.Host) {
		for i := range h.Endpoints {
			if h.Endpoints[i].Name == "default/red-2" {
				h.Endpoints[i].MAC = state.MAC{2, 0x4d, 0x5a, 0, 0, 100}
			}
		}
	})
	all := len(lines)
	lines = having(lines, "endpoint:default/red-2: inner.eth.dst",
		"likely cause: it is the gateway's MAC of VPC red, in the place of the MAC of endpoint red-2")
	first := having(lines, "row: locals vni 100 ", "(stage local of the uplink program on h2, hit)")
	later := having(lines, "row: endpoints row ", "(stage flow of the uplink program on h2, hit)")
	g.Expect(first).NotTo(BeEmpty())
	g.Expect(later).NotTo(BeEmpty())
	g.Expect(len(first)+len(later)).To(Equal(all), "%s", lines)

	lines = planted(t, func(h *state.Host) { h.Directory = nil })
	g.Expect(having(lines, "at uplink:h3: ", "row: directory vni 100", "miss",
		"likely cause: refused where it was not: no_endpoint")).NotTo(BeEmpty(), "%s", lines)
}
