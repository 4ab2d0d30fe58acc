// SPDX-License-Identifier: Apache-2.0

package veth

import (
	"context"
	"errors"
	"fmt"

	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/link"
	"github.com/mizar-net/mizar/sim/wire"
)

var _ wire.Faulty = (*Wire)(nil)

// Seed implements wire.Faulty.
func (w *Wire) Seed(seed int) {
	w.seed = seed
	for _, r := range w.relays {
		r.reseed(seed)
	}
}

// SetCondition implements wire.Faulty. The first fault of a host puts a relay into
// its link, where it stays.
func (w *Wire) SetCondition(ctx context.Context, host string, c wire.Condition) error {
	at := w.states[host]
	if at.Name == "" {
		return fmt.Errorf("set the condition of host %s: there is no such host", host)
	}
	if _, err := w.settle(ctx, nil); err != nil { // what is on its way still meets the old condition
		return err
	}
	if c.Carrying() != (link.Link{}) && w.relays[host] == nil {
		r, err := newRelay(w.room, host, w.topoHost(host).MAC, w.seed)
		if err != nil {
			return err
		}
		w.relays[host] = r
	}
	if r := w.relays[host]; r != nil {
		r.set(c.Carrying())
	}
	if r := w.reach[host]; r != nil && c.Behind() {
		r.pause()
	}
	if a := w.agents[host]; a != nil {
		a.behind.Store(c.Behind())
	}
	before := w.conditions[host]
	w.conditions[host] = c
	if before.Dead != c.Dead {
		set := w.room.Revive
		if c.Dead {
			set = w.room.Deaden
		}
		if err := set(host); err != nil {
			return err
		}
	}
	if !before.Behind() || c.Behind() {
		return nil
	}
	if err := w.catchUp(at); err != nil {
		return fmt.Errorf("host %s: %w", host, err)
	}
	return w.room.Ready(ctx)
}

// catchUp gives a host the state that it was last meant to hold.
func (w *Wire) catchUp(h state.Host) error {
	if err := w.hold(h); err != nil {
		return err
	}
	return AttachAll(w.room, h, w.paths[h.Name])
}

// Conditions implements wire.Faulty: links are as the relays have them.
func (w *Wire) Conditions(context.Context) (map[string]wire.Condition, error) {
	all := map[string]wire.Condition{}
	for _, h := range w.topo.Hosts {
		c := w.conditions[h.Name]
		l := link.Link{}
		if r := w.relays[h.Name]; r != nil {
			var err error
			if l, _, err = r.now(); err != nil {
				return nil, err
			}
		}
		if l != c.Carrying() {
			c.Link = l
		}
		all[h.Name] = c
	}
	return all, nil
}

// addLost adds what relays have lost.
func (w *Wire) addLost(drops wire.Drops) error {
	for host, r := range w.relays {
		_, lost, err := r.now()
		if err != nil {
			return err
		}
		for reason, n := range lost {
			if drops[host] == nil {
				drops[host] = map[string]uint64{}
			}
			drops[host][reason] += n
		}
	}
	return nil
}

// silent is the outcome of a probe of an endpoint that no program hears; ok is
// false for any other.
func (w *Wire) silent(c call) (out wire.Outcome, ok bool) {
	at := w.conditions[c.from.host]
	_, held := w.held[c.from.host][c.From]
	p := wire.Packet{Hosts: []string{c.from.host}, Dropper: c.from.host}
	switch {
	case at.Dead:
		p.Reason = link.Dead
	case at.Behind() && !held:
		p.Reason = link.NoPort
	default:
		return out, false
	}
	for range c.Count {
		out.Requests = append(out.Requests, p)
	}
	return out, true
}

// orphan gives a packet that nobody has dropped, and that ended at a host which is
// behind, the reason for it.
func (w *Wire) orphan(p *wire.Packet) {
	last := p.Hosts[len(p.Hosts)-1]
	if !p.Delivered && p.Reason == "" && w.conditions[last].Behind() {
		p.Reason, p.Dropper = link.NoPort, last
	}
}

func (w *Wire) closeRelays() error {
	var errs []error
	for _, r := range w.relays {
		errs = append(errs, r.close())
	}
	clear(w.relays)
	return errors.Join(errs...)
}
