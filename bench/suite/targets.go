// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"github.com/mizar-net/mizar/bench/probe"
	"github.com/mizar-net/mizar/bench/report"
)

// Targets is what the bare overlay has to reach. Those that nothing here
// measures yet are in it too: what is not measured is not reached.
func Targets() []report.Target {
	var all []report.Target
	both := func(t report.Target) {
		for _, family := range []int{4, 6} {
			t.Family = family
			all = append(all, t)
		}
	}
	program := func(name string, form probe.Form, floor string, factor, plus float64) {
		both(report.Target{
			Name: name, Instrument: report.TestRun, Form: string(form), Flows: 1, Floor: floor, Factor: factor, Plus: plus,
		})
	}
	program("endpoint/established", probe.XDP, "send", 1.25, 0)
	program("endpoint/established", probe.TCX, "send", 1.7, 0)
	program("uplink/deliver", probe.XDP, "receive", 1.5, 0)
	program("uplink/bouncer", probe.XDP, "relay", 1.5, 20)

	live := report.Target{Name: "two-hosts", Instrument: report.Live, Form: string(probe.XDP), Floor: "two-hosts"}
	live.Flows, live.Factor = 1, 1.45
	both(live)
	live.Flows, live.Factor = probe.MaxFlows, 2.2
	both(live)
	// Five times the packets per second is a fifth of the time per packet.
	both(report.Target{
		Name: "two-hosts/same-sink", Instrument: report.Live, Form: string(probe.XDP), Flows: 1,
		Floor: "kernel-vxlan", Factor: 1 / 5.0,
	})
	stream := report.Target{
		Instrument: report.Sockets, Unit: report.Gigabits, Flows: 1, Floor: "kernel-vxlan",
	}
	stream.Name, stream.Form, stream.Factor = "tcp-stream/1500/xdp", string(probe.XDP), 0.85
	both(stream)
	// One profile that reaches it will do.
	stream.Name, stream.Form, stream.Factor = "tcp-stream/1500/*", string(probe.XDP)+"|"+string(probe.TCX), 1
	both(stream)
	all = append(all, policyTargets()...)
	all = append(all, serviceTargets()...)
	return append(all, growthTargets()...)
}

// growthTargets: rows that a packet does not meet cost next to nothing.
func growthTargets() []report.Target {
	var all []report.Target
	for _, s := range Growing() {
		t := report.Target{Instrument: report.TestRun, Form: string(probe.XDP)}
		t.Name, t.Floor = s.at(s.Sizes[len(s.Sizes)-1]), s.floor()
		switch s.Name {
		case "growth/bouncer/cold-endpoints", "growth/divider/vpcs":
			continue // other rows are met: a colder cache, a deeper trie
		case "growth/bouncer/endpoints":
			t.Factor = 1.5
		default:
			t.Factor, t.OrPlus = flatFactor, flatNanoseconds
		}
		for _, t.Family = range []int{4, 6} {
			for _, t.Flows = range s.Flows {
				all = append(all, t)
			}
		}
	}
	return all
}

// What flat means: within 15 % or 10 ns, whichever is more.
const flatFactor, flatNanoseconds = 1.15, 10
