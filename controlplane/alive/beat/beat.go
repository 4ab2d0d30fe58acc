// SPDX-License-Identifier: Apache-2.0

// Package beat carries heartbeats between hosts in UDP, and feeds the detector of
// package alive with them.
//
//	who asks                                who has a role
//	tick ──► Ask(boot, n) ────────────────► known address and name? ──┐
//	alive.Step ◄── known, quotes a question ◄──── Answer(boot, n) ────┘
//
// A host asks those whose roles it uses, once an interval: see [Watched]. Who has
// a role only answers, and need not know who uses it. So a host sends as many
// questions as it uses roles, however many hosts there are; and an answer proves
// that both directions work.
//
// What a host forwards does not depend on its agent. One whose agent is gone is
// believed to be down, is asked last for new pairs and misses no packet.
package beat

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/mizar-net/mizar/controlplane/alive"
	"github.com/mizar-net/mizar/dataplane/state"
)

// Port is the UDP port of heartbeats by default.
const Port = 6082

// Clock tells the time of a machine; it never goes back.
type Clock interface {
	Now() (time.Duration, error)
}

// Config of a host's heartbeats.
type Config struct {
	// Host is its own name, Addresses its underlay addresses: it speaks from
	// no other.
	Host      string
	Addresses []netip.Addr
	// Port is that of all hosts; 0 means [Port].
	Port uint16
	// Boot is a random number, another one for each process: answers that do
	// not quote it count for nothing.
	Boot     uint64
	Detector alive.Config
	Clock    Clock
}

// Counts are messages since the start.
type Counts struct {
	// Asked and Answered were sent, Heard are answers that counted.
	Asked, Answered, Heard uint64
	// Rejected came from no host of ours, under another's name, or answered
	// no question of ours. Unsent could not be sent.
	Rejected, Unsent uint64
}

// Beat is the heartbeats of one host. Make it with [Listen], tell it whom there is
// with [Beat.Watch], let it run with [Beat.Run]. It is safe for concurrent use.
type Beat struct {
	config  Config
	sockets []*net.UDPConn

	mu       sync.Mutex
	known    map[netip.Addr]string // hosts, by address
	targets  map[string]target     // watched hosts, by name
	heard    []alive.Heartbeat     // since the last tick
	believes alive.State
	asked    uint64
	counts   Counts
}

// target is a watched host.
type target struct {
	socket *net.UDPConn
	to     netip.AddrPort
	// answered is the greatest sequence it has answered.
	answered uint64
}

// Listen opens the host's sockets, one for each of its addresses, in the network
// namespace of the caller.
func Listen(c Config) (*Beat, error) {
	if err := c.Detector.Check(); err != nil {
		return nil, err
	}
	if c.Port == 0 {
		c.Port = Port
	}
	b := &Beat{config: c}
	for _, a := range c.Addresses {
		socket, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(a, c.Port)))
		if err != nil {
			return nil, errors.Join(fmt.Errorf("listen for heartbeats of host %s: %w", c.Host, err), b.close())
		}
		b.sockets = append(b.sockets, socket)
	}
	if len(b.sockets) == 0 {
		return nil, fmt.Errorf("listen for heartbeats of host %s: it has no underlay address", c.Host)
	}
	return b, nil
}

// Watch replaces whom there is (heartbeats of others are rejected) and whom of
// them to ask. What is believed of those who stay, stays.
func (b *Beat) Watch(peers []state.Peer, watched []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	before := b.targets
	b.known, b.targets = map[netip.Addr]string{}, map[string]target{}
	for _, p := range peers {
		for _, a := range p.Addresses {
			b.known[a] = p.Name
		}
		if !slices.Contains(watched, p.Name) {
			continue
		}
		if t, ok := b.target(p); ok {
			t.answered = before[p.Name].answered
			b.targets[p.Name] = t
		}
	}
}

// target is the first of our sockets whose family a peer has, and the peer's
// address of that family.
func (b *Beat) target(p state.Peer) (target, bool) {
	for i, ours := range b.config.Addresses {
		for _, its := range p.Addresses {
			if ours.Is4() == its.Is4() {
				return target{socket: b.sockets[i], to: netip.AddrPortFrom(its, b.config.Port)}, true
			}
		}
	}
	return target{}, false
}

// Run asks at every tick, answers whenever it is asked, and tells who is dead, in
// order of names, whenever that changes. It closes the sockets and returns when ctx
// is done, with its cause; when the ticks end, with nil; or when a socket breaks.
// Ticks come once an interval of the detector, from the caller, so that time does.
func (b *Beat) Run(ctx context.Context, ticks <-chan time.Time, tell func(dead []string)) error {
	broken := make(chan error, len(b.sockets))
	var readers sync.WaitGroup
	for _, socket := range b.sockets {
		readers.Go(func() { broken <- b.listen(socket) })
	}
	err := b.loop(ctx, ticks, broken, tell)
	err = errors.Join(err, b.close())
	readers.Wait()
	return err
}

func (b *Beat) loop(ctx context.Context, ticks <-chan time.Time, broken <-chan error, tell func([]string)) error {
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case err := <-broken:
			return err
		case _, more := <-ticks:
			if !more {
				return nil
			}
			dead, changed, err := b.tick()
			if err != nil {
				return err
			}
			if changed {
				tell(dead)
			}
		}
	}
}

// tick judges what was heard since the last one, and asks anew.
func (b *Beat) tick() (dead []string, changed bool, err error) {
	now, err := b.config.Clock.Now()
	if err != nil {
		return nil, false, fmt.Errorf("heartbeats of host %s: %w", b.config.Host, err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	before := b.believes.Dead()
	watched := make([]string, 0, len(b.targets))
	for name := range b.targets {
		watched = append(watched, name)
	}
	b.believes, b.heard = b.config.Detector.Step(b.believes, watched, b.heard, now), nil
	b.ask()
	dead = b.believes.Dead()
	return dead, !slices.Equal(before, dead), nil
}

func (b *Beat) ask() {
	b.asked++
	m := Message{Kind: Ask, Host: b.config.Host, Boot: b.config.Boot, Sequence: b.asked}.Append(nil)
	for _, t := range b.targets {
		b.counts.Asked++
		b.send(t.socket, t.to, m)
	}
}

// send counts what a host without a route, or with a full queue, cannot send: to
// whom it was, it is a lost heartbeat.
func (b *Beat) send(socket *net.UDPConn, to netip.AddrPort, m []byte) {
	if _, err := socket.WriteToUDPAddrPort(m, to); err != nil {
		b.counts.Unsent++
	}
}

// listen takes messages until the socket is closed.
func (b *Beat) listen(socket *net.UDPConn) error {
	buffer := make([]byte, header+maxName+1)
	for {
		n, from, err := socket.ReadFromUDPAddrPort(buffer)
		switch {
		case errors.Is(err, net.ErrClosed):
			return nil
		case err != nil:
			return fmt.Errorf("hear heartbeats of host %s: %w", b.config.Host, err)
		}
		if err := b.take(socket, netip.AddrPortFrom(from.Addr().Unmap(), from.Port()), buffer[:n]); err != nil {
			return err
		}
	}
}

func (b *Beat) take(socket *net.UDPConn, from netip.AddrPort, datagram []byte) error {
	now, err := b.config.Clock.Now()
	if err != nil {
		return fmt.Errorf("heartbeats of host %s: %w", b.config.Host, err)
	}
	m, wrong := Parse(datagram)
	b.mu.Lock()
	defer b.mu.Unlock()
	t, watched := b.targets[m.Host]
	switch {
	case wrong != nil, m.Host != b.known[from.Addr()], from.Port() != b.config.Port:
		b.counts.Rejected++
	case m.Kind == Ask:
		b.counts.Answered++
		m.Kind, m.Host = Answer, b.config.Host
		b.send(socket, from, m.Append(nil))
	case !watched, m.Boot != b.config.Boot, m.Sequence <= t.answered, m.Sequence > b.asked:
		b.counts.Rejected++
	default:
		t.answered = m.Sequence
		b.targets[m.Host] = t
		b.counts.Heard++
		b.heard = append(b.heard, alive.Heartbeat{From: m.Host, At: now})
	}
	return nil
}

// Counts are the messages so far.
func (b *Beat) Counts() Counts {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.counts
}

func (b *Beat) close() error {
	var failed error
	for _, socket := range b.sockets {
		failed = errors.Join(failed, socket.Close())
	}
	return failed
}

// Watched are the hosts whose roles a host uses, in order of names: the bouncers
// of the subnets and the dividers of the VPCs that it serves.
func Watched(s state.Host) []string {
	var names []string
	for _, n := range s.Subnets {
		names = append(names, n.Bouncers...)
	}
	for _, v := range s.VPCs {
		names = append(names, v.Dividers...)
	}
	slices.Sort(names)
	return slices.DeleteFunc(slices.Compact(names), func(name string) bool { return name == s.Name })
}
