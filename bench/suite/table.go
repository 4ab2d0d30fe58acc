// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/cilium/ebpf"

	"github.com/mizar-net/mizar/bench/probe"
	"github.com/mizar-net/mizar/dataplane"
	"github.com/mizar-net/mizar/dataplane/kernel"
	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/frame"
)

// Cases is the table.
func Cases() []Case {
	return slices.Concat(floorCases(), endpointCases(), uplinkCases(), policyCases(), serviceCases())
}

// floorCases are floors that no case stands on, to see what the others are made
// of.
func floorCases() []Case {
	plain := func(family, n int) frame.Spec { return sent(family, n, learned.at(family, n)) }
	return []Case{
		{
			Name: "floor/null", What: "a program that only transmits",
			Form: probe.XDP, Flows: hot, Floor: "lookup", reference: "null", frames: plain,
		},
		{
			Name: "floor/parse", What: "parse and transmit",
			Form: probe.XDP, Flows: hotAndCold, Floor: "lookup", reference: "parse", frames: plain,
		},
		{
			Name: "floor/encapsulate", What: "one hash lookup and encapsulate",
			Form: probe.XDP, Flows: hotAndCold, Floor: "send", reference: "encapsulate", frames: plain,
			want: want{resizing: probe.Resized},
		},
		{
			Name: "floor/room", What: "the helper that makes room, alone",
			Form: probe.TCX, Flows: hot, Floor: "send", reference: "room", frames: plain,
			want: want{resizing: probe.Resized},
		},
		{
			Name: "floor/send", What: "LRU and hash lookup and encapsulate, by the helper of TCX",
			Form: probe.TCX, Flows: hotAndCold, Floor: "send", reference: "send", frames: plain,
			want: want{resizing: probe.Resized},
		},
	}
}

func endpointCases() []Case {
	all := slices.Concat(sendingCases(probe.XDP), sendingCases(probe.TCX))
	return slices.DeleteFunc(all, func(c Case) bool { return c.Form == probe.TCX && c.Name == "endpoint/unanswered" })
}

// sendingCases are those of the endpoint program in one form.
func sendingCases(form probe.Form) []Case {
	program := func(d *dataplane.Datapath) (*ebpf.Program, error) { return d.EndpointIn(state.Form(form)) }
	return []Case{
		{
			Name: "endpoint/established", What: "an endpoint sends, the way is learned: encapsulated, 1 hop",
			Form: form, Flows: hotAndCold, Floor: "send", program: program,
			frames: func(family, n int) frame.Spec { return sent(family, n, learned.at(family, n)) },
			want:   want{action: kernel.Redirect, verdict: "send", frame: tunnelled, resizing: probe.Resized},
		},
		{
			Name: "endpoint/first", What: "the first packet of a pair: a bouncer is chosen and asked, the question is remembered",
			Form: form, Flows: cold, Floor: "send", program: program,
			memory: emptied,
			frames: func(family, n int) frame.Spec { return sent(family, n, unknown.at(family, n)) },
			want:   want{action: kernel.Redirect, verdict: "ask", frame: asking(frame.ReturnSendBack), resizing: probe.Resized},
		},
		{
			Name: "endpoint/unanswered", What: "more packets before the answer: asked to be sent back",
			Form: form, Flows: hot, Floor: "send", program: program,
			frames: func(family, n int) frame.Spec { return sent(family, n, unknown.at(family, n)) },
			want:   want{action: kernel.Redirect, verdict: "ask", frame: asking(frame.ReturnSendBack), resizing: probe.Resized},
		},
		{
			Name: "endpoint/guard", What: "an endpoint sends from an address that is not its own: dropped",
			Form: form, Flows: hotAndCold, Floor: "lookup", program: program,
			frames: func(family, n int) frame.Spec {
				s := sent(family, n, learned.at(family, n))
				s.Src = locals.at(family, 1)
				return s
			},
			want: want{action: kernel.Drop, verdict: "drop", drop: "guard_address"},
		},
		{
			Name: "endpoint/local", What: "an endpoint sends to another behind the same host: delivered, 0 hops",
			Form: form, Flows: hotAndCold, Floor: "lookup", program: program,
			frames: func(family, n int) frame.Spec { return sent(family, n, locals.at(family, 1+n%(endpoints-1))) },
			want:   want{action: kernel.Redirect, verdict: "deliver", frame: delivered},
		},
	}
}

func uplinkCases() []Case {
	program := func(d *dataplane.Datapath) (*ebpf.Program, error) { return d.Uplink(), nil }
	return []Case{
		{
			Name: "uplink/deliver", What: "a packet for an endpoint behind the host, one of 256: decapsulated",
			Form: probe.XDP, Flows: hotAndCold, Floor: "receive", program: program,
			frames: func(family, n int) frame.Spec {
				return arrived(family, n, learned.at(family, n), locals.at(family, n%endpoints), nil)
			},
			want: want{action: kernel.Redirect, verdict: "deliver", frame: delivered, resizing: probe.Resized},
		},
		{
			Name: "uplink/bouncer", What: "a first packet for an endpoint of a subnet that the host bounces: relayed (a driver that transmits, as on NICs)",
			Form: probe.XDP, Flows: hotAndCold, Floor: "relay", program: program,
			frames: func(family, n int) frame.Spec {
				return arrived(family, n, learned.at(family, n), bounced.at(family, n), question(family, n))
			},
			want: want{action: kernel.Transmit, verdict: "relay", frame: tunnelled},
		},
		{
			Name: "uplink/divider", What: "a first packet for another subnet: relayed to one of its bouncers",
			Form: probe.XDP, Flows: hotAndCold, Floor: "relay", program: program,
			frames: func(family, n int) frame.Spec {
				return arrived(family, n, learned.at(family, n), divided.at(family, n), question(family, n))
			},
			want: want{action: kernel.Transmit, verdict: "relay", frame: tunnelled},
		},
		{
			Name: "uplink/pass", What: "a packet that is not the overlay's: passed to the stack",
			Form: probe.XDP, Flows: hotAndCold, Floor: "lookup", program: program,
			frames: func(family, n int) frame.Spec {
				return frame.Spec{
					Kind: frame.UDP, SrcMAC: state.MAC{2, 2}, DstMAC: state.MAC{2, 1}, Src: peer(family, n), Dst: underlay.at(family, 0),
					SrcPort: uint16(1024 + n), DstPort: 53, Payload: make([]byte, payload),
				}
			},
			want: want{action: kernel.Pass, verdict: "pass"},
		},
		{
			Name: "uplink/malformed", What: "a tunnel packet without an identity: dropped",
			Form: probe.XDP, Flows: hotAndCold, Floor: "lookup", program: program,
			frames: func(family, n int) frame.Spec {
				s := arrived(family, n, learned.at(family, n), locals.at(family, 0), nil)
				s.Tunnel.Options = frame.Options{}
				return s
			},
			want: want{action: kernel.Drop, verdict: "drop", drop: "geneve_option"},
		},
	}
}

// payload makes the shortest packet longer than what an instrument restores.
const payload = probe.Head

// sent is a packet of the endpoint under test.
func sent(family, n int, to netip.Addr) frame.Spec {
	return frame.Spec{
		Kind: frame.UDP, SrcMAC: own(0), DstMAC: gateway, Src: locals.at(family, 0), Dst: to,
		SrcPort: uint16(1024 + n), DstPort: 2000, Payload: make([]byte, payload),
	}
}

// arrived is a packet from the underlay.
func arrived(family, n int, from, to netip.Addr, question *frame.Return) frame.Spec {
	return frame.Spec{
		Kind: frame.UDP, SrcMAC: state.MAC{2, 9}, DstMAC: gateway, Src: from, Dst: to,
		SrcPort: uint16(1024 + n), DstPort: 2000, Payload: make([]byte, payload),
		Tunnel: &frame.Tunnel{
			SrcMAC: state.MAC{2, 2}, DstMAC: state.MAC{2, 1}, Src: peer(family, n), Dst: underlay.at(family, 0), VNI: vni,
			Options: frame.Options{Identity: &frame.Identity{}, Return: question},
		},
	}
}

// question is what a sender's host asks a bouncer.
func question(family, n int) *frame.Return {
	return &frame.Return{Limit: 4, Token: 1, Host: peer(family, n)}
}

// tunnelled wants the inner packet as it was.
func tunnelled(before, after frame.Packet) error {
	if !after.Tunnel || after.VNI != vni {
		return fmt.Errorf("want a tunnel packet of VNI %d", vni)
	}
	return unchanged(before.Inner, after.Inner)
}

// asking wants a tunnel packet with a question.
func asking(flags uint8) func(before, after frame.Packet) error {
	return func(before, after frame.Packet) error {
		if after.Options.Return == nil || after.Options.Return.Flags != flags {
			return fmt.Errorf("want the option return-to-sender with flags %#x", flags)
		}
		return tunnelled(before, after)
	}
}

// delivered wants the inner packet with the gateway's MAC, out of its tunnel.
func delivered(before, after frame.Packet) error {
	if after.Tunnel {
		return errors.New("want a packet out of its tunnel")
	}
	if after.Inner.SrcMAC != gateway {
		return fmt.Errorf("source MAC: want %s, got %s", gateway, after.Inner.SrcMAC)
	}
	return unchanged(before.Inner, after.Inner)
}

func unchanged(before, after frame.Layer) error {
	if before.Src != after.Src || before.Dst != after.Dst || before.SrcPort != after.SrcPort ||
		before.TTL != after.TTL || len(before.Payload) != len(after.Payload) {
		return fmt.Errorf("inner packet: want %s to %s, TTL %d, %d bytes; got %s to %s, TTL %d, %d bytes",
			before.Src, before.Dst, before.TTL, len(before.Payload), after.Src, after.Dst, after.TTL, len(after.Payload))
	}
	return nil
}
