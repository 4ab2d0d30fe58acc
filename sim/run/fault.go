// SPDX-License-Identifier: Apache-2.0

package run

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/controlplane/overlay"
	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/link"
	"github.com/mizar-net/mizar/sim/scenario"
	"github.com/mizar-net/mizar/sim/wire"
)

// follower is an oracle that can be told of faults, and of what hosts and the
// operator make of them.
type follower interface {
	SetCondition(host string, c wire.Condition) error
	StepClock(host string, by time.Duration)
	Down(host string, down []string)
	Roles(overlay.Roles)
}

// tell tells the oracle the objects, with roles as they are and whom each host
// believes to be dead.
func (r *runner) tell(set object.Set, states []state.Host) error {
	if o, ok := r.oracle.(follower); ok {
		o.Roles(r.roles)
		for _, h := range states {
			o.Down(h.Name, down(h))
		}
	}
	return r.oracle.Apply(set)
}

// down are the peers that a host believes to be dead, as it stands in its state.
func down(h state.Host) (names []string) {
	for _, p := range h.Peers {
		if p.Down {
			names = append(names, p.Name)
		}
	}
	return names
}

// fault breaks or mends something on every wire, and asks each whether it is so.
func (r *runner) fault(ctx context.Context, f *scenario.Fault) ([]Check, error) {
	before := r.conditions[f.Host]
	kinds := kindsOf(before, f.Condition)
	r.conditions[f.Host] = f.Condition
	r.events = append(r.events, kinds...)
	if o, ok := r.oracle.(follower); ok {
		if err := o.SetCondition(f.Host, f.Condition); err != nil {
			return nil, fmt.Errorf("tell the oracle of a fault: %w", err)
		}
	}
	var checks []Check
	for _, w := range r.wires {
		faulty, ok := w.(wire.Faulty)
		if !ok {
			return nil, fmt.Errorf("break something of host %s: the %s wire has no faults", f.Host, w.Name())
		}
		if err := faulty.SetCondition(ctx, f.Host, f.Condition); err != nil {
			return nil, fmt.Errorf("make host %s %s on the %s wire: %w", f.Host, f.Condition, w.Name(), err)
		}
		all, err := faulty.Conditions(ctx)
		if err != nil {
			return nil, fmt.Errorf("ask the %s wire for its faults: %w", w.Name(), err)
		}
		for _, kind := range kinds {
			checks = append(checks, confirm(w.Name(), f, kind, all[f.Host]))
		}
	}
	if before.Behind() && !f.Condition.Behind() { // somebody may have waited for it
		return checks, r.apply(ctx, r.world.set)
	}
	return checks, nil
}

// confirm holds what a wire says of a host against what was asked for.
func confirm(who string, f *scenario.Fault, kind string, got wire.Condition) Check {
	c := Check{Name: "host " + f.Host, Wire: who, Cell: Cell{Proto: "fault", During: kind, Wire: who}, Seen: got.String()}
	if got != f.Condition {
		c.Failures = []Failure{{Field: "condition", Who: who, Got: got.String(), Against: "the scenario", Want: f.Condition.String()}}
	}
	return c
}

// kindsOf names what changes from one condition to the other, as cells have it.
func kindsOf(before, after wire.Condition) []string {
	var kinds []string
	b, a := before.Link, after.Link
	for _, k := range []struct {
		name    string
		changed bool
	}{
		{"host-dead", after.Dead && !before.Dead},
		{"agent-paused", after.Agent == wire.Paused && before.Agent != wire.Paused},
		{"agent-killed", after.Agent == wire.Killed && before.Agent != wire.Killed},
		{"link-down", a.Down && !b.Down},
		{"link-mtu", a.MTU != 0 && a.MTU != b.MTU},
		{"link-loss", worse(b, a, func(w link.Way) bool { return w.Loss > 0 })},
		{"link-delay", worse(b, a, func(w link.Way) bool { return w.Delay > 0 })},
		{"link-rate", worse(b, a, func(w link.Way) bool { return w.Rate > 0 })},
	} {
		if k.changed {
			kinds = append(kinds, k.name)
		}
	}
	if kinds == nil {
		kinds = []string{"mended"}
	}
	return kinds
}

// worse says whether a direction has something that it had not.
func worse(before, after link.Link, bad func(link.Way) bool) bool {
	return bad(after.In) && !bad(before.In) || bad(after.Out) && !bad(before.Out)
}

// clock steps one host's clock, on wires whose hosts have their own.
func (r *runner) clock(ctx context.Context, c *scenario.Clock) error {
	r.events = append(r.events, "clock-step")
	if o, ok := r.oracle.(follower); ok {
		o.StepClock(c.Host, c.Step)
	}
	for _, w := range r.wires {
		s, ok := w.(wire.Stepper)
		if !ok {
			return fmt.Errorf("step the clock of host %s: all hosts of the %s wire have one clock", c.Host, w.Name())
		}
		if err := s.StepClock(ctx, c.Host, c.Step); err != nil {
			return fmt.Errorf("on the %s wire: %w", w.Name(), err)
		}
	}
	return nil
}

// narrow says that some link loses packets by their size, which the oracle does
// not know, or made routers say so, which hosts have heard at some time.
func (r *runner) narrow() bool {
	for _, s := range r.ground.Segments {
		if slices.ContainsFunc(r.world.set.Hosts, func(h object.Host) bool { return s.MTU < h.MTU }) {
			return true
		}
	}
	for _, c := range r.conditions {
		if c.Link.MTU > 0 {
			return true
		}
	}
	return false
}
