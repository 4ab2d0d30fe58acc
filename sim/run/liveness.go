// SPDX-License-Identifier: Apache-2.0

package run

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/mizar-net/mizar/controlplane/alive"
	"github.com/mizar-net/mizar/sim/link"
	"github.com/mizar-net/mizar/sim/scenario"
	"github.com/mizar-net/mizar/sim/wire"
)

// liveness is what all hosts believe of each other. Heartbeats are simulated
// here, over links as they are, by the time that the scenario lets pass; the
// detector is that of production.
//
//	time ──► tick ──► heartbeats over links ──► alive.Step of each host ──► compile.Mark
//	                                       └──► alive.Step of the operator ──► where roles are
type liveness struct {
	config alive.Config
	// operator is the detector of the operator, which hears every host that can
	// send and has no link that breaks. It waits longer than hosts do: they ask
	// somebody else at once, while a role that moves takes its directory along.
	operator alive.Config
	seed     int
	now      time.Duration
	// next is the time of the next heartbeats.
	next     time.Duration
	believes map[string]alive.State
	// flying are heartbeats that links delay, by who will hear them.
	flying map[string][]alive.Heartbeat
	sent   uint64
}

func newLiveness(seed int) *liveness {
	c := alive.Default()
	slower := c
	slower.DeadAfter += 2 * c.Interval
	return &liveness{
		config: c, operator: slower, seed: seed, next: c.Interval,
		believes: map[string]alive.State{}, flying: map[string][]alive.Heartbeat{},
	}
}

// alive says what a host believes of another.
func (l *liveness) alive(host, peer string) bool { return l.believes[host].Alive(peer) }

// theOperator is the operator's name among those who hear heartbeats: no host has it.
const theOperator = ""

// dead are the hosts that the operator believes to be dead.
func (l *liveness) dead() []string { return l.believes[theOperator].Dead() }

// until says how much of a span of time passes before the next heartbeats.
func (l *liveness) until(span time.Duration) time.Duration { return min(span, l.next-l.now) }

// pass lets time pass, not beyond the next heartbeats, and says whether any host
// or the operator believes something else then.
func (l *liveness) pass(d time.Duration, hosts []string, conditions map[string]wire.Condition) (changed bool) {
	l.now += d
	if l.now < l.next {
		return false
	}
	l.next += l.config.Interval
	l.send(hosts, conditions)
	for _, who := range listeners(hosts) {
		config := l.config
		if who == theOperator {
			config = l.operator
		}
		peers := slices.DeleteFunc(slices.Clone(hosts), func(h string) bool { return h == who })
		before := l.believes[who].Dead()
		l.believes[who] = config.Step(l.believes[who], peers, l.arrived(who), l.now)
		changed = changed || !slices.Equal(before, l.believes[who].Dead())
	}
	return changed
}

// listeners are all who hear heartbeats.
func listeners(hosts []string) []string { return append(slices.Clone(hosts), theOperator) }

// send lets every host that can send a heartbeat to every other, and to the operator.
func (l *liveness) send(hosts []string, conditions map[string]wire.Condition) {
	for _, from := range hosts {
		c := conditions[from]
		if c.Dead || c.Agent == wire.Killed {
			continue
		}
		for _, to := range listeners(hosts) {
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
		got := down(h)
		c.Seen += fmt.Sprintf("%s: %s; ", h.Name, join(got))
		if !slices.Equal(got, want) {
			c.Failures = append(c.Failures, Failure{
				Field: "dead hosts, as " + h.Name + " believes", Who: who, Got: join(got), Against: "the scenario", Want: join(want),
			})
		}
	}
	return c
}
