// SPDX-License-Identifier: Apache-2.0

package testrun

import (
	"bytes"
	"time"

	"github.com/mizar-net/mizar/sim/frame"
)

const (
	// firstPatience is how long a SYN waits for its answer, usualPatience a
	// segment; each time in vain doubles it (RFC 6298, and Linux' least).
	firstPatience = time.Second
	usualPatience = 200 * time.Millisecond
	// segmentSize is how many bytes at most go in one segment, where requests had
	// to wait.
	segmentSize = 1000
)

// segments is a TCP stream, reduced to what survives or does not: one segment at
// a time, sent again until it is answered by its echo.
type segments struct {
	*stream
	// written is when each request was written; echoed of them have come back.
	written []time.Duration
	echoed  int
	server  string // who answered the SYN; "" before
	// waiting: a segment is out; turn tells it from those before.
	waiting  bool
	turn     int
	patience time.Duration
}

// write queues a request.
func (t *segments) write(now time.Duration) error {
	t.written = append(t.written, now)
	return t.pump()
}

// pump sends what waits, if nothing is out.
func (t *segments) pump() error {
	switch {
	case t.waiting:
		return nil
	case t.server == "":
		return t.try(t.connect)
	case t.echoed < len(t.written):
		low, high := t.echoed, min(len(t.written), t.echoed+max(1, segmentSize/len(t.payload)))
		return t.try(func() error { return t.segment(low, high) })
	}
	return nil
}

// try sends something, and again until it is answered.
func (t *segments) try(send func() error) error {
	t.waiting = true
	t.turn++
	turn := t.turn
	t.wire.events.plan(t.wire.now()+t.patience, func() error {
		if t.over || !t.waiting || t.turn != turn {
			return nil
		}
		t.tally.Series.Resent++
		t.patience *= 2
		return t.try(send)
	})
	return send()
}

// answered goes on with what waits.
func (t *segments) answered() error {
	t.waiting, t.patience = false, usualPatience
	return t.pump()
}

// connect is the handshake.
func (t *segments) connect() error {
	syn := t.request()
	syn.Kind, syn.TCPFlags, syn.Seq = frame.TCP, frame.SYN, clientISN
	return t.send(t.probe.From, syn, func(to string) error {
		both := opposite(syn)
		both.TCPFlags, both.Seq, both.Ack = frame.SYN|frame.ACK, serverISN, clientISN+1
		return t.send(to, both, func(string) error {
			if t.over || t.server != "" {
				return nil
			}
			t.server = to
			ack := syn
			ack.TCPFlags, ack.Seq, ack.Ack = frame.ACK, clientISN+1, serverISN+1
			if err := t.send(t.probe.From, ack, func(string) error { return nil }); err != nil {
				return err
			}
			return t.answered()
		})
	})
}

// segment carries some requests, and its echo their answers.
func (t *segments) segment(low, high int) error {
	data := t.request()
	data.Kind, data.TCPFlags = frame.TCP, frame.PSH|frame.ACK
	data.Payload = bytes.Repeat(t.payload, high-low)
	before := uint32(low * len(t.payload))
	data.Seq, data.Ack = clientISN+1+before, serverISN+1+before
	return t.send(t.probe.From, data, func(to string) error {
		if to != t.server {
			t.tally.Series.Wrong = "the stream reached " + to + ", which has no such connection"
			return nil
		}
		echo := opposite(data)
		echo.Seq, echo.Ack = data.Ack, data.Seq+uint32(len(data.Payload))
		return t.send(to, echo, func(string) error {
			if t.over || t.echoed >= high {
				return nil // the echo of a segment that was sent again
			}
			for _, at := range t.written[t.echoed:high] {
				t.tally.Answer(at, t.wire.now())
			}
			t.echoed = high
			return t.answered()
		})
	})
}
