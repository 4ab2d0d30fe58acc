// SPDX-License-Identifier: Apache-2.0

package testrun

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mizar-net/mizar/sim/frame"
	"github.com/mizar-net/mizar/sim/wire"
)

var _ wire.Carrier = (*Wire)(nil)

// grace is how long a series may go on after its end, for what is on its way.
const grace = 5 * time.Second

// stream is traffic that runs.
type stream struct {
	*conversation
	traffic wire.Traffic
	tally   wire.Tally
	// asked is when the last request was.
	asked time.Duration
	// stopped: no more requests; over: nothing that still happens counts.
	stopped, over bool
	// flying counts packets on their way.
	flying int
	tcp    *segments
}

// Start implements wire.Carrier.
func (w *Wire) Start(_ context.Context, t wire.Traffic) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.traffic[t.Name] != nil {
		return fmt.Errorf("start traffic %s: it runs already", t.Name)
	}
	c, err := w.conversation(t.Probe)
	if err != nil {
		return fmt.Errorf("start traffic %s: %w", t.Name, err)
	}
	s := &stream{conversation: c, traffic: t}
	if t.Probe.Proto == wire.TCP {
		s.tcp = &segments{stream: s, patience: firstPatience, most: c.from.mss(t.Probe.To)}
	}
	s.tally.Began(w.now())
	w.traffic[t.Name] = s
	return s.tick()
}

// Stop implements wire.Carrier.
func (w *Wire) Stop(_ context.Context, name string) (wire.Series, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.traffic[name]
	if s == nil {
		return wire.Series{}, fmt.Errorf("stop traffic %s: there is none of that name", name)
	}
	delete(w.traffic, name)
	s.stopped = true
	if err := w.until(w.now()+grace, s.done); err != nil {
		return wire.Series{}, fmt.Errorf("stop traffic %s: %w", name, err)
	}
	s.over = true
	s.tally.Ended(s.asked)
	return s.tally.Series, nil
}

func (s *stream) done() bool {
	if s.tcp != nil {
		return s.tally.Series.Lost() == 0 || s.tally.Series.Wrong != ""
	}
	return s.flying == 0
}

// tick makes a request, and plans the next.
func (s *stream) tick() error {
	if s.stopped {
		return nil
	}
	now := s.wire.now()
	s.wire.events.plan(now+s.traffic.Every, s.tick)
	s.asked = now
	s.tally.Series.Sent++
	if s.tcp != nil {
		return s.tcp.write(now)
	}
	return s.echo(uint16(s.tally.Series.Sent), now)
}

// echo sends one request and, where it arrives, its reply.
func (s *stream) echo(number uint16, now time.Duration) error {
	request := s.request()
	request.Kind, request.Payload = frame.UDP, s.payload
	if s.probe.Proto == wire.ICMP {
		request.Kind, request.ID, request.ICMPSeq = frame.Echo, s.probe.SourcePort, number
	}
	return s.send(s.probe.From, request, func(to string) error {
		reply := s.reply(s.wire.endpoints[to], request)
		if s.probe.Proto == wire.ICMP {
			reply.Kind, reply.TOS = frame.EchoReply, request.TOS
		}
		return s.send(to, reply, func(string) error {
			if !s.over {
				s.tally.Answer(now, s.wire.now())
			}
			return nil
		})
	})
}

// send lets an endpoint send a packet; arrived is told where it came out, if that
// was at the right place and whole.
func (s *stream) send(from string, spec frame.Spec, arrived func(to string) error) error {
	e := s.wire.endpoints[from]
	if e == nil {
		return nil // it is gone, and sends nothing
	}
	sent, _, err := s.wire.compose(e, spec)
	if err != nil || sent == nil {
		return err
	}
	s.flying++
	_, err = s.wire.launch(wire.Port{Endpoint: from}, sent, func(f *flight) error {
		s.flying--
		if f.err != nil || !f.Delivered {
			return errors.Join(f.err, s.told(e, f.trip, sent))
		}
		to := s.wire.endpoints[f.To]
		if to == nil || !s.meant(to, spec.Dst) {
			return nil
		}
		if _, err := s.wire.receive(f.trip, sent, s.conversation); err != nil {
			s.tally.Series.Wrong = fmt.Sprintf("endpoint %s discards it: %v", f.To, err)
			return nil
		}
		return arrived(f.To)
	})
	return err
}

// told lets a stream hear that a packet was too big.
func (s *stream) told(e *endpoint, t trip, sent []byte) error {
	if s.tcp == nil || t.frame == nil || t.To != e.Name {
		return nil
	}
	r, err := wire.ReadRefusal(t.frame, sent, e.subnet.Gateways)
	if err != nil || r.MTU == 0 {
		return err
	}
	return s.tcp.tooBig(r.MTU)
}
