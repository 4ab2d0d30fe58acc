// SPDX-License-Identifier: Apache-2.0

package veth

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mizar-net/mizar/sim/frame"
	"github.com/mizar-net/mizar/sim/wire"
)

// talk is one conversation between real sockets. Requests are numbered from 0
// and follow one another.
type talk interface {
	// ask sends a request.
	ask(i int) error
	// answered gets one value for each reply that the sender's stack took.
	answered() <-chan struct{}
	// request and reply say whether a packet is the one of number i.
	request(i int) match
	reply(i int) match
	// close ends the conversation and waits for all that it started.
	close() error
}

// call is a probe with all that it leaves open filled in.
type call struct {
	wire.Probe
	from placed
	// to is who has the address; nil: nobody.
	to *placed
	// faces are the addresses that the sender may have outside.
	faces []netip.Addr
	// nonce tells the packets of one call from those of any other.
	nonce uint16
	// tell, when set, is told each reply.
	tell func(i int)
}

// Probe implements wire.Wire: the sender's and the receiver's stacks talk, and
// what became of the packets is read off the frames that were heard.
func (w *Wire) Probe(ctx context.Context, p wire.Probe) (wire.Outcome, error) {
	c, err := w.call(p)
	if err != nil {
		return wire.Outcome{}, err
	}
	if c.to != nil && c.to.Name == c.from.Name {
		return selfOutcome(c), nil
	}
	if out, ok := w.silent(c); ok {
		return out, nil
	}
	t, err := w.talk(ctx, c)
	if err != nil {
		return wire.Outcome{}, fmt.Errorf("probe %s from %s to %s: %w", p.Proto, p.From, p.To, err)
	}
	out, err := w.converse(ctx, c, t)
	if err := errors.Join(err, t.close()); err != nil {
		return out, fmt.Errorf("probe %s from %s to %s: %w", p.Proto, p.From, p.To, err)
	}
	_, err = w.settle(ctx, nil) // the end of a TCP connection
	return out, err
}

// timeout is how long a reply may take. A drop is seen at once, so only packets
// lost without a reason wait for it: longer than a neighbour is asked again.
const timeout = 1500 * time.Millisecond

// call fills in what a probe leaves open.
func (w *Wire) call(p wire.Probe) (call, error) {
	from, ok := w.know.endpoints[p.From]
	if p.Visit.IsSet() {
		from, ok = w.visitor(p), w.room.Outside(p.From)
	}
	if !ok {
		return call{}, fmt.Errorf("probe from endpoint %q: there is none of that name", p.From)
	}
	if !from.has(p.To.Is4()) {
		return call{}, fmt.Errorf("probe from endpoint %s to %s: it has no address of that family", p.From, p.To)
	}
	p.Count = max(p.Count, 1)
	if p.Proto == wire.TCP {
		p.Count = 1
	}
	p.Size = cmp.Or(p.Size, 32)
	p.Timeout = cmp.Or(p.Timeout, timeout)
	if p.SourcePort == 0 {
		w.port++
		p.SourcePort = 20000 + w.port%10000
	}
	w.nonce++
	c := call{Probe: p, from: from, nonce: w.nonce}
	if p.Outsider != "" {
		if !w.room.Outside(p.Outsider) {
			return call{}, fmt.Errorf("probe to %s: there is nobody of that name outside", p.Outsider)
		}
		c.faces = w.know.addresses(from.host)
	}
	if p.Visit.IsSet() {
		return c, w.room.Lead(p.To, p.Visit.Via)
	}
	if name, ok := w.know.names[place{from.VNI, p.To}]; ok {
		to := w.know.endpoints[name]
		c.to = &to
	}
	return c, nil
}

// has says whether the endpoint has an address of a family.
func (p placed) has(v4 bool) bool {
	for _, a := range p.Addresses {
		if a.Is4() == v4 {
			return true
		}
	}
	return false
}

// selfOutcome is that of a probe to oneself, which never leaves the stack.
func selfOutcome(c call) wire.Outcome {
	var out wire.Outcome
	for range c.Count {
		p := wire.Packet{Delivered: true, To: c.From, Hosts: []string{c.from.host}}
		out.Requests = append(out.Requests, p)
		out.Replies = append(out.Replies, p)
	}
	return out
}

// converse sends the requests, each after the fate of the one before is known.
func (w *Wire) converse(ctx context.Context, c call, t talk) (wire.Outcome, error) {
	var out wire.Outcome
	for i := range c.Count {
		if _, err := w.settle(ctx, nil); err != nil {
			return out, err
		}
		before, err := w.Drops(ctx)
		if err != nil {
			return out, err
		}
		if err := t.ask(i); errors.Is(err, unix.EMSGSIZE) {
			out.Requests = append(out.Requests, wire.Packet{Hosts: []string{c.from.host}, Reason: wire.StackMTU, Dropper: c.from.host})
			continue
		} else if err != nil {
			return out, err
		}
		seen, took, err := w.await(ctx, c, t, before)
		if err != nil {
			return out, err
		}
		after, err := w.Drops(ctx)
		if err != nil {
			return out, err
		}
		x := exchange{seen: c.asAsked(seen), took: took, drops: newDrops(before, after)}
		if err := x.read(w.know, c, t.request(i), t.reply(i), &out); err != nil {
			return out, fmt.Errorf("packet %d: %w", i, err)
		}
		if err := told(t, out.Requests[len(out.Requests)-1]); err != nil {
			return out, fmt.Errorf("packet %d: %w", i, err)
		}
		w.orphan(&out.Requests[len(out.Requests)-1])
		if len(out.Replies) > 0 {
			w.orphan(&out.Replies[len(out.Replies)-1])
		}
	}
	return out, nil
}

// await listens until the sender has its reply, a program has dropped a packet
// and nothing moves any more, or the time is up.
func (w *Wire) await(ctx context.Context, c call, t talk, before wire.Drops) (seen []sighting, took bool, err error) {
	for end := time.Now().Add(c.Timeout); time.Now().Before(end); {
		some, err := w.ears.listen(tick)
		if err != nil {
			return seen, false, err
		}
		seen = append(seen, some...)
		select {
		case <-t.answered():
			last, err := w.ears.listen(0)
			return append(seen, last...), true, err
		case <-ctx.Done():
			return seen, false, ctx.Err()
		default:
		}
		if len(some) > 0 {
			continue
		}
		now, err := w.Drops(ctx)
		if err != nil {
			return seen, false, err
		}
		if d := newDrops(before, now); len(d) > 0 && !d[0].background() {
			break
		}
	}
	last, err := w.ears.listen(0) // what came after the last look at the ears, and before the drop
	return append(seen, last...), false, err
}

// exchange is what was observed of one request and its reply.
type exchange struct {
	seen []sighting
	// took says that the sender's stack took the reply.
	took  bool
	drops []drop
}

// read tells the fate of both packets.
func (x exchange) read(k knowledge, c call, request, reply match, out *wire.Outcome) error {
	asked := k.followAll(x.seen, c.from, request)
	if !asked.Delivered {
		err := x.refused(c, request, reply, &asked)
		out.Requests = append(out.Requests, asked)
		return err
	}
	out.Requests = append(out.Requests, asked)
	if !c.answers(asked.To) {
		return nil // whoever got it does not answer
	}
	answerer := k.endpoints[asked.To]
	if c.Outsider != "" {
		answerer.host = c.from.host // where his answers come to
	}
	answer := k.followAll(x.seen, answerer, reply)
	if !answer.Delivered {
		x.blame(&answer)
	}
	out.Replies = append(out.Replies, answer)
	if answer.Delivered && !x.took {
		return fmt.Errorf("request and reply arrived, but the stack of %s did not take it: %w", c.From, x.wrong())
	}
	return nil
}

// refused tells what came back at the sender's port of a request that was not
// delivered: the gateway's answer, an ICMP error, or nothing.
func (x exchange) refused(c call, request, reply match, asked *wire.Packet) error {
	for _, s := range x.seen {
		y := s.packet.Inner
		switch {
		case s.at.Endpoint != c.From:
		case reply(y):
			if !x.took {
				return fmt.Errorf("the gateway answered, but the stack of %s did not take it: %w", c.From, x.wrong())
			}
			asked.Answered, asked.To = true, c.From
			return nil
		case y.Error != nil:
			about, err := y.Error.Quote()
			if err != nil || !request(about) {
				continue
			}
			if asked.Refused, err = wire.ReadError(s.frame, c.from.MAC, c.source(), c.from.gateways); err != nil {
				return err
			}
		}
	}
	x.blame(asked)
	return nil
}

// teller is a talk whose socket is told of ICMP errors.
type teller interface{ refusal() error }

// told makes sure that the sender's stack took an ICMP error for one about its
// packet.
func told(t talk, p wire.Packet) error {
	if s, ok := t.(teller); ok && p.Refused != nil && s.refusal() == nil {
		return fmt.Errorf("%s arrived, but the socket was not told", p.Refused)
	}
	return nil
}

// blame gives a lost packet the likeliest of the drops.
func (x exchange) blame(p *wire.Packet) {
	if len(x.drops) > 0 {
		p.Dropper, p.Reason = x.drops[0].host, x.drops[0].reason
	}
}

// wrong looks for the reason why a stack does not take what arrives.
func (x exchange) wrong() error {
	for _, s := range x.seen {
		if err := frame.VerifyChecksums(s.frame); err != nil && s.at.Endpoint != "" {
			return fmt.Errorf("%s: %w", s.packet, err)
		}
	}
	if len(x.drops) > 0 {
		return fmt.Errorf("host %s dropped a later packet: %s", x.drops[0].host, x.drops[0].reason)
	}
	return errors.New("all checksums are right, and nothing was dropped; the time-out may be short")
}
