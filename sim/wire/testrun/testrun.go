// SPDX-License-Identifier: Apache-2.0

package testrun

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"runtime"
	"sync"
	"time"

	"github.com/mizar-net/mizar/dataplane/clock"
	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/link"
	"github.com/mizar-net/mizar/sim/wire"
	"github.com/mizar-net/mizar/topology"
)

// Wire is a network of hosts in memory. Close it. Calls are taken one at a time.
type Wire struct {
	maker Maker

	mu        sync.Mutex
	ground    topology.Underlay
	clock     clock.Virtual
	hosts     map[string]*host
	byMAC     map[state.MAC]*host
	endpoints map[string]*endpoint
	neighbour map[neighbourKey]state.MAC
	behind    map[frontend]map[netip.AddrPort]bool // ever, by states
	frames    map[string]uint64                    // on the underlay, by host
	written   wire.Written                         // by states
	made      int                                  // hosts ever made; gives them their MACs
	nextID    uint32                               // of fragments
	nextPort  uint16                               // the next source port that a probe gets
	rows      bool                                 // steps tell the contents of rows
	names     bool                                 // and what numbers stand for
	elapsed   bool                                 // time has passed since flows were collected
	seed      int                                  // of what links lose
	events    events
	traffic   map[string]*stream
	watch     func(at time.Duration, from string, frame []byte)
}

var (
	_ wire.Wire   = (*Wire)(nil)
	_ wire.Meter  = (*Wire)(nil)
	_ wire.Writer = (*Wire)(nil)
)

// New returns a network without hosts, whose machines come from maker: [Load],
// or the Make of a [Pool].
func New(maker Maker) *Wire {
	w := &Wire{
		maker:     maker,
		hosts:     map[string]*host{},
		byMAC:     map[state.MAC]*host{},
		endpoints: map[string]*endpoint{},
		neighbour: map[neighbourKey]state.MAC{},
		behind:    map[frontend]map[netip.AddrPort]bool{},
		frames:    map[string]uint64{},
		written:   wire.Written{},
		nextPort:  firstSourcePort,
		traffic:   map[string]*stream{},
	}
	_ = w.clock.Follow(w.tell) // there is no host yet that could fail
	return w
}

// Watch tells of every frame that a host puts on the underlay, whatever then
// becomes of it, and when.
func (w *Wire) Watch(seen func(at time.Duration, from string, frame []byte)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.watch = seen
}

// Name is "testrun".
func (*Wire) Name() string { return "testrun" }

// Apply makes every host hold its state. Hosts that are new are made, hosts that
// are not named any more are closed. When it fails, hosts that come before the
// failing one hold their new states, those after it their old ones.
func (w *Wire) Apply(ctx context.Context, hosts []state.Host) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	plugged, err := topology.Over(w.ground, hosts)
	if err != nil {
		return err
	}
	if err := w.makeHosts(hosts); err != nil {
		return err
	}
	for _, h := range plugged.Hosts {
		w.hosts[h.Name].segment = h.Segment
	}
	owners := w.owners(hosts)
	moving, err := w.moving(ctx, hosts)
	if err != nil {
		return err
	}
	for _, s := range hosts {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := w.applyHost(s, w.reach(w.hosts[s.Name], owners)); err != nil {
			return err
		}
		if err := w.hosts[s.Name].receive(moving[s.Name]); err != nil {
			return err
		}
	}
	if err := w.closeAllBut(hosts); err != nil {
		return err
	}
	clear(w.neighbour)
	w.remember(hosts)
	return w.indexEndpoints()
}

// makeHosts makes the hosts that are new; all at once, because loading programs
// keeps the kernel busy.
func (w *Wire) makeHosts(hosts []state.Host) error {
	var fresh []string
	for _, s := range hosts {
		if w.hosts[s.Name] == nil {
			fresh = append(fresh, s.Name)
		}
	}
	machines, err := w.makeAll(fresh)
	for i, m := range machines {
		if m == nil {
			continue
		}
		w.made++
		h := &host{
			name: fresh[i], machine: m, mac: uplinkMAC(w.made), lost: map[string]uint64{},
			in: link.NewLine(w.seed, fresh[i], "in"), out: link.NewLine(w.seed, fresh[i], "out"),
		}
		w.hosts[h.name], w.byMAC[h.mac] = h, h
	}
	return err
}

// makeAll makes machines; those that could not be made are nil.
func (w *Wire) makeAll(names []string) ([]Machine, error) {
	now, _ := w.clock.Now() // a virtual clock always knows
	machines, failed := make([]Machine, len(names)), make([]error, len(names))
	busy := make(chan struct{}, runtime.GOMAXPROCS(0))
	var all sync.WaitGroup
	for i, name := range names {
		busy <- struct{}{}
		all.Go(func() {
			defer func() { <-busy }()
			machines[i], failed[i] = w.makeOne(name, now)
		})
	}
	all.Wait()
	return machines, errors.Join(failed...)
}

func (w *Wire) makeOne(name string, now time.Duration) (Machine, error) {
	m, err := w.maker(name)
	if err != nil {
		return nil, fmt.Errorf("make host %s: %w", name, err)
	}
	if err := m.SetNow(now); err != nil {
		return nil, errors.Join(fmt.Errorf("make host %s: tell the time: %w", name, err), m.Close())
	}
	return m, nil
}

// owners are the MACs of all underlay addresses that any state names.
func (w *Wire) owners(hosts []state.Host) map[netip.Addr]state.MAC {
	all := map[netip.Addr]state.MAC{}
	for _, s := range hosts {
		for _, p := range s.Peers {
			for _, a := range p.Addresses {
				all[a] = nobody
			}
		}
	}
	for _, s := range hosts {
		for _, a := range s.Addresses {
			all[a] = w.hosts[s.Name].mac
		}
	}
	return all
}

func (w *Wire) applyHost(s state.Host, nextHops map[netip.Addr]state.MAC) error {
	h := w.hosts[s.Name]
	h.state = s
	if h.condition.Behind() {
		return nil
	}
	ports := h.renumber(s)
	report, err := h.machine.Apply(s, state.Local{
		UplinkIndex: uplinkPort, UplinkMAC: h.mac, Ports: ports, NextHops: nextHops, Outside: outside(s),
	})
	if err != nil {
		return fmt.Errorf("apply to host %s: %w", s.Name, err)
	}
	w.written.Note(s.Name, report)
	h.ports = ports
	return nil
}

// states are those that hosts are meant to hold.
func (w *Wire) states() []state.Host {
	all := make([]state.Host, 0, len(w.hosts))
	for _, h := range w.hosts {
		all = append(all, h.state)
	}
	return all
}

func (w *Wire) closeAllBut(hosts []state.Host) error {
	named := map[string]bool{}
	for _, s := range hosts {
		named[s.Name] = true
	}
	var failed error
	for name, h := range w.hosts {
		if named[name] {
			continue
		}
		delete(w.hosts, name)
		delete(w.byMAC, h.mac)
		failed = errors.Join(failed, h.machine.Close())
	}
	return failed
}

func (w *Wire) indexEndpoints() error {
	clear(w.endpoints)
	for _, h := range w.hosts {
		all, err := h.endpoints()
		if err != nil {
			return err
		}
		for _, e := range all {
			w.endpoints[e.Name] = e
		}
	}
	return nil
}

// Drops returns the packets each host has dropped, by reason.
func (w *Wire) Drops(context.Context) (wire.Drops, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := wire.Drops{}
	for name, h := range w.hosts {
		drops, err := h.machine.Drops()
		if err != nil {
			return nil, fmt.Errorf("drops of host %s: %w", name, err)
		}
		for reason, n := range h.lost {
			drops[reason] += n
		}
		all[name] = drops
	}
	return all, nil
}

// UnderlayFrames returns how many frames each host has put on the underlay.
func (w *Wire) UnderlayFrames(context.Context) (map[string]uint64, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.frames), nil
}

// Written implements wire.Writer.
func (w *Wire) Written(context.Context) (wire.Written, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.written.Clone(), nil
}

// Forget implements wire.Wire.
func (w *Wire) Forget(_ context.Context, places ...state.Place) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for name, h := range w.hosts {
		if err := h.machine.Forget(places...); err != nil {
			return fmt.Errorf("host %s: %w", name, err)
		}
	}
	return nil
}

// Advance steps the clock of all hosts, and lets happen what happens meanwhile.
func (w *Wire) Advance(ctx context.Context, d time.Duration) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if d <= 0 {
		return fmt.Errorf("advance the clock by %v: the step must be more than 0", d)
	}
	err := w.elapse(d)
	if w.elapsed = true; err != nil || d < time.Second {
		return err // a run advances from heartbeat to heartbeat
	}
	return w.collect(ctx)
}

func (w *Wire) tell(now time.Duration) error {
	for _, h := range w.hosts {
		if err := h.tell(now); err != nil {
			return err
		}
	}
	return nil
}

// Close closes all hosts.
func (w *Wire) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	clear(w.endpoints)
	w.events = nil
	return w.closeAllBut(nil)
}
