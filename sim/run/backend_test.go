// SPDX-License-Identifier: Apache-2.0

package run_test

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/sim/run"
	"github.com/mizar-net/mizar/sim/wire"
)

// served adds a service of two backends before some steps.
const served = `- change:
    apply:
    - {apiVersion: v1, kind: Service, metadata: {name: web, annotations: {mizar.dev/vpc: red}}, spec: {clusterIPs: [10.96.0.1, "fd96::1"], ports: [{name: http, port: 80, targetPort: 8080}]}}
    - apiVersion: discovery.k8s.io/v1
      kind: EndpointSlice
      metadata: {name: web-4, labels: {kubernetes.io/service-name: web}}
      addressType: IPv4
      endpoints: [{addresses: [10.0.0.3]}, {addresses: [10.0.0.4]}]
      ports: [{name: http, port: 8080}]
    - apiVersion: discovery.k8s.io/v1
      kind: EndpointSlice
      metadata: {name: web-6, labels: {kubernetes.io/service-name: web}}
      addressType: IPv6
      endpoints: [{addresses: ["fd00::3"]}]
      ports: [{name: http, port: 8080}]
`

func TestAServiceIsReachedByItsName(t *testing.T) {
	g := NewWithT(t)
	const probe = `- probe: {proto: tcp, from: red-1, to: Service/web, port: http, family: 4, flows: 4, count: 2}
  expect: {verdict: deliver, backends: 2}
`
	r := result(t, served+probe, nil)
	g.Expect(r.Status).To(Equal(run.Pass), "%+v", r.Runs[0].Steps)
	checks := r.Runs[0].Steps[1].Checks
	g.Expect(checks[0].Name).To(Equal("tcp red-1 → Service/web v4"))
	g.Expect(checks[0].Cell.Path).To(Equal("service"))

	r = result(t, served+probe, func(o *wire.Outcome) { o.Requests[1].To = "default/red-2" })
	g.Expect(r.Runs[0].Steps[1].Checks[1].Failures[0].String()).To(Equal("backends of one flow: veth got red-2, red-3, the scenario wants one"))
	r = result(t, served+probe, func(o *wire.Outcome) {
		for i := range o.Requests {
			o.Requests[i].To = "default/red-2"
		}
	})
	g.Expect(r.Runs[0].Steps[1].Checks[1].Failures[0].String()).To(Equal("backends: veth got 1 (red-2), the scenario wants 2"))
}

func TestAServiceIsReachedByItsAddress(t *testing.T) {
	g := NewWithT(t)
	r := result(t, served+`- probe: {proto: udp, from: red-1, to: 10.96.0.1, port: 80}
  expect: {verdict: drop, reason: no_endpoint}
- probe: {proto: tcp, from: red-1, to: "fd96::1", port: 80}
  expect: {verdict: deliver, backends: 1}
- table: {ports: [tcp/80, tcp/81], from: [red-1], to: [Service/web, 10.96.0.1], truth: {tcp/80: [".."], tcp/81: ["XX"]}}
- trace: {proto: tcp, from: red-1, to: Service/web}
`, nil)
	for _, step := range r.Runs[0].Steps[1:] {
		g.Expect(step.Status).To(Equal(run.Pass), "%+v", step)
	}
	r = result(t, served+"- probe: {proto: tcp, from: red-1, to: 10.96.0.1, port: 81}\n  expect: {verdict: deliver}\n", nil)
	g.Expect(r.Runs[0].Steps[1].Checks[0].Failures[0].Field).To(Equal("verdict"))
	_, err := run.Run(t.Context(), load(t, served+"- probe: {proto: tcp, from: red-3, to: Service/web, family: 6}\n  expect: {verdict: deliver}\n"), setup(newNetwork("testrun"), newNetwork("veth")))
	g.Expect(err).To(MatchError(ContainSubstring("from default/red-3 to Service/web: they have no address family in common")))
}
