// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"fmt"
	"net/netip"
	"sync"

	"github.com/cilium/ebpf"

	"github.com/mizar-net/mizar/bench/probe"
	"github.com/mizar-net/mizar/bench/report"
	"github.com/mizar-net/mizar/bench/service"
	"github.com/mizar-net/mizar/bpf"
	tables "github.com/mizar-net/mizar/controlplane/service"
	"github.com/mizar-net/mizar/dataplane"
	"github.com/mizar-net/mizar/dataplane/kernel"
	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/crowd"
	"github.com/mizar-net/mizar/sim/frame"
)

// serviceCases are flows to a frontend, each beside what the same costs without one.
func serviceCases() []Case {
	xdp := sendingToService(probe.XDP)
	first := xdp
	first.Name, first.What = "service/first", "the first packet of a flow to a frontend, the way to the backend is learned: it is chosen"
	first.Flows, first.memory, first.Floor, first.beside = cold, unopened, xdp.Name, &xdp
	return []Case{xdp, sendingToService(probe.TCX), receivingOfService(), first, visitingService()}
}

// visitingService is the host's part in a flow from outside: it keeps nothing, so every
// packet of it is like this.
func visitingService() Case {
	return Case{
		Name: "service/outside", What: "a client outside comes to a node port, the backend is behind another host: chosen, translated, encapsulated",
		Form: probe.XDP, Flows: hotAndCold, Floor: "encapsulate", services: 1, gated: true,
		program: func(d *dataplane.Datapath) (*ebpf.Program, error) { return d.Uplink(), nil }, frames: visits,
		want: want{action: kernel.Transmit, verdict: "serve", frame: handedOn, resizing: probe.Resized},
	}
}

// nodePort is that of the first service.
const nodePort = 30080

// visits is a packet from outside to the node port.
func visits(family, n int) frame.Spec {
	client := netip.MustParseAddr("198.51.100.7")
	if family == 6 {
		client = netip.MustParseAddr("2001:db8:ffff::7")
	}
	return frame.Spec{
		Kind: frame.UDP, SrcMAC: state.MAC{2, 7}, DstMAC: state.MAC{2, 1}, Src: client, Dst: underlay.at(family, 0),
		SrcPort: uint16(1024 + n), DstPort: nodePort, Payload: make([]byte, payload),
	}
}

// gateOf is the first service as clients outside come to it.
func gateOf(family int) state.OutsideService {
	s := firstService(family)
	gate := state.OutsideService{
		Name: s.Name + "/outside", VNI: s.VNI, Protocol: s.Protocol, Table: s.Table,
		Frontends: []netip.AddrPort{netip.AddrPortFrom(underlay.at(family, 0), nodePort)},
	}
	for n, at := range s.Backends {
		gate.Backends = append(gate.Backends, state.OutsideBackend{At: at, Host: peerName(n)})
	}
	return gate
}

// handedOn wants the packet in a tunnel, to a backend, with the frontend beside it.
func handedOn(before, after frame.Packet) error {
	if after.Options.Service == nil || after.Inner.DstPort != crowd.BackendPort {
		return fmt.Errorf("want it for a backend's port %d, with the option service, got %s", crowd.BackendPort, after)
	}
	before.Inner.Dst, before.Inner.TTL, before.Inner.DstPort = after.Inner.Dst, before.Inner.TTL-1, after.Inner.DstPort
	return tunnelled(before, after)
}

func sendingToService(form probe.Form) Case {
	beside := namedIn(sendingCases(form), "endpoint/established")
	return Case{
		Name: "service/sending", What: "an endpoint sends to a frontend, the backend is behind another host: translated, encapsulated",
		Form: form, Flows: hotAndCold, Floor: beside.Name, beside: &beside, services: 1,
		program: beside.program, frames: asks,
		want: want{action: kernel.Redirect, verdict: "send", frame: passedOn, resizing: probe.Resized},
	}
}

func receivingOfService() Case {
	beside := namedIn(uplinkCases(), "uplink/deliver")
	return Case{
		Name: "service/receiving", What: "the reply of a backend, at its client's uplink: decapsulated, translated back",
		Form: probe.XDP, Flows: hotAndCold, Floor: beside.Name, beside: &beside, services: 1,
		program: beside.program, frames: replies,
		want: want{action: kernel.Redirect, verdict: "deliver", frame: turnedBack, resizing: probe.Resized},
	}
}

// namedIn is the case of a name; there must be one.
func namedIn(cases []Case, name string) Case {
	for _, c := range cases {
		if c.Name == name {
			return c
		}
	}
	panic("no case is called " + name)
}

// asks is a packet to the first frontend.
func asks(family, n int) frame.Spec {
	return to(crowd.FrontendPort, sent(family, n, crowd.Frontend(family, 0)))
}

// replies is what the backend answers to it.
func replies(family, n int) frame.Spec {
	ask, s := asks(family, n), firstService(family)
	at := tables.Choose(s.Table, tables.Tuple{
		Source: netip.AddrPortFrom(ask.Src, ask.SrcPort), Destination: s.Frontends[0], Protocol: s.Protocol,
	})
	answer := arrived(family, at, s.Backends[at].Addr(), ask.Src, nil)
	answer.SrcPort, answer.DstPort = s.Backends[at].Port(), ask.SrcPort
	return answer
}

// firstService is the one that flows are to.
var firstService = func() func(family int) state.Service {
	of := func(family int) func() state.Service {
		return sync.OnceValue(func() state.Service { return servicesOf(family, 1)[0] })
	}
	four, six := of(4), of(6)
	return func(family int) state.Service {
		if family == 4 {
			return four()
		}
		return six()
	}
}()

// servicesOf are those of a setting: the ways to their backends are learned.
func servicesOf(family, services int) []state.Service {
	return crowd.Services(family, services, func(n int) netip.Addr { return learned.at(family, n) })
}

// passedOn wants the packet in a tunnel, to a backend. Frontends are behind the gateway.
func passedOn(before, after frame.Packet) error {
	if after.Inner.Dst == before.Inner.Dst || after.Inner.DstPort != crowd.BackendPort {
		return fmt.Errorf("want it for a backend's port %d, got %s and port %d", crowd.BackendPort, after.Inner.Dst, after.Inner.DstPort)
	}
	before.Inner.Dst, before.Inner.TTL = after.Inner.Dst, before.Inner.TTL-1
	return tunnelled(before, after)
}

// turnedBack wants the packet out of its tunnel, from the frontend.
func turnedBack(before, after frame.Packet) error {
	frontend := firstService(familyOf(after.Inner.Src)).Frontends[0]
	if from := netip.AddrPortFrom(after.Inner.Src, after.Inner.SrcPort); from != frontend {
		return fmt.Errorf("want it from the frontend %s, got %s", frontend, from)
	}
	before.Inner.Src, before.Inner.SrcPort = after.Inner.Src, after.Inner.SrcPort
	return delivered(before, after)
}

func familyOf(a netip.Addr) int {
	if a.Is4() {
		return 4
	}
	return 6
}

// converse lets both sides of flows to frontends speak, so that the host has all that
// it can have of them; packets are those of the endpoints.
func converse(d *dataplane.Datapath, packets [][]byte) error {
	for _, p := range packets {
		for range 2 { // with the second, each side finds out that nothing has changed
			sent, err := (kernel.System{}).Run(d.Endpoint(), p, kernel.RunOptions{})
			if err != nil {
				return fmt.Errorf("a packet to a frontend: %w", err)
			}
			answer, err := answerTo(sent.Frame)
			if err != nil {
				return fmt.Errorf("a packet to a frontend: %w", err)
			}
			if _, err := (kernel.System{}).Run(d.Uplink(), answer, kernel.RunOptions{}); err != nil {
				return fmt.Errorf("the answer of a backend: %w", err)
			}
		}
	}
	return bothWays(d, len(packets))
}

// answerTo is what the backend's host sends when it has got a tunnel packet.
func answerTo(sent []byte) ([]byte, error) {
	p, err := frame.Decode(sent)
	if err != nil {
		return nil, err
	}
	if !p.Tunnel {
		return nil, fmt.Errorf("it is in no tunnel but is %s", p)
	}
	return frame.Build(frame.Spec{
		Kind: frame.UDP, SrcMAC: p.Inner.DstMAC, DstMAC: gateway, Src: p.Inner.Dst, Dst: p.Inner.Src,
		SrcPort: p.Inner.DstPort, DstPort: p.Inner.SrcPort, Payload: p.Inner.Payload,
		Tunnel: &frame.Tunnel{
			SrcMAC: state.MAC{2, 2}, DstMAC: state.MAC{2, 1}, Src: p.OuterDst, Dst: p.OuterSrc, VNI: p.VNI,
			Options: frame.Options{Identity: &frame.Identity{}},
		},
	})
}

// bothWays wants all flows to have their two rows, that of the frontend's view and that
// of the backend's, and nothing left to find out about either.
func bothWays(d *dataplane.Datapath, flows int) error {
	rows, _, err := d.Flows()
	if err != nil {
		return err
	}
	views := map[bpf.RowTranslation]int{}
	for _, r := range rows {
		if r.Quick != 0 {
			views[bpf.RowTranslation(r.Translation)]++
		}
	}
	if to, from := views[bpf.RowTranslationTRANSLATION_TO], views[bpf.RowTranslationTRANSLATION_FROM]; to != flows || from != flows {
		return fmt.Errorf("%d flows to a frontend have %d rows of its view and %d of the backends'", flows, to, from)
	}
	return nil
}

// serviceTargets is what a service may add.
func serviceTargets() []report.Target {
	var all []report.Target
	for _, family := range []int{4, 6} {
		t := report.Target{Name: "service/sending", Instrument: report.TestRun, Family: family, Flows: 1, Floor: "endpoint/established", Factor: 1.25}
		for _, form := range []probe.Form{probe.XDP, probe.TCX} {
			t.Form = string(form)
			all = append(all, t)
		}
		for _, t.Flows = range hotAndCold {
			t.Name, t.Form, t.Floor, t.Factor = "service/outside", string(probe.XDP), "encapsulate", 2.4
			all = append(all, t)
		}
		t.Name, t.Form, t.Flows, t.Floor, t.Factor = "service/first", string(probe.XDP), probe.MaxFlows, "service/sending", 2.5
		all = append(all, t)
	}
	return all
}

// servicesAxis is more and more services of ten backends each, of which packets meet the
// first.
func servicesAxis() axis {
	ask := func(family, n int) (frame.Spec, error) {
		s, err := send(family, n)
		s.Dst, s.DstPort = crowd.Frontend(family, 0), crowd.FrontendPort
		return s, err
	}
	sends := want{action: kernel.Redirect, verdict: "send", frame: passedOn, resizing: probe.Resized}
	return axis{
		name: "services", sizes: []int{1, 10_000}, base: 1,
		crowd: func(family, size int) (crowd.Crowd, error) {
			return crowd.Crowd{Family: family, VPCs: 1, Hosts: someHosts, Endpoints: someEndpoints, Services: size}, nil
		},
		learned: func(int) int { return crowd.Backends },
		limits:  func(s state.Host) map[string]uint32 { return service.Room(s.Services) },
		series: []Series{
			{
				Name: "growth/service-sending/services", What: "an endpoint sends to a frontend, both have spoken", Flows: hot,
				program: (*dataplane.Datapath).Endpoint, frames: ask, want: sends, settle: converse,
			},
			{
				Name: "growth/service-first/services", What: "first packets of flows to a frontend", Flows: cold, memory: unopened,
				program: (*dataplane.Datapath).Endpoint, frames: ask, want: sends,
			},
		},
	}
}
