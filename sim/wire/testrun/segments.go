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
	// headers are TCP's and IPv4's; IPv6's is 20 bytes longer.
	headers = 40
)

// segments is a TCP stream, reduced to what survives or does not: one segment at
// a time, sent again until it is answered by its echo.
type segments struct {
	*stream
	// written is when each request was written; echoed of them have come back,
	// and carried bytes.
	written []time.Duration
	echoed  int
	carried int
	// most is how many bytes go in one segment: what fits into the sender's MTU,
	// and less once either side is told so (RFC 1191, 6.4).
	most   int
	server string // who answered the SYN; "" before
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
	case t.carried < len(t.written)*len(t.payload):
		return t.try(t.segment)
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
		both := t.reply(t.wire.endpoints[to], syn)
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

// tooBig is told to who sent a segment: it goes again at once, in smaller parts.
func (t *segments) tooBig(mtu int) error {
	most := mtu - headers
	if t.source.Is6() {
		most -= 20
	}
	if t.over || most <= 0 || most >= t.most {
		return nil
	}
	t.most = most
	t.tally.Series.Resent++
	return t.try(t.segment)
}

// segment carries the next bytes, and its echo the answers to the requests that
// end in them.
func (t *segments) segment() error {
	low, size := t.carried, len(t.payload)
	high := min(low+t.most, len(t.written)*size)
	data := t.request()
	data.Kind, data.TCPFlags, data.DF = frame.TCP, frame.PSH|frame.ACK, true
	data.Payload = bytes.Repeat(t.payload, high/size+1)[low:high]
	data.Seq, data.Ack = clientISN+1+uint32(low), serverISN+1+uint32(low)
	return t.send(t.probe.From, data, func(to string) error {
		if to != t.server {
			t.tally.Series.Wrong = "the stream reached " + to + ", which has no such connection"
			return nil
		}
		echo := t.reply(t.wire.endpoints[to], data)
		echo.Seq, echo.Ack, echo.DF = data.Ack, data.Seq+uint32(len(data.Payload)), true
		return t.send(to, echo, func(string) error { return t.returned(high) })
	})
}

// returned takes the echo of the bytes up to an offset.
func (t *segments) returned(high int) error {
	if t.over || t.carried >= high {
		return nil // of a segment that was sent again
	}
	t.carried = high
	for ; (t.echoed+1)*len(t.payload) <= high; t.echoed++ {
		t.tally.Answer(t.written[t.echoed], t.wire.now())
	}
	return t.answered()
}
