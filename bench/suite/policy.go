// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"github.com/cilium/ebpf"

	"github.com/mizar-net/mizar/bench/probe"
	"github.com/mizar-net/mizar/bench/report"
	"github.com/mizar-net/mizar/dataplane"
	"github.com/mizar-net/mizar/dataplane/kernel"
	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/crowd"
	"github.com/mizar-net/mizar/sim/frame"
)

// somePolicy judges a peer by identity and by address, and in both by ports.
var somePolicy = crowd.Guard{Peers: 10, Prefixes: 10, Rules: 4}

// byAddress judges a peer by address alone: who is denied for a learned identity asks
// who that is by now, for an address nobody has to.
var byAddress = crowd.Guard{Prefixes: 10, Rules: 4}

// closedPort is one that no rule of a guard opens.
const closedPort = crowd.FirstPort - 1

// to gives a packet another destination port.
func to(port uint16, s frame.Spec) frame.Spec {
	s.DstPort = port
	return s
}

// policyCases are those in which policy judges the endpoint under test, and first
// packets of flows with and without it.
func policyCases() []Case {
	endpoint := func(d *dataplane.Datapath) (*ebpf.Program, error) { return d.EndpointIn(state.FormXDP) }
	uplink := func(d *dataplane.Datapath) (*ebpf.Program, error) { return d.Uplink(), nil }
	leaves := func(family, n int) frame.Spec { return sent(family, n, learned.at(family, n)) }
	comes := func(family, n int) frame.Spec {
		return arrived(family, n, learned.at(family, n), locals.at(family, 0), nil)
	}
	sends := want{action: kernel.Redirect, verdict: "send", frame: tunnelled, resizing: probe.Resized}
	delivers := want{action: kernel.Redirect, verdict: "deliver", frame: delivered, resizing: probe.Resized}
	sending := Case{
		Name: "endpoint/policed", What: "a policed endpoint sends, of a flow that was accepted",
		Form: probe.XDP, Flows: hotAndCold, Floor: "send", program: endpoint, guard: somePolicy, frames: leaves, want: sends,
	}
	receiving := Case{
		Name: "uplink/policed", What: "a packet for a policed endpoint, of a flow that was accepted",
		Form: probe.XDP, Flows: hotAndCold, Floor: "receive", program: uplink, guard: somePolicy, frames: comes, want: delivers,
	}
	return []Case{
		sending,
		{
			Name: "endpoint/opened", What: "the first packet of a flow, the way is learned, no policy",
			Form: probe.XDP, Flows: cold, Floor: "send", program: endpoint, memory: unopened, frames: leaves, want: sends,
		},
		{
			Name: "endpoint/accepted", What: "the first packet of a flow, the way is learned: judged by identity, address and ports",
			Form: probe.XDP, Flows: cold, Floor: sending.Name, beside: &sending, program: endpoint, memory: unopened, guard: somePolicy,
			frames: leaves, want: sends,
		},
		{
			Name: "endpoint/denied", What: "the same by address and ports, and no rule opens the port",
			Form: probe.XDP, Flows: hotAndCold, Floor: sending.Name, beside: &sending, program: endpoint, guard: byAddress,
			frames: func(family, n int) frame.Spec { return to(closedPort, leaves(family, n)) },
			want:   want{action: kernel.Drop, verdict: "drop", drop: "policy_egress"},
		},
		receiving,
		{
			Name: "uplink/accepted", What: "the first packet of a flow for a policed endpoint",
			Form: probe.XDP, Flows: cold, Floor: receiving.Name, beside: &receiving, program: uplink, memory: unopened, guard: somePolicy,
			frames: comes, want: delivers,
		},
		{
			Name: "uplink/answered", What: "the first reply of a flow: its row goes from one table to the other, no policy",
			Form: probe.XDP, Flows: cold, Floor: "receive", program: uplink, memory: awaited, frames: comes, want: delivers,
		},
		{
			Name: "uplink/denied", What: "the same, and no rule opens the port",
			Form: probe.XDP, Flows: hotAndCold, Floor: receiving.Name, beside: &receiving, program: uplink, guard: somePolicy,
			frames: func(family, n int) frame.Spec { return to(closedPort, comes(family, n)) },
			want:   want{action: kernel.Drop, verdict: "drop", drop: "policy_ingress"},
		},
	}
}

// twoLookups is what two lookups in a hash cost on a quiet machine, in ns.
const twoLookups = 56

// policyTargets is what the overlay has to reach with everything on. Of what an
// established packet and two lookups cost, an accepted first one may cost three times, and
// a denied one 1.5 times; better still no more than just that.
func policyTargets() []report.Target {
	var all []report.Target
	add := func(name, floor string, flows int, factor, plus float64) {
		for _, family := range []int{4, 6} {
			all = append(all, report.Target{
				Name: name, Instrument: report.TestRun, Form: string(probe.XDP), Family: family, Flows: flows, Floor: floor, Factor: factor, Plus: plus,
			})
		}
	}
	add("endpoint/policed", "send", 1, 1.6, 0)
	add("uplink/policed", "receive", 1, 1.9, 0)
	for _, program := range []string{"endpoint", "uplink"} {
		established := program + "/policed"
		add(program+"/denied", established, 1, 1, twoLookups)
		add(program+"/denied", established, 1, 1.5, 1.5*twoLookups)
		add(program+"/accepted", established, probe.MaxFlows, 3, 3*twoLookups)
	}
	return all
}

// policyAxes are more and more identities, prefixes and rules of the one endpoint
// that sends.
func policyAxes() []axis {
	guarded := func(name, series string, sizes []int, base int, guard func(size int) crowd.Guard) axis {
		policed := func(what, name string, port uint16, w want) Series {
			return Series{
				Name: "growth/" + name + "/" + series, What: what, Flows: hot,
				program: (*dataplane.Datapath).Endpoint,
				frames: func(family, n int) (frame.Spec, error) {
					s, err := send(family, n)
					return to(port, s), err
				},
				want: w,
			}
		}
		all := []Series{policed("a policed endpoint sends, one way", "policed", crowd.FirstPort, encapsulated)}
		for _, w := range []struct {
			name, what string
			program    func(*dataplane.Datapath) *ebpf.Program
			frames     func(family, n int) (frame.Spec, error)
			want       want
		}{
			{"accepted", "first packets of flows that a policed endpoint opens", (*dataplane.Datapath).Endpoint, send, encapsulated},
			{"let-in", "first packets of flows for a policed endpoint", (*dataplane.Datapath).Uplink, deliver, decapsulated},
		} {
			all = append(all, Series{
				Name: "growth/" + w.name + "/" + series, What: w.what, Flows: cold, memory: unopened, program: w.program, want: w.want,
				frames: func(family, n int) (frame.Spec, error) {
					s, err := w.frames(family, 0)
					s.SrcPort += uint16(n)
					return to(crowd.FirstPort, s), err
				},
			})
		}
		all = append(all, Series{
			Name: "growth/kept-out/" + series, What: "the first packet of a flow for a policed endpoint: denied", Flows: hot,
			program: (*dataplane.Datapath).Uplink, want: want{action: kernel.Drop, verdict: "drop", drop: "policy_ingress"},
			frames: func(family, n int) (frame.Spec, error) {
				s, err := deliver(family, 0)
				return to(closedPort, s), err
			},
		})
		if guard(base).Peers == 0 {
			all = append(all, policed("the first packet of a flow: denied", "denied", closedPort, want{action: kernel.Drop, verdict: "drop", drop: "policy_egress"}))
		}
		return axis{
			name: name, sizes: sizes, base: base,
			crowd: func(family, size int) (crowd.Crowd, error) {
				return crowd.Crowd{Family: family, VPCs: 1, Hosts: someHosts, Endpoints: someEndpoints, Guard: guard(size)}, nil
			},
			learned: func(int) int { return 1 },
			series:  all,
		}
	}
	return []axis{
		guarded("policies by identity", "policies", []int{1, 100, 10_000}, 1, func(n int) crowd.Guard { return crowd.Guard{Peers: n, Rules: 1} }),
		guarded("prefixes of policies", "prefixes", []int{10, 1000, 100_000}, 10, func(n int) crowd.Guard { return crowd.Guard{Prefixes: n, Rules: 1} }),
		guarded("rules of policies", "rules", []int{1, 50, 500}, 1, func(n int) crowd.Guard { return crowd.Guard{Prefixes: 1, Rules: n} }),
	}
}
