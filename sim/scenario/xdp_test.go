// SPDX-License-Identifier: Apache-2.0

package scenario_test

import (
	"testing"
	"testing/fstest"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/scenario"
)

// in is a scenario over both families with a topology.xdp.
func in(t *testing.T, xdp string) *scenario.Scenario {
	t.Helper()
	text := `title: modes
wires: [veth]
topology:
  underlay: {families: [4, 6]}
` + xdp + `
  hosts: {h1: {addresses: [192.0.2.1, "2001:db8::1"]}, h2: {addresses: [192.0.2.2, "2001:db8::2"], xdp: auto}}
  vpcs: {red: {vni: 100}}
  subnets: {red-a: {vpc: red, cidrs: [10.0.0.0/24]}}
  endpoints: {red-1: {subnet: red-a, host: h1, addresses: [10.0.0.2]}}
steps: [{assert: {xdp: asked}}]
`
	s, err := scenario.Decode(fstest.MapFS{}, "modes.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestVariantsHaveOneCombinationOfModes(t *testing.T) {
	g := NewWithT(t)
	told := func(xdp string) []string {
		var all []string
		for _, v := range in(t, xdp).Variants() {
			g.Expect(v.Families).To(HaveLen(1))
			g.Expect(v.Objects.Hosts[0].Addresses).To(HaveLen(1))
			g.Expect(v.Objects.Hosts[1].XDP).To(Equal(state.Auto), "its own")
			m := scenario.Modes{Uplinks: v.Objects.Hosts[0].XDP, Endpoints: v.Objects.Endpoints[0].XDP}
			if len(v.Modes) > 0 {
				g.Expect(v.Modes).To(Equal([]scenario.Modes{m}))
			}
			all = append(all, m.String())
		}
		return all
	}
	twice := func(all ...string) []string { return append(all, all...) }
	g.Expect(told("")).To(Equal(twice("")))
	g.Expect(told("  xdp: generic")).To(Equal(twice("generic")))
	g.Expect(told("  xdp: [native, auto]")).To(Equal(twice("native", "auto")))
	g.Expect(told("  xdp: {uplinks: generic}")).To(Equal(twice("generic uplinks, native endpoints")))
	g.Expect(told("  xdp: {uplinks: [native, generic], endpoints: [native, generic]}")).To(Equal(twice(
		"native", "native uplinks, generic endpoints", "generic uplinks, native endpoints", "generic")))
	g.Expect(in(t, "  xdp: [generic, auto]").Standing().Hosts[0].XDP).To(Equal(state.Generic))
}

func TestGenerate(t *testing.T) {
	g := NewWithT(t)
	for _, size := range []scenario.Size{{Hosts: 1, Endpoints: 4}, {Hosts: 10, Endpoints: 100}, {Hosts: 50, Endpoints: 1000}} {
		s, err := scenario.Generate(size)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(s.Objects.Hosts).To(HaveLen(size.Hosts))
		g.Expect(s.Objects.Endpoints).To(HaveLen(size.Endpoints))
		again, err := scenario.Generate(size)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(again).To(Equal(s))
		behind := map[string]int{}
		for _, e := range s.Objects.Endpoints {
			behind[e.Host]++
		}
		g.Expect(behind).To(HaveLen(size.Hosts))
		g.Expect(behind).To(HaveEach(Equal(size.Endpoints / size.Hosts)))
	}
	_, err := scenario.Generate(scenario.Size{Hosts: 0, Endpoints: 100})
	g.Expect(err).To(MatchError(ContainSubstring("want 1 to 4000 hosts")))
}
