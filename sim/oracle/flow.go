// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"net/netip"
	"reflect"
	"slices"
	"time"

	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/oracle/judge"
)

// The drop reasons of policy and flows.
const (
	policyEgress  = "policy_egress"
	policyIngress = "policy_ingress"
	flowQuota     = "flow_quota"
)

// What an endpoint may open: 20,000 flows a second, and 16,384 at once.
const (
	openingEvery = 50 * time.Microsecond
	openingAhead = 16384 * openingEvery
)

// tuple is what a packet says of its flow.
type tuple struct {
	protocol uint8
	// from and to are its ports; of an echo, the one who asks has the identifier, and
	// the other 0.
	from, to uint16
	tcp      flags
}

// flags are TCP's, as far as they matter.
type flags struct{ syn, ack, fin, rst bool }

// flowKey is a conversation, whoever speaks.
type flowKey struct {
	vpc       string
	protocol  uint8
	low, high netip.AddrPort
}

// key is the packet's, and whether its source is the lower end.
func (w *walk) key() (k flowKey, low bool) {
	a, b := netip.AddrPortFrom(w.src, w.flow.from), netip.AddrPortFrom(w.dst, w.flow.to)
	if low = a.Compare(b) <= 0; !low {
		a, b = b, a
	}
	return flowKey{w.vpc.Name, w.flow.protocol, a, b}, low
}

// phase is how far a flow has come.
type phase int

const (
	opening phase = iota
	replied       // TCP: the SYN-ACK was seen
	established
	closing
	closed
	cut // policy has changed, and refuses it now
)

// flow is a conversation as one host tracks it.
type flow struct {
	// low says that the lower end opened it.
	low   bool
	phase phase
	seen  time.Duration
	// sets are those that accepted it, rules what they named, by direction; ends are
	// who they accepted: of who opened, and of the other.
	sets  [2]set
	rules [2][]string
	ends  [2]end
	// fin says who has closed.
	fin [2]bool
	// frontend is what it was opened to, where a backend has it.
	frontend netip.AddrPort
	// gate is what who is outside has opened it to; it is invalid for all other flows.
	gate netip.AddrPort
	// leaves says that it was opened to who is outside.
	leaves bool
	// settled says that both sides have spoken.
	settled bool
	// doubted says that an end is not who it was taken for.
	doubted bool
}

// How long a flow of a phase lives without a packet: of TCP, of others, and of those
// echoes (RFC 5382, 5; RFC 4787, 4.3; RFC 5508, 3.2).
var (
	idleTCP = map[phase]time.Duration{
		opening: 60 * time.Second, replied: 60 * time.Second, established: 124 * time.Minute,
		closing: 240 * time.Second, closed: 10 * time.Second, cut: 300 * time.Second,
	}
	idle = map[phase]time.Duration{opening: 30 * time.Second, established: 300 * time.Second, cut: 30 * time.Second}
)

const idleEcho = 60 * time.Second

func (f *flow) expired(k flowKey, now time.Duration) bool {
	lives := idle[f.phase]
	switch echo := k.protocol == 1 || k.protocol == 58; {
	case k.protocol == judge.TCP:
		lives = idleTCP[f.phase]
	case echo && f.phase != cut:
		lives = idleEcho
	}
	return now-f.seen > lives
}

// verdict is what tracking a packet comes to.
type verdict struct {
	reason string
	// ask says that the identity of the destination is needed first.
	ask bool
}

var pass = verdict{}

// directions are those that a flow is judged in: at who opened, and at the other.
var directions = [2]state.Direction{state.Egress, state.Ingress}

// track says what a host makes of a packet with an end behind it. A flow is judged
// when it opens, and again when something has changed that it was judged by; a
// packet that is refused leaves no flow behind.
func (o *Oracle) track(n *node, w *walk, to end) verdict {
	k, low := w.key()
	now := o.now(n.name)
	from := n.source(w)
	o.collect(n)
	f := n.flows[k]
	taken := f != nil && f.taken(w, low)
	if taken && f.settled && f.phase < closed {
		return verdict{reason: flowTaken}
	}
	// Whoever is outside and has the address of an endpoint makes way for that.
	foreign := f != nil && f.gate.IsValid() && !w.gate.IsValid() && f.low == low
	if f == nil || taken || foreign || f.anew(w.flow, low) {
		return o.open(n, w, &[2]end{from, to})
	}
	ends := [2]end{from, to}
	if f.low != low {
		if to.here == nil {
			to = o.opener(w, f, to)
		}
		ends = [2]end{to, from}
	}
	if v := n.again(w, f, &ends); v != pass {
		return v
	}
	f.seen = now
	for i, e := range ends {
		if e.known {
			f.ends[i] = e
		}
	}
	f.advance(w.flow, f.low == low)
	w.out.Rules = slices.Concat(w.out.Rules, f.rules[0], f.rules[1])
	return pass
}

// collect lets the flows of a host go whose time is up, as its agent does while time
// passes. One that is cut now, and was silent for long, is there until then.
func (o *Oracle) collect(n *node) {
	now := o.now(n.name)
	if n.collected == now || o.conditions[n.name].Behind() {
		return
	}
	n.collected = now
	for k, f := range n.flows {
		if f.expired(k, now) {
			delete(n.flows, k)
		}
	}
	n.closeViews(now)
}

// source is the end that a packet comes from: who it says it is.
func (n *node) source(w *walk) end {
	if w.gate.IsValid() || w.abroad {
		return end{addr: w.src, known: true}
	}
	e := end{addr: w.src, party: &w.sender, number: w.number, known: true}
	from := w.from()
	if w.self {
		from = w.to() // one of the two is his own
		if _, ok := n.behind(n.name, from); !ok {
			from = w.from()
		}
	}
	if here, ok := n.behind(n.name, from); ok {
		e.here = &here
	}
	return e
}

// anew says whether a packet opens the flow that it finds once more.
func (f *flow) anew(t tuple, low bool) bool {
	return t.protocol == 6 && t.tcp.syn && !t.tcp.ack && (f.low != low || f.phase >= closed)
}

// open judges a new flow.
func (o *Oracle) open(n *node, w *walk, ends *[2]end) verdict {
	f := &flow{phase: opening, ends: *ends, seen: o.now(n.name)}
	var k flowKey
	k, f.low = w.key()
	for i := range directions {
		if v := n.judge(w, f, ends, i); v != pass {
			return v
		}
	}
	if e := ends[0].here; e != nil && !spend(n.openings, e.Key(), f.seen, openingEvery, openingAhead) {
		return verdict{reason: flowQuota}
	}
	if n.name == w.out.Hosts[0] {
		f.frontend = w.frontend
	}
	f.gate = w.gate
	f.advance(w.flow, true)
	n.flows[k] = f
	w.out.Rules = slices.Concat(w.out.Rules, f.rules[0], f.rules[1])
	return pass
}

// judge asks the policies of one end of a flow, if it is behind this host. Nobody is
// refused for who he was: who the other end is said to be becomes what else was heard of
// it, or is asked for.
func (n *node) judge(w *walk, f *flow, ends *[2]end, i int) verdict {
	own, peer := ends[i], &ends[1-i]
	f.sets[i], f.rules[i] = set{}, nil
	if own.here == nil {
		return pass
	}
	f.sets[i] = n.setOf(*own.here, directions[i])
	if exempt(own, *peer) || len(f.sets[i].policies) == 0 {
		return pass
	}
	if !peer.known && n.names(w, f.sets[i], directions[i]) {
		return verdict{ask: true}
	}
	said := n.said(*own.here, directions[i], *peer, w.flow.protocol, w.port(f))
	if said.Verdict == state.Deny && peer.heard != nil && n.names(w, f.sets[i], directions[i]) {
		*peer = *peer.heard
		said = n.said(*own.here, directions[i], *peer, w.flow.protocol, w.port(f))
	}
	if said.Verdict == state.Deny && peer.hearsay && n.names(w, f.sets[i], directions[i]) {
		return verdict{ask: true}
	}
	if said.Verdict == state.Accept && peer.is != nil {
		is := n.said(*own.here, directions[i], end{addr: peer.addr, party: peer.is}, w.flow.protocol, w.port(f))
		w.out.Doubtful = w.out.Doubtful || is.Verdict == state.Deny
	}
	if f.rules[i] = said.Rules; said.Verdict == state.Deny {
		w.out.Rules = slices.Concat(w.out.Rules, f.rules[0], f.rules[1]) // egress may have accepted it here
		return verdict{reason: [2]string{policyEgress, policyIngress}[i]}
	}
	return pass
}

// port is that of who did not open the flow that a packet belongs to.
func (w *walk) port(f *flow) uint16 {
	if _, low := w.key(); low == f.low {
		return w.flow.to
	}
	return w.flow.from
}

// again judges a flow that is known, if its ends or the policies changed, or if it
// was cut.
func (n *node) again(w *walk, f *flow, ends *[2]end) verdict {
	changed := f.phase == cut || f.doubted
	for i, e := range ends {
		changed = changed || e.known && !e.same(f.ends[i])
	}
	next := *f
	for i, own := range ends {
		if own.here == nil || !changed && n.setOf(*own.here, directions[i]).equal(f.sets[i]) {
			continue
		}
		if keeps := n.set.Namespace(own.here.Namespace).KeepEstablished(); keeps && f.phase >= replied && !changed {
			next.sets[i] = n.setOf(*own.here, directions[i])
			continue
		}
		if v := n.judge(w, &next, ends, i); v.ask {
			return v
		} else if v != pass {
			f.phase = cut
			return v
		}
	}
	if *f = next; f.phase == cut {
		f.phase = established
	}
	f.doubted = false
	return pass
}

// same says whether an end is who it was, to policy: it has the same number, or where
// there are none, the same labels.
func (e end) same(was end) bool {
	who := e.number == was.number && (e.number != 0 || reflect.DeepEqual(e.party, was.party))
	return (!was.known || who) && (e.here == nil) == (was.here == nil) &&
		(e.here == nil || e.here.Generation == was.here.Generation)
}

// advance is the part of a packet in the state of its flow.
func (f *flow) advance(t tuple, forth bool) {
	defer func() { f.settled = f.settled || f.phase == established }()
	side := 0
	if !forth {
		side = 1
	}
	switch {
	case t.protocol != 6:
		if !forth {
			f.phase = established
		}
	case t.tcp.rst:
		f.phase = closed
	case t.tcp.fin:
		f.fin[side] = true
		f.phase = closing
		if f.fin[0] && f.fin[1] {
			f.phase = closed
		}
	case f.phase == opening && !forth && t.tcp.syn:
		f.phase = replied
	case f.phase == opening && !forth, f.phase == replied && forth && !t.tcp.syn:
		f.phase = established
	}
}

// doubt makes a host judge a flow again whose opener asks where the destination is:
// that may be another one by now.
func (n *node) doubt(w *walk) {
	k, low := w.key()
	if f := n.flows[k]; f != nil && f.low == low {
		f.doubted = true
	}
}
