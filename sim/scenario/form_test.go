// SPDX-License-Identifier: Apache-2.0

package scenario_test

import (
	"testing"
	"testing/fstest"

	. "github.com/onsi/gomega"

	objects "github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/scenario"
)

// formed is a scenario with lines of the topology, and three endpoints: one that
// says nothing, one with a form and one with a mode of its own.
func formed(lines, more string) (*scenario.Scenario, error) {
	return scenario.Decode(fstest.MapFS{}, "forms.yaml", []byte(`title: forms
topology:
`+lines+`
  hosts: {h1: {addresses: [192.0.2.1]}}
  vpcs: {red: {vni: 100}}
  subnets: {red-a: {vpc: red, cidrs: [10.0.0.0/24]}}
  endpoints:
    a: {subnet: red-a, host: h1, addresses: [10.0.0.2]`+more+`}
    b: {subnet: red-a, host: h1, addresses: [10.0.0.3], form: xdp}
    c: {subnet: red-a, host: h1, addresses: [10.0.0.4], xdp: generic}
steps: [{forget: true}]
`))
}

// told are the form and the mode of each endpoint, in each variant.
func told(s *scenario.Scenario) (all [][]string) {
	for _, v := range s.Variants() {
		var one []string
		for _, e := range v.Objects.Endpoints {
			one = append(one, string(e.Form)+"/"+string(e.XDP))
		}
		all = append(all, one)
	}
	return all
}

func TestVariantsHaveOneForm(t *testing.T) {
	g := NewWithT(t)
	read := func(lines string) *scenario.Scenario {
		s, err := formed(lines, "")
		g.Expect(err).NotTo(HaveOccurred())
		return s
	}
	plain, tcx := []string{"/", "xdp/", "/generic"}, []string{"tcx/", "xdp/", "/generic"}
	g.Expect(told(read(""))).To(Equal([][]string{plain}))
	g.Expect(told(read("  form: tcx"))).To(Equal([][]string{tcx}))
	g.Expect(told(read("  form: [xdp, tcx]"))).To(Equal([][]string{{"xdp/", "xdp/", "/generic"}, tcx}))
	g.Expect(told(read("").InForm(state.FormTCX))).To(Equal([][]string{tcx}))
	g.Expect(told(read("  form: xdp").InForm(state.FormTCX))).To(Equal([][]string{{"xdp/", "xdp/", "/generic"}}), "its own")
	// A port of the form tcx has no mode of XDP, so these two are one.
	g.Expect(told(read("  form: tcx\n  xdp: {endpoints: [native, generic]}"))).To(Equal([][]string{{"tcx/", "xdp/native", "/generic"}}))
	g.Expect(read("  form: [tcx, xdp]").Standing().Endpoints[0].Form).To(Equal(state.FormTCX))
}

// Uplinks that ask for a mode of XDP keep their form.
func TestUplinksGetAForm(t *testing.T) {
	g := NewWithT(t)
	s, err := formed("", "")
	g.Expect(err).NotTo(HaveOccurred())
	before := s.Objects.Hosts[0]
	s.Objects.Hosts = append(s.Objects.Hosts, objects.Host{XDP: state.Generic}, objects.Host{Form: state.FormXDP})
	var forms []state.Form
	for _, h := range s.WithUplinks(state.FormTCX).Objects.Hosts {
		forms = append(forms, h.Form)
	}
	g.Expect(forms[0]).To(Equal(state.FormTCX))
	g.Expect(forms[len(forms)-2:]).To(Equal([]state.Form{"", state.FormXDP}))
	g.Expect(s.Objects.Hosts[0]).To(Equal(before), "the scenario itself stays as it is")
}

func TestFormsThatMakeNoSenseAreRefused(t *testing.T) {
	for _, c := range []struct{ lines, more, want string }{
		{"  form: netkit", "", "one of xdp, tcx"},
		{"  form: [tcx, tcx]", "", "each form once"},
		{"", ", form: tcx, xdp: native", "a mode of XDP for a program of the form tcx"},
	} {
		_, err := formed(c.lines, c.more)
		NewWithT(t).Expect(err).To(MatchError(ContainSubstring(c.want)))
	}
}
