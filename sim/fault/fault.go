// SPDX-License-Identifier: Apache-2.0

// Package fault plants faults in a simulated network: each breaks one thing, and
// must turn the rows red that promise it. A conformance suite that stays green
// with a fault planted proves nothing.
//
// A fault stands between a run and its wire. It changes the states that hosts
// are given, or what the wire says became of packets and frames; the programs,
// the objects and the oracle are untouched.
package fault

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/run"
	"github.com/mizar-net/mizar/sim/wire"
	"github.com/mizar-net/mizar/topology"
)

// Fault breaks one thing. The functions that are nil change nothing.
type Fault struct {
	// Name is short and unique; Says is what is broken.
	Name, Says string
	// Rows of ACCEPTANCE that it must turn red.
	Rows []string
	// Wire is the only wire it is planted on; empty: each.
	Wire string

	// states changes what hosts are given; it owns hosts, but not what
	// their slices hold.
	states func(hosts []state.Host)
	// remembered makes a change of states that depends on earlier ones.
	remembered func() func(hosts []state.Host)
	// outcome makes a change of what became of a probe that may depend on
	// earlier ones.
	outcome func(*planted) func(wire.Probe, *wire.Outcome)
	// halves gives hosts half of their policy first, and all of it later.
	halves bool
	// robbed breaks all that runs while somebody sends a flood.
	robbed bool
	// ground changes the underlay.
	ground func(topology.Underlay) topology.Underlay
	// packet changes what became of one packet of a probe.
	packet func(*wire.Packet)
	// emissions changes the frames that came out after an injection at a port.
	emissions func(at wire.Port, frames [][]byte, out []wire.Emission) []wire.Emission
	// drops changes the counters.
	drops func(wire.Drops)
	// learned changes how many rows hosts have learned.
	learned func(byVNI map[string]map[uint32]int)
	// unbreakable keeps the conditions of hosts from the wire.
	unbreakable bool
}

// Of returns the faults that must turn a row red.
func Of(row string) []Fault {
	return slices.DeleteFunc(All(), func(f Fault) bool { return !slices.Contains(f.Rows, row) })
}

// Spoil changes states of hosts as the fault does; it owns hosts, but not what their
// slices hold.
func (f Fault) Spoil(hosts []state.Host) {
	if f.states != nil {
		f.states(hosts)
	}
}

// Factories returns wires that open with the fault in them.
func (f Fault) Factories(wires []run.Factory) []run.Factory {
	faulty := slices.Clone(wires)
	for i, factory := range wires {
		faulty[i].Open = func(ctx context.Context) (wire.Wire, error) {
			w, err := factory.Open(ctx)
			if err != nil {
				return nil, err
			}
			return f.Plant(w), nil
		}
	}
	return faulty
}

// Plant returns the wire with the fault in it.
func (f Fault) Plant(w wire.Wire) wire.Wire {
	if f.Wire != "" && f.Wire != w.Name() {
		return w
	}
	p := &planted{Wire: w, fault: f, said: map[string]wire.Condition{}, names: map[netip.Addr]string{}}
	if f.remembered != nil {
		p.states = f.remembered()
	}
	if f.outcome != nil {
		p.outcome = f.outcome(p)
	}
	return p
}

// planted is a wire with a fault in it.
type planted struct {
	wire.Wire
	fault Fault
	// said are the conditions that the wire was not told of.
	said map[string]wire.Condition
	// names are those of endpoints by address.
	names map[netip.Addr]string
	// states and outcome are what the fault remembers by.
	states  func([]state.Host)
	outcome func(wire.Probe, *wire.Outcome)
	// flooded: there was a flood.
	flooded bool
}

// Apply gives the hosts states that the fault has changed.
func (p *planted) Apply(ctx context.Context, hosts []state.Host) error {
	for _, h := range hosts {
		for _, e := range h.Endpoints {
			for _, a := range e.Addresses {
				p.names[a] = e.Name
			}
		}
	}
	hosts = slices.Clone(hosts)
	for _, change := range []func([]state.Host){p.fault.states, p.states} {
		if change != nil {
			change(hosts)
		}
	}
	if p.fault.halves {
		if err := p.half(ctx, hosts); err != nil {
			return err
		}
	}
	return p.Wire.Apply(ctx, hosts)
}

// Ground tells the wire its underlay, if it can have one.
func (p *planted) Ground(u topology.Underlay) {
	if p.fault.ground != nil {
		u = p.fault.ground(u)
	}
	if grounder, ok := p.Wire.(wire.Grounder); ok {
		grounder.Ground(u)
	}
}

// Probe tells an outcome that the fault has changed.
func (p *planted) Probe(ctx context.Context, probe wire.Probe) (wire.Outcome, error) {
	outcome, err := p.Wire.Probe(ctx, probe)
	if err != nil || p.fault.packet == nil && p.outcome == nil {
		return outcome, err
	}
	for _, packets := range []*[]wire.Packet{&outcome.Requests, &outcome.Replies} {
		*packets = slices.Clone(*packets)
		for i := range *packets {
			packet := &(*packets)[i]
			packet.Steps, packet.Hosts = slices.Clone(packet.Steps), slices.Clone(packet.Hosts)
			packet.Frames = slices.Clone(packet.Frames)
			if p.fault.packet != nil {
				p.fault.packet(packet)
			}
		}
	}
	if p.outcome != nil {
		p.outcome(probe, &outcome)
	}
	return outcome, nil
}

// Inject tells emissions that the fault has changed.
func (p *planted) Inject(ctx context.Context, at wire.Port, frames [][]byte) ([]wire.Emission, error) {
	out, err := p.Wire.Inject(ctx, at, frames)
	if err != nil || p.fault.emissions == nil {
		return out, err
	}
	return p.fault.emissions(at, frames, out), nil
}

// Drops tells counters that the fault has changed.
func (p *planted) Drops(ctx context.Context) (wire.Drops, error) {
	drops, err := p.Wire.Drops(ctx)
	if err == nil && p.fault.drops != nil {
		p.fault.drops(drops)
	}
	return drops, err
}

// Modes are those of the wire.
func (p *planted) Modes(ctx context.Context) (map[wire.Port]wire.Seat, error) {
	moder, ok := p.Wire.(wire.Moder)
	if !ok {
		return nil, fmt.Errorf("tell modes of XDP: the %s wire has no devices", p.Name())
	}
	return moder.Modes(ctx)
}

// ReadRules makes the wire tell rules, if it can.
func (p *planted) ReadRules() {
	if reader, ok := p.Wire.(wire.RuleReader); ok {
		reader.ReadRules()
	}
}

// ReadRows makes the wire tell rows, if it can.
func (p *planted) ReadRows() {
	if reader, ok := p.Wire.(wire.RowReader); ok {
		reader.ReadRows()
	}
}

// UnderlayFrames are those of the wire: what a fault invents is not counted.
func (p *planted) UnderlayFrames(ctx context.Context) (map[string]uint64, error) {
	meter, ok := p.Wire.(wire.Meter)
	if !ok {
		return nil, fmt.Errorf("count underlay frames: the %s wire does not count them", p.Name())
	}
	return meter.UnderlayFrames(ctx)
}
