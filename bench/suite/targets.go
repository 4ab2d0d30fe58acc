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
	return all
}
