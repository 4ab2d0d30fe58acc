// SPDX-License-Identifier: Apache-2.0

package run

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/mizar-net/mizar/controlplane/compile"
	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/scenario"
	"github.com/mizar-net/mizar/sim/wire"
	"github.com/mizar-net/mizar/topology"
)

// Factory opens a wire. The run closes it.
type Factory struct {
	// Name is the wire's, as scenarios have it.
	Name string
	Open func(context.Context) (wire.Wire, error)
}

// Oracle says from the objects alone what becomes of packets. It remembers
// what hosts would have learned.
type Oracle interface {
	Apply(object.Set) error
	Probe(wire.Probe) (wire.Outcome, error)
	Forget(places ...state.Place)
	Advance(time.Duration)
}

// Config is what a run needs. All fields but Update and Notify are
// required.
type Config struct {
	// Wires to run on; those that the scenario does not ask for are left
	// out. None left is an error.
	Wires []Factory
	// Oracle makes a new one that has learned nothing.
	Oracle func() Oracle
	// Compile makes the states of all hosts from the objects, as they are seen
	// at one moment.
	Compile func(compile.View, object.Set) []state.Host
	// Form of the endpoint program, where the scenario itself says nothing
	// about it; empty: what the objects say.
	Form state.Form
	// Update, when set, writes the golden captures of replays, which then
	// are what the wires are compared with.
	Update Update
	// Notify, when set, is told what happens while it happens, in one
	// goroutine.
	Notify func(Event)
}

// Event is something that happened in a run.
type Event struct {
	Kind     EventKind
	Scenario *scenario.Scenario
	// Underlay is the family of this run, "v4" or "v6", where there are
	// several.
	Underlay string
	// Form is the endpoint program's, and XDP are the modes of this run, where
	// they are asked for.
	Form, XDP string
	// Wires that the run is on; Reports tells how each one's devices are
	// set, by its name. Both for Opened.
	Wires   []string
	Reports map[string]string
	// Index counts steps from 0, of Total.
	Index, Total int
	// Step is the step of the scenario, Done what came of it.
	Step *scenario.Step
	Done *Step
}

// EventKind is what happened.
type EventKind int

// The events, in the order that they come.
const (
	// Opening: wires are being built.
	Opening EventKind = iota
	// Opened: all hosts hold their first state.
	Opened
	// StepStarted and StepDone enclose each step.
	StepStarted
	StepDone
	// Closed: everything of this run is taken down.
	Closed
)

// ErrNotOnWire says that a scenario does not run on any of the wires asked for.
var ErrNotOnWire = errors.New("the scenario does not run on this wire")

// Run runs a scenario, once for each family of its underlay. The error is nil
// when the harness did its work, whatever the result; otherwise the result is of
// what was done until then.
func Run(ctx context.Context, s *scenario.Scenario, c Config) (Result, error) {
	started := time.Now()
	c.Wires = slices.Clone(c.Wires)
	c.Wires = slices.DeleteFunc(c.Wires, func(f Factory) bool { return !slices.Contains(s.Wires, f.Name) })
	r := Result{Scenario: s.Name, Title: s.Title, File: s.File, Status: Pass, Wires: names(c.Wires)}
	if len(c.Wires) == 0 {
		r.Status, r.Error = Error, fmt.Sprintf("%v: it runs on %v", ErrNotOnWire, s.Wires)
		return r, fmt.Errorf("run %s: %w: it runs on %v", s.Name, ErrNotOnWire, s.Wires)
	}
	for _, variant := range s.InForm(c.Form).Variants() {
		v, err := runVariant(ctx, variant, c)
		r.Runs, r.Elapsed = append(r.Runs, v), time.Since(started)
		if err != nil {
			r.Status, r.Error = Error, err.Error()
			return r, fmt.Errorf("run %s: %w", s.Name, err)
		}
		if v.Status == Fail {
			r.Status = Fail
		}
	}
	return r, nil
}

func names(factories []Factory) []string {
	all := make([]string, len(factories))
	for i, f := range factories {
		all[i] = f.Name
	}
	return all
}

// runner is one run of a scenario's steps.
type runner struct {
	Config
	scenario *scenario.Scenario
	// ground is the underlay of the moment, underlay the family of this run.
	ground   topology.Underlay
	underlay string
	form     string
	xdp      string
	world    world
	oracle   Oracle
	// servicePort is the last that a probe to a frontend came from.
	servicePort uint16
	wires       []wire.Wire
	// since is what the counters were at the last assert, by wire.
	since map[string]counters
	// states are those that hosts were last meant to hold.
	states     []state.Host
	live       *liveness
	conditions map[string]wire.Condition
	// events are the kinds of all that has happened, running is the traffic.
	events  []string
	running map[string]running
	operator
}

func runVariant(ctx context.Context, s *scenario.Scenario, c Config) (v Variant, err error) {
	r := &runner{
		Config: c, scenario: s, ground: s.Underlay, oracle: c.Oracle(), since: map[string]counters{},
		live: newLiveness(s.Seed), conditions: map[string]wire.Condition{}, running: map[string]running{},
	}
	if len(s.Families) == 1 {
		r.underlay = familyName(s.Families[0])
	}
	if len(s.Forms) == 1 {
		r.form = string(s.Forms[0])
	}
	if len(s.Modes) == 1 {
		r.xdp = s.Modes[0].String()
	}
	v.Underlay, v.Form, v.XDP, v.Status = r.underlay, r.form, r.xdp, Pass
	defer func() {
		if err = errors.Join(err, r.close()); err != nil {
			v.Status = Error
		}
	}()
	if err := r.open(ctx); err != nil {
		return v, err
	}
	for i := range s.Steps {
		if err := ctx.Err(); err != nil {
			return v, fmt.Errorf("stopped before step %d: %w", i+1, context.Cause(ctx))
		}
		step, err := r.step(ctx, i)
		if err != nil {
			return v, err
		}
		if v.Steps = append(v.Steps, step); step.Status == Fail {
			v.Status = Fail
		}
	}
	return v, nil
}

// open builds the wires and makes all hosts hold the first state.
func (r *runner) open(ctx context.Context) error {
	r.notify(Event{Kind: Opening, Wires: names(r.Wires)})
	for _, f := range r.Wires {
		w, err := f.Open(ctx)
		if err != nil {
			return fmt.Errorf("open the %s wire: %w", f.Name, err)
		}
		r.wires = append(r.wires, w)
		if faulty, ok := w.(wire.Faulty); ok {
			faulty.Seed(r.scenario.Seed)
		}
	}
	if err := r.apply(ctx, r.scenario.Objects); err != nil {
		return err
	}
	reports := map[string]string{}
	for _, w := range r.wires {
		if reporter, ok := w.(wire.Reporter); ok {
			report, err := reporter.Report(ctx)
			if err != nil {
				return fmt.Errorf("ask the %s wire for its devices: %w", w.Name(), err)
			}
			reports[w.Name()] = report
		}
		at, err := count(ctx, w)
		if err != nil {
			return err
		}
		r.since[w.Name()] = at
	}
	r.notify(Event{Kind: Opened, Wires: names(r.Wires), Reports: reports})
	return nil
}

func (r *runner) close() error {
	var errs []error
	for _, w := range slices.Backward(r.wires) {
		if err := w.Close(); err != nil {
			errs = append(errs, fmt.Errorf("close the %s wire: %w", w.Name(), err))
		}
	}
	r.notify(Event{Kind: Closed})
	return errors.Join(errs...)
}

// apply makes everybody hold what a set of objects asks for, as an operator would:
// successive users of an address are told apart, and roles move step by step, as
// far as the hosts that are behind let them.
func (r *runner) apply(ctx context.Context, set object.Set) error {
	set, err := r.generations(set, r.live.now)
	if err != nil {
		return err
	}
	behind := func(host string) bool { return r.conditions[host].Behind() }
	r.place(set, r.live.dead(), behind)
	for moved := true; moved; moved = r.place(set, r.live.dead(), behind) {
		if err := r.hold(ctx, set); err != nil {
			return err
		}
	}
	return nil
}

// hold makes everybody hold a set of objects with roles as they are now.
func (r *runner) hold(ctx context.Context, set object.Set) error {
	book := r.book
	states := r.Compile(compile.View{Roles: r.roles, Live: r.live.alive, Identities: &book}, set)
	if err := r.tell(set, states); err != nil {
		return fmt.Errorf("tell the oracle the objects: %w", err)
	}
	for _, w := range r.wires {
		if err := lay(w, r.ground); err != nil {
			return err
		}
		if err := w.Apply(ctx, states); err != nil {
			return fmt.Errorf("apply the states on the %s wire: %w", w.Name(), err)
		}
	}
	r.world, r.states = newWorld(set, states), states
	return nil
}

// lay tells a wire its underlay.
func lay(w wire.Wire, u topology.Underlay) error {
	grounder, ok := w.(wire.Grounder)
	if ok {
		grounder.Ground(u)
	} else if u.Routed() {
		return fmt.Errorf("lay the underlay of the %s wire: it knows no segments and routers", w.Name())
	}
	return nil
}

// rebuild changes the underlay under the same objects.
func (r *runner) rebuild(ctx context.Context, c *scenario.Rebuild) error {
	for i, s := range c.Underlay.Segments {
		if i < len(r.ground.Segments) && s.MTU < r.ground.Segments[i].MTU {
			r.events = append(r.events, "underlay-mtu")
		}
	}
	r.ground = c.Underlay
	return r.apply(ctx, r.world.set)
}

func (r *runner) notify(e Event) {
	if r.Notify == nil {
		return
	}
	e.Scenario, e.Underlay, e.Form, e.XDP, e.Total = r.scenario, r.underlay, r.form, r.xdp, len(r.scenario.Steps)
	r.Notify(e)
}

func (r *runner) step(ctx context.Context, i int) (Step, error) {
	s := &r.scenario.Steps[i]
	r.notify(Event{Kind: StepStarted, Index: i, Step: s})
	done := Step{Name: s.Name, Kind: s.Kind(), Rows: s.Rows, Line: s.At.Line}
	started := time.Now()
	var err error
	if s.Table != nil {
		done.Checks, done.Matrix, err = r.table(ctx, s.Table)
	} else {
		done.Checks, err = r.do(ctx, s)
	}
	if err != nil {
		return done, fmt.Errorf("step %d (%s:%d): %w", i+1, s.At.File, s.At.Line, err)
	}
	done.Elapsed = time.Since(started)
	done.settle()
	r.notify(Event{Kind: StepDone, Index: i, Step: s, Done: &done})
	return done, nil
}

func (r *runner) do(ctx context.Context, s *scenario.Step) ([]Check, error) {
	switch {
	case s.Probe != nil:
		return r.probe(ctx, s.Probe)
	case s.Trace != nil:
		return r.trace(ctx, s.Trace)
	case s.Send != nil:
		return r.send(ctx, s.Send)
	case s.Replay != nil:
		return r.replay(ctx, s.Replay)
	case s.Change != nil:
		if err := r.delete(r.world.set, s.Change, r.live.now); err != nil {
			return nil, err
		}
		r.events = append(r.events, s.Kind())
		return nil, r.apply(ctx, s.Change.Objects)
	case s.Fault != nil:
		return r.fault(ctx, s.Fault)
	case s.Clock != nil:
		return nil, r.clock(ctx, s.Clock)
	case s.Traffic != nil:
		return nil, r.traffic(ctx, s.Traffic)
	case s.Stop != nil:
		return r.stop(ctx, s.Stop)
	case s.Scan != nil:
		return nil, r.scan(ctx, s.Scan)
	case s.Rebuild != nil:
		return nil, r.rebuild(ctx, s.Rebuild)
	case s.Assert != nil:
		return r.assert(ctx, s.Assert)
	case s.Forget:
		return nil, r.forget(ctx)
	}
	return nil, r.advance(ctx, s.Advance)
}

func (r *runner) forget(ctx context.Context, places ...state.Place) error {
	r.oracle.Forget(places...)
	for _, w := range r.wires {
		if err := w.Forget(ctx, places...); err != nil {
			return fmt.Errorf("make hosts forget on the %s wire: %w", w.Name(), err)
		}
	}
	return nil
}
