// SPDX-License-Identifier: Apache-2.0

// Package oracle says what must become of every packet, from the objects
// alone. It is slow and obvious on purpose: no maps of bytes, no compiled
// state, no programs; one packet at a time, walked from host to host by the
// rules of the overlay. A scenario holds every wire against it.
//
// It shares with production only what hosts must agree on by definition: which
// of them bounce or divide, and which of these a pair of addresses asks
// (controlplane/overlay).
package oracle

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/sim/wire"
)

// Oracle remembers what hosts have learned from the packets it was asked
// about. Not safe for concurrent use.
type Oracle struct {
	world world
	now   time.Duration
	// paths is what each host has asked or learned, by host and address.
	paths map[string]map[place]path
	token int
	// real is the world of the moment. A host that is behind sees an earlier one,
	// which is in behind.
	real       world
	behind     map[string]world
	conditions map[string]wire.Condition
	// ahead is how far hosts' clocks are before the others'; time is of those.
	ahead map[string]time.Duration
	time  time.Duration
}

// place is an address inside a VPC.
type place struct {
	vpc  string
	addr netip.Addr
}

// path is what a host knows of the way to an address: nothing but that it has
// asked, or the host that the address is behind.
type path struct {
	host  string // "" while asked
	token int
	// tell says that the next packet there quotes the token, so that the
	// other side learns too.
	tell  bool
	since time.Duration
}

func (p path) learned() bool { return p.host != "" }

// New returns an oracle for a network without objects.
func New() *Oracle {
	o := &Oracle{conditions: map[string]wire.Condition{}, behind: map[string]world{}, ahead: map[string]time.Duration{}}
	o.real = newWorld(object.Set{})
	o.world = o.real
	o.Forget()
	return o
}

// Apply changes the objects. What hosts have learned about an address that is
// somewhere else now, or nowhere, is forgotten; so is what a host knew of a
// VPC that it no longer serves.
func (o *Oracle) Apply(set object.Set) error {
	next := newWorld(set)
	for host, paths := range o.paths {
		for at, known := range paths {
			if o.conditions[host].Behind() {
				continue
			}
			before, was := o.view(host).endpoints[at]
			after, is := next.endpoints[at]
			moved := was && (!is || before.Host != after.Host)
			if (known.learned() && moved) || !next.serves(host, at.vpc) || (is && after.Host == host) {
				delete(paths, at)
			}
		}
	}
	o.real, o.world = next, next
	return nil
}

// Forget empties what all hosts have learned.
func (o *Oracle) Forget() { o.paths = map[string]map[place]path{} }

// Advance steps the clock.
func (o *Oracle) Advance(d time.Duration) { o.time += d }

// Probe says what becomes of a conversation, and what it teaches the hosts.
// Endpoints are named "namespace/name" in the answer. A sender that does not
// exist, or lacks an address of the destination's family, is an error.
func (o *Oracle) Probe(p wire.Probe) (wire.Outcome, error) {
	var out wire.Outcome
	o.world = o.real
	from, ok := o.world.set.Endpoint(p.From)
	if !ok {
		return out, fmt.Errorf("probe from %s: there is no such endpoint", p.From)
	}
	to := p.To.Unmap()
	src, ok := ofFamily(from.Addresses, to)
	if !ok {
		return out, fmt.Errorf("probe from %s to %s: the endpoint has no address of that family", p.From, to)
	}
	count := max(p.Count, 1)
	if p.Proto == wire.TCP {
		count = 1
	}
	for range count {
		request := o.send(from, src, to)
		out.Requests = append(out.Requests, request)
		if !request.Delivered {
			continue
		}
		answerer, _ := o.real.set.Endpoint(request.To)
		reply := o.send(answerer, to, src)
		out.Replies = append(out.Replies, reply)
		if p.Proto == wire.TCP && reply.Delivered {
			o.converse(from, answerer, src, to)
		}
	}
	return out, nil
}

// converse walks what follows a handshake's SYN and SYN-ACK: ACK, data, its
// acknowledgement, echo, ACK, and a close from either side.
func (o *Oracle) converse(a, b object.Endpoint, addrA, addrB netip.Addr) {
	for _, sender := range "AABBAABA" {
		if sender == 'A' {
			o.send(a, addrA, addrB)
		} else {
			o.send(b, addrB, addrA)
		}
	}
}

func ofFamily(addrs []netip.Addr, like netip.Addr) (netip.Addr, bool) {
	for _, addr := range addrs {
		if addr.Is4() == like.Is4() {
			return addr, true
		}
	}
	return netip.Addr{}, false
}
