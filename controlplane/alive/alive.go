// SPDX-License-Identifier: Apache-2.0

// Package alive says which hosts a host believes to be alive, from the
// heartbeats that it has received and nothing else.
//
// It is pure: it is told the time and what was heard, and returns what is
// believed then. Every host believes by itself, so for a while two hosts may
// believe otherwise; whoever uses a live set must not depend on agreement.
//
//	         no heartbeat for DeadAfter
//	alive ───────────────────────────────► dead
//	  ▲                                      │
//	  └──────────────────────────────────────┘
//	    BackAfter heartbeats, none of them
//	    later than DeadAfter after the last
package alive

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// Config says when a host is believed to be dead, and when again alive.
type Config struct {
	// Interval is the time between two heartbeats of one host.
	Interval time.Duration
	// DeadAfter is how long a host may be silent: more than one Interval, or a
	// single lost heartbeat would be a death.
	DeadAfter time.Duration
	// BackAfter is how many heartbeats in a row make a dead host alive.
	BackAfter int
}

// Default finds a death within a second: it looks once an interval, so at most
// DeadAfter and one interval after the last heartbeat. Three heartbeats in a row
// may be lost.
func Default() Config {
	return Config{Interval: 200 * time.Millisecond, DeadAfter: 800 * time.Millisecond, BackAfter: 2}
}

// Check says what of a configuration cannot work.
func (c Config) Check() error {
	switch {
	case c.Interval <= 0:
		return fmt.Errorf("heartbeats: interval %v: want more than 0", c.Interval)
	case c.DeadAfter < 2*c.Interval:
		return fmt.Errorf("heartbeats: dead after %v: want at least two intervals of %v, so that one may be lost", c.DeadAfter, c.Interval)
	case c.BackAfter < 1:
		return fmt.Errorf("heartbeats: back after %d: want at least 1", c.BackAfter)
	}
	return nil
}

// Heartbeat is one that was received.
type Heartbeat struct {
	// From is the name of the host that sent it.
	From string
	At   time.Duration
}

// State is what one host believes. It is a value: [Config.Step] returns a new
// one. The zero value knows no peers.
type State struct {
	peers map[string]peer
}

// peer is what is believed of one host.
type peer struct {
	dead bool
	// last is the time of the last heartbeat, or when the host was first
	// expected.
	last time.Duration
	// row counts heartbeats in a row since the death.
	row int
}

// Step returns what is believed at now. heard are the heartbeats since the last
// step, in order of time; peers are all hosts that heartbeats are expected of.
// A host that is new among them is alive, and has until now+DeadAfter to speak.
func (c Config) Step(s State, peers []string, heard []Heartbeat, now time.Duration) State {
	next := State{peers: make(map[string]peer, len(peers))}
	for _, name := range peers {
		p, known := s.peers[name]
		if !known {
			p = peer{last: now}
		}
		for _, h := range heard {
			if h.From == name {
				p = c.hear(p, h.At)
			}
		}
		if now-p.last >= c.DeadAfter {
			p.dead, p.row = true, 0
		}
		next.peers[name] = p
	}
	return next
}

// hear is a peer after one more heartbeat.
func (c Config) hear(p peer, at time.Duration) peer {
	if at-p.last >= c.DeadAfter { // the silence before was a death of its own
		p.dead, p.row = true, 0
	}
	p.last = max(p.last, at)
	if !p.dead {
		return p
	}
	if p.row++; p.row >= c.BackAfter {
		p.dead, p.row = false, 0
	}
	return p
}

// Alive says whether a host is believed to be alive; of a host that it was never
// told of, it believes so.
func (s State) Alive(host string) bool { return !s.peers[host].dead }

// Dead are the names of the hosts that are believed to be dead, sorted.
func (s State) Dead() []string {
	var dead []string
	for _, name := range slices.Sorted(maps.Keys(s.peers)) {
		if s.peers[name].dead {
			dead = append(dead, name)
		}
	}
	return dead
}
