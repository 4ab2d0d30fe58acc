// SPDX-License-Identifier: Apache-2.0

package run

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/mizar-net/mizar/controlplane/alive"
	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/sim/link"
	"github.com/mizar-net/mizar/sim/scenario"
	"github.com/mizar-net/mizar/sim/wire"
)

// liveness is what all hosts believe of each other. Heartbeats are simulated
// here, over links as they are, by the time that the scenario lets pass; the
// detector is that of production.
//
//	time ──► tick ──► heartbeats over links ──► alive.Step of each host ──► compile.Mark
type liveness struct {
	config alive.Config
	seed   int
	now    time.Duration
	// next is the time of the next heartbeats.
	next     time.Duration
	believes map[string]alive.State
	// flying are heartbeats that links delay, by who will hear them.
	flying map[string][]alive.Heartbeat
	sent   uint64
}

func newLiveness(seed int) *liveness {
	c := alive.Default()
	return &liveness{
		config: c, seed: seed, next: c.Interval,
		believes: map[string]alive.State{}, flying: map[string][]alive.Heartbeat{},
	}
}

// alive says what a host believes of another.
func (l *liveness) alive(host, peer string) bool { return l.believes[host].Alive(peer) }

// until says how much of a span of time passes before the next heartbeats.
func (l *liveness) until(span time.Duration) time.Duration { return min(span, l.next-l.now) }

// pass lets time pass, not beyond the next heartbeats, and says whether any host
// believes something else then.
func (l *liveness) pass(d time.Duration, hosts []string, conditions map[string]wire.Condition) (changed bool) {
	l.now += d
	if l.now < l.next {
		return false
	}
	l.next += l.config.Interval
	l.send(hosts, conditions)
	for _, host := range hosts {
		peers := slices.DeleteFunc(slices.Clone(hosts), func(h string) bool { return h == host })
		before := l.believes[host].Dead()
		l.believes[host] = l.config.Step(l.believes[host], peers, l.arrived(host), l.now)
		changed = changed || !slices.Equal(before, l.believes[host].Dead())
	}
	return changed
}

// send lets every host that can send a heartbeat to every other.
func (l *liveness) send(hosts []string, conditions map[string]wire.Condition) {
	for _, from := range hosts {
		c := conditions[from]
		if c.Dead || c.Agent == wire.Killed {
			continue
		}
		for _, to := range hosts {
			out, in := c.Carrying(), conditions[to].Carrying()
			if from == to || out.Down || in.Down || l.lost(out.Out) || l.lost(in.In) {
				continue
			}
			at := l.now + out.Out.Delay + in.In.Delay
			l.flying[to] = append(l.flying[to], alive.Heartbeat{From: from, At: at})
		}
	}
}

// lost says whether a link loses the next heartbeat.
func (l *liveness) lost(w link.Way) bool {
	if w.Loss == 0 {
		return false
	}
	l.sent++
	return link.Roll(uint64(l.seed)<<32+l.sent) < w.Loss
}

// arrived takes the heartbeats that have reached a host by now, in order of time.
func (l *liveness) arrived(host string) []alive.Heartbeat {
	var here, later []alive.Heartbeat
	for _, h := range l.flying[host] {
		if h.At <= l.now {
			here = append(here, h)
		} else {
			later = append(later, h)
		}
	}
	l.flying[host] = later
	slices.SortStableFunc(here, func(a, b alive.Heartbeat) int { return int(a.At - b.At) })
	return here
}

// advance lets time pass on all wires, heartbeat by heartbeat; what hosts then
// believe of each other goes into their states.
func (r *runner) advance(ctx context.Context, d time.Duration) error {
	for d > 0 {
		span := r.live.until(d)
		r.oracle.Advance(span)
		for _, w := range r.wires {
			if err := w.Advance(ctx, span); err != nil {
				return fmt.Errorf("advance the clock of the %s wire: %w", w.Name(), err)
			}
		}
		d -= span
		if !r.live.pass(span, r.hosts(), r.conditions) {
			continue
		}
		if err := r.apply(ctx, r.world.set); err != nil {
			return err
		}
	}
	return nil
}

// believer is an oracle that can be told whom hosts take to be down.
type believer interface {
	Down(host string, down []string)
}

// tellBeliefs tells the oracle what hosts believe of each other.
func (r *runner) tellBeliefs(set object.Set) {
	o, ok := r.oracle.(believer)
	if !ok {
		return
	}
	for _, h := range set.Hosts {
		var down []string
		for _, peer := range set.Hosts {
			if peer.Name != h.Name && !r.live.alive(h.Name, peer.Name) {
				down = append(down, peer.Name)
			}
		}
		o.Down(h.Name, down)
	}
}

// hosts are the names of all hosts, sorted.
func (r *runner) hosts() []string {
	names := make([]string, len(r.world.set.Hosts))
	for i, h := range r.world.set.Hosts {
		names[i] = h.Name
	}
	return names
}

// down compares whom hosts believe to be dead, as it stands in their states.
func (r *runner) down(a *scenario.Assert, who string) Check {
	c := Check{Name: "hosts believed to be dead", Wire: who, Cell: Cell{Proto: "live-sets", Wire: who}}
	for _, h := range r.states {
		want, asked := a.Down[h.Name]
		if !asked {
			continue
		}
		var got []string
		for _, p := range h.Peers {
			if p.Down {
				got = append(got, p.Name)
			}
		}
		c.Seen += fmt.Sprintf("%s: %s; ", h.Name, join(got))
		if !slices.Equal(got, want) {
			c.Failures = append(c.Failures, Failure{
				Field: "dead hosts, as " + h.Name + " believes", Who: who, Got: join(got), Against: "the scenario", Want: join(want),
			})
		}
	}
	return c
}
