// SPDX-License-Identifier: Apache-2.0

package run_test

import (
	"context"
	"encoding/json"
	"testing"
	"testing/fstest"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/sim/run"
	"github.com/mizar-net/mizar/sim/scenario"
	"github.com/mizar-net/mizar/sim/wire"
)

const topology = `title: test
topology:
  underlay: {families: [4, 6]}
  hosts:
    h1: {addresses: [192.0.2.1, "2001:db8::1"]}
    h2: {addresses: [192.0.2.2, "2001:db8::2"]}
    h3: {addresses: [192.0.2.3, "2001:db8::3"]}
  vpcs: {red: {vni: 100, dividers: {hosts: [h3]}}, blue: {vni: 200, dividers: {hosts: [h3]}}}
  subnets:
    red-a: {vpc: red, cidrs: [10.0.0.0/24, "fd00::/64"], bouncers: {hosts: [h3]}}
    blue-a: {vpc: blue, cidrs: [10.0.0.0/24], bouncers: {hosts: [h3]}}
  endpoints:
    red-1: {subnet: red-a, host: h1, addresses: [10.0.0.2, "fd00::2"]}
    red-2: {subnet: red-a, host: h2, addresses: [10.0.0.3, "fd00::3"]}
    red-3: {subnet: red-a, host: h1, addresses: [10.0.0.4]}
    blue-2: {subnet: blue-a, host: h2, addresses: [10.0.0.3]}
    blue-9: {subnet: blue-a, host: h2, addresses: [10.0.0.9]}
steps:
`

func load(t *testing.T, steps string) *scenario.Scenario {
	t.Helper()
	files := fstest.MapFS{"test.yaml": {Data: []byte(topology + steps)}}
	s, err := scenario.Load(files, "test.yaml")
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return s
}

func result(t *testing.T, steps string, spoil func(*wire.Outcome)) run.Result {
	t.Helper()
	veth := newNetwork("veth")
	veth.spoil = spoil
	r, err := run.Run(context.Background(), load(t, steps), setup(newNetwork("testrun"), veth))
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return r
}

const twoHosts = `- name: two hosts
  rows: [A1, B1]
  probe: {proto: [icmp, tcp], from: red-1, to: red-2, count: 3, fresh: true}
  expect: {verdict: deliver, hops: [2, 1], replyHops: [1]}
`

func TestProbePassesInEveryCell(t *testing.T) {
	g := NewWithT(t)
	r := result(t, twoHosts, nil)
	g.Expect(r.Status).To(Equal(run.Pass))
	g.Expect(r.Runs).To(HaveLen(2))
	checks := r.Runs[1].Steps[0].Checks
	g.Expect(checks).To(HaveLen(2*2*3), "protocols × families × (two wires and their comparison)")
	g.Expect(checks[0].Cell.String()).To(Equal("v4/icmp/two-hosts/same-subnet/direct/over-v6/testrun/deliver"))
	g.Expect(checks[0].Seen).To(Equal("delivered, hops 2 1×2"))
	g.Expect(checks[2].Wire).To(Equal(run.BothWires))
	g.Expect(checks[2].Rows).To(Equal([]string{"A1", "B1", "J1"}))
	g.Expect(r.Evidence()).To(HaveLen(2 * 12))
	_, err := json.Marshal(r)
	g.Expect(err).NotTo(HaveOccurred())
}

func TestADifferenceNamesWhoSaidWhat(t *testing.T) {
	g := NewWithT(t)
	r := result(t, twoHosts, func(o *wire.Outcome) {
		o.Requests[1].Hosts, o.Requests[1].Hops = []string{"h1", "h3", "h2"}, 2
	})
	g.Expect(r.Status).To(Equal(run.Fail))
	checks := r.Runs[0].Steps[0].Checks
	g.Expect(checks[0].Failures).To(BeEmpty(), "testrun is right")
	g.Expect(checks[1].Failures[0].String()).To(Equal(
		"hops of the requests: veth got 2×2 1, the scenario wants 2 1×2"))
	g.Expect(checks[1].Failures[1].String()).To(Equal(
		"way of the requests: veth got 2 × h1 → h3 → h2, h1 → h2, the oracle wants h1 → h3 → h2, 2 × h1 → h2"))
	g.Expect(checks[2].Failures[0].Against).To(Equal("testrun"))
	all, failed := r.Count()
	g.Expect([]int{all, failed}).To(Equal([]int{24, 16}))
}

func TestLostRepliesAndWrongReasonsFail(t *testing.T) {
	g := NewWithT(t)
	r := result(t, twoHosts, func(o *wire.Outcome) { o.Replies = nil })
	g.Expect(r.Runs[0].Steps[0].Checks[1].Failures[0].Got).To(ContainSubstring("replies: none"))

	const nobody = `- probe: {proto: udp, from: red-1, to: 10.0.0.99}
  expect: {verdict: drop, reason: no_endpoint}
`
	g.Expect(result(t, nobody, nil).Status).To(Equal(run.Pass))
	r = result(t, nobody, func(o *wire.Outcome) { o.Requests[0].Reason = "" })
	g.Expect(r.Runs[0].Steps[0].Checks[1].Failures[0].String()).To(Equal(
		"verdict: veth got lost without a reason, the scenario wants all dropped (no_endpoint)"))
}

func TestTableCountsTheSameAddressElsewhereAsUnreached(t *testing.T) {
	g := NewWithT(t)
	r := result(t, `- table:
    proto: udp
    endpoints: [red-1, red-3, blue-2, blue-9]
    truth: ["-.XX", ".-XX", "XX-.", "XX.-"]
`, nil)
	g.Expect(r.Status).To(Equal(run.Pass), "%+v", r.Runs[0].Steps)
	g.Expect(r.Runs[0].Steps[0].Checks).To(HaveLen(12 * 3))
	r = result(t, "- table: {proto: udp, endpoints: [red-1, red-3], truth: [\"-X\", \".-\"]}\n", nil)
	g.Expect(r.Status).To(Equal(run.Fail))
}

func TestSendJudgesEachFrame(t *testing.T) {
	g := NewWithT(t)
	steps := `- send:
    at: red-1
    frames: [{kind: udp, to: red-2, srcMAC: red-2}, {kind: ns, target: "fd00::3", srcMAC: "02:00:00:00:00:09"}]
    answers: 0
  expect: {verdict: drop, reason: guard_mac}
- assert: {drops: {h1: {guard_mac: 3}}, underlayFrames: 0, only: true}
`
	r := result(t, steps, nil)
	g.Expect(r.Status).To(Equal(run.Pass), "%+v", r.Runs[0].Steps)
	g.Expect(r.Runs[0].Steps[0].Checks[6].Cell.String()).To(Equal("v6/nd/direct/over-v4/testrun/drop/guard_mac"))
	r = result(t, "- send: {at: red-1, frames: [{kind: arp-request, target: 10.0.0.3}]}\n  expect: {verdict: answer}\n", nil)
	g.Expect(r.Runs[0].Steps[0].Checks[0].Failures[0].Got).To(Equal("dropped by h1 (multicast)"))
}

func TestAssertCountsSinceTheLast(t *testing.T) {
	g := NewWithT(t)
	const probe = "- probe: {proto: udp, from: red-1, to: red-2, family: 4}\n  expect: {verdict: deliver}\n"
	r := result(t, probe+"- assert: {underlayFrames: 2}\n"+probe+"- assert: {underlayFrames: 1}\n- assert: {underlayFrames: 1}\n", nil)
	g.Expect(r.Runs[0].Steps[1].Status).To(Equal(run.Pass))
	g.Expect(r.Runs[0].Steps[3].Status).To(Equal(run.Pass))
	g.Expect(r.Runs[0].Steps[4].Checks[0].Failures[0].Got).To(Equal("0"))
}

func TestChangeForgetAndAdvance(t *testing.T) {
	g := NewWithT(t)
	r := result(t, twoHosts+`- forget: true
- advance: 2s
- change: {delete: [Endpoint/red-2]}
- probe: {proto: icmp, from: red-1, to: 10.0.0.3}
  expect: {verdict: drop}
`, nil)
	g.Expect(r.Status).To(Equal(run.Pass), "%+v", r.Runs[0].Steps)
}

func TestEveryWireIsClosed(t *testing.T) {
	g := NewWithT(t)
	testrun, veth := newNetwork("testrun"), newNetwork("veth")
	veth.broken = errBroken
	_, err := run.Run(context.Background(), load(t, twoHosts), setup(testrun, veth))
	g.Expect(err).To(MatchError(errBroken))
	g.Expect([]int{testrun.closed, veth.closed}).To(Equal([]int{1, 1}))
}

func TestACancelledRunStopsAndCloses(t *testing.T) {
	g := NewWithT(t)
	testrun, veth := newNetwork("testrun"), newNetwork("veth")
	config := setup(testrun, veth)
	ctx, cancel := context.WithCancel(context.Background())
	config.Notify = func(e run.Event) {
		if e.Kind == run.StepDone {
			cancel()
		}
	}
	_, err := run.Run(ctx, load(t, twoHosts+"- forget: true\n"), config)
	g.Expect(err).To(MatchError(context.Canceled))
	g.Expect([]int{testrun.closed, veth.closed}).To(Equal([]int{1, 1}))
}

func TestAScenarioWithoutTheWireIsAnError(t *testing.T) {
	g := NewWithT(t)
	s := load(t, twoHosts)
	s.Wires = []string{"testrun"}
	config := setup(newNetwork("testrun"), newNetwork("veth"))
	config.Wires = config.Wires[1:]
	_, err := run.Run(context.Background(), s, config)
	g.Expect(err).To(MatchError(run.ErrNotOnWire))
}
