// SPDX-License-Identifier: Apache-2.0

// Package flat proves that a packet costs the same however much policy there is: it lets
// one host hold little and much of it, as compiled from objects, and counts what the
// programs execute.
//
//	objects ─► state ─► rows in the kernel ─► programs, instruction by instruction ─► Counts
//	                          └──────────────► bytes that the kernel charges ───────► per rule
package flat

import (
	"errors"
	"fmt"
	"strings"

	"github.com/cilium/ebpf"

	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/dataplane"
	"github.com/mizar-net/mizar/dataplane/flow"
	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/crowd"
	"github.com/mizar-net/mizar/sim/frame"
	"github.com/mizar-net/mizar/sim/steps"
	"github.com/mizar-net/mizar/sim/wire"
)

// Packet is one that is counted.
type Packet struct {
	Family int
	// Program is "endpoint", where the subject sends it, or "uplink".
	Program string
	// Kind is "established", of a flow in which both sides have spoken; or, the first
	// one of its flow, "accepted" or "denied".
	Kind string
}

// packets are all.
func packets() []Packet {
	var all []Packet
	for _, kind := range []string{"accepted", "denied", "established"} { // flows come last
		for _, family := range []int{4, 6} {
			for _, program := range []string{"endpoint", "uplink"} {
				all = append(all, Packet{family, program, kind})
			}
		}
	}
	return all
}

// What XDP programs return.
const (
	dropped    = 1
	redirected = 4
)

// Measured is what one amount of policy costs.
type Measured struct {
	Counts map[Packet]steps.Count
	// Bytes are what the kernel charges for the rows of policy, without the counters
	// of rules, of which each CPU has its own.
	Bytes float64
}

// Bench is a host that states are applied to. Close it.
type Bench struct{ *dataplane.Datapath }

// countedRules is room for the names of all rules, in both directions.
const countedRules = 1 << 16

// Load loads the programs.
func Load() (*Bench, error) {
	d, err := dataplane.Load(dataplane.Options{TokenSecret: 1, Limits: map[string]uint32{bpf.RowMapRules: countedRules}})
	if err != nil {
		return nil, err
	}
	return &Bench{d}, nil
}

// Measure lets the host hold an amount of policy, and nothing of an earlier one. change
// may break the state.
func (b *Bench) Measure(a Amount, change func([]state.Host)) (Measured, error) {
	m := Measured{Counts: map[Packet]steps.Count{}}
	if err := b.Reset(); err != nil {
		return m, err
	}
	empty, err := b.Memory()
	if err != nil {
		return m, err
	}
	s, err := a.state()
	if err != nil {
		return m, err
	}
	hosts := []state.Host{s}
	change(hosts)
	s = hosts[0]
	if _, err := b.Apply(s, crowd.Machine(s)); err != nil {
		return m, err
	}
	full, err := b.Memory()
	if err != nil {
		return m, err
	}
	for name := range full {
		if strings.HasPrefix(name, wire.PolicyRows+"_") {
			m.Bytes += float64(full[name]) - float64(empty[name])
		}
	}
	if err := b.learn(s); err != nil {
		return m, err
	}
	for _, p := range packets() {
		if m.Counts[p], err = b.count(s, p); err != nil {
			return m, fmt.Errorf("%+v, %s packet of program %s over IPv%d: %w", a, p.Kind, p.Program, p.Family, err)
		}
	}
	return m, nil
}

// count counts a packet, and lets the kernel's programs say the same of it.
func (b *Bench) count(s state.Host, p Packet) (steps.Count, error) {
	spec, want := spec(s, p), uint32(redirected)
	switch p.Kind {
	case "denied":
		want = dropped
	case "established":
		if err := errors.Join(b.settle(spec, p), b.run(spec, p, want)); err != nil { // with which it meets its way
			return steps.Count{}, err
		}
	}
	if err := b.Refund(); err != nil { // what the programs have spent by a clock that the count does not have
		return steps.Count{}, err
	}
	packet, err := frame.Build(spec)
	if err != nil {
		return steps.Count{}, err
	}
	object, err := read(p.Program)
	if err != nil {
		return steps.Count{}, err
	}
	count, action, err := steps.Run(object, p.Program, packet, b, func(slot uint32) string { return bpf.RowProgram(slot).String() })
	if err == nil && uint32(action) != want {
		err = fmt.Errorf("the counted program returned %d, not %d", action, want)
	}
	return count, errors.Join(err, b.run(spec, p, want))
}

// run runs a packet in the kernel.
func (b *Bench) run(spec frame.Spec, p Packet, want uint32) error {
	packet, err := frame.Build(spec)
	if err != nil {
		return err
	}
	program := b.Endpoint()
	if p.Program == "uplink" {
		program = b.Uplink()
	}
	action, err := program.Run(&ebpf.RunOptions{Data: packet, DataOut: make([]byte, len(packet)+256)})
	if err == nil && action != want {
		err = fmt.Errorf("the kernel's program returned %d, not %d", action, want)
	}
	return err
}

// learn makes the host know the way to the client of each family, and who that is, by a
// packet of another flow.
func (b *Bench) learn(s state.Host) error {
	for _, family := range []int{4, 6} {
		p := Packet{Family: family, Program: "endpoint", Kind: "accepted"}
		other := spec(s, p)
		other.SrcPort++
		if err := b.run(other, p, redirected); err != nil {
			return fmt.Errorf("a packet by which the way is learned: %w", err)
		}
	}
	return nil
}

// read reads the object of a program.
func read(program string) (*ebpf.CollectionSpec, error) {
	load := map[string]func() (*ebpf.CollectionSpec, error){"endpoint": bpf.LoadEndpoint, "uplink": bpf.LoadUplink}[program]
	object, err := load()
	if err != nil {
		return nil, fmt.Errorf("read the object of %s: %w", program, err)
	}
	return object, nil
}

// settle makes the host have the flow of a packet, as if both sides had spoken.
func (b *Bench) settle(s frame.Spec, p Packet) error {
	key, side := flow.Key(vni, 17, flow.End{Addr: s.Src, Port: s.SrcPort}, flow.End{Addr: s.Dst, Port: s.DstPort})
	r := flow.Row{Key: key, Settled: true}
	r.Row.Opener, r.Row.Quick = uint8(side), 3
	r.Row.State = uint8(bpf.RowFlowStateFLOW_ESTABLISHED)
	if p.Program == "uplink" {
		side ^= 1
	}
	r.Ends[side] = "x/subject"
	_, err := b.ImportFlows([]flow.Row{r})
	return err
}

// spec is a packet between subject and client.
func spec(s state.Host, p Packet) frame.Spec {
	subject, client := ends[p.Family][0], ends[p.Family][1]
	f := frame.Spec{
		Kind: frame.UDP, SrcMAC: s.Endpoints[0].MAC, DstMAC: s.Subnets[0].GatewayMAC, Src: subject, Dst: client,
		SrcPort: 40000, DstPort: openPort, Payload: make([]byte, 64),
	}
	if p.Kind == "denied" {
		f.DstPort = closedPort
	}
	if p.Program == "endpoint" {
		return f
	}
	f.Src, f.Dst = client, subject
	f.Tunnel = &frame.Tunnel{
		SrcMAC: state.MAC{2, 2}, DstMAC: state.MAC{2, 1}, Src: underlay[there], Dst: underlay[here], VNI: vni,
		Options: frame.Options{Identity: &frame.Identity{Identity: identityOf(s, client)}},
	}
	for _, e := range s.Endpoints {
		f.Tunnel.Options.Identity.Generation = e.Generation
	}
	return f
}
