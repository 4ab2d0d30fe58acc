// SPDX-License-Identifier: Apache-2.0

package testrun

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/mizar-net/mizar/sim/frame"
	"github.com/mizar-net/mizar/sim/wire"
)

const (
	// firstSourcePort is where Linux' ephemeral ports begin.
	firstSourcePort = 32768
	// defaultSize is that of a payload.
	defaultSize = 32
)

// conversation is a probe on its way.
type conversation struct {
	wire    *Wire
	probe   wire.Probe
	from    *endpoint
	source  netip.Addr
	payload []byte
	outcome wire.Outcome
	// seen is what who is outside takes the sender for.
	seen netip.AddrPort
	// behind is what has ever stood behind the frontend that it is with: a flow may go
	// on to a backend that is none any more. at is the one that got the last request.
	behind map[netip.AddrPort]bool
	at     netip.AddrPort
}

// Probe sends a flow's packets from one endpoint and answers as the stack of
// the other would. Endpoints ask for their neighbours' MACs first, as a stack
// does; where nobody answers, that question is what became of the packet.
func (w *Wire) Probe(ctx context.Context, p wire.Probe) (wire.Outcome, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return wire.Outcome{}, err
	}
	c, err := w.conversation(p)
	if err == nil {
		err = c.run()
	}
	if err != nil {
		return wire.Outcome{}, fmt.Errorf("probe %s %s → %s: %w", p.Proto, p.From, p.To, err)
	}
	return c.outcome, nil
}

func (w *Wire) conversation(p wire.Probe) (*conversation, error) {
	from, err := w.sender(p)
	if err != nil {
		return nil, err
	}
	source, err := from.address(p.To)
	if err != nil {
		return nil, err
	}
	p.Count, p.Size = max(p.Count, 1), max(p.Size, 0)
	if p.Size == 0 {
		p.Size = defaultSize
	}
	if p.SourcePort == 0 {
		p.SourcePort = w.takeSourcePort()
	}
	if p.Port == 0 && p.Proto != wire.ICMP {
		return nil, fmt.Errorf("%s needs a port", p.Proto)
	}
	payload := make([]byte, p.Size)
	for i := range payload {
		payload[i] = byte('a' + i%26)
	}
	c := &conversation{wire: w, probe: p, from: from, source: source, payload: payload}
	if !p.Visit.IsSet() {
		c.behind = w.behind[frontend{from.VNI, protocols[p.Proto], netip.AddrPortFrom(p.To, p.Port)}]
	}
	return c, nil
}

// sender is the endpoint that a probe is from, or who is outside as if he were one.
func (w *Wire) sender(p wire.Probe) (*endpoint, error) {
	if p.Visit.IsSet() {
		return w.visitor(p)
	}
	from := w.endpoints[p.From]
	if from == nil {
		return nil, fmt.Errorf("there is no endpoint %q", p.From)
	}
	return from, nil
}

// takeSourcePort hands out ephemeral ports in turn.
func (w *Wire) takeSourcePort() uint16 {
	port := w.nextPort
	w.nextPort++
	if w.nextPort == 0 {
		w.nextPort = firstSourcePort
	}
	return port
}

func (c *conversation) run() error {
	switch c.probe.Proto {
	case wire.ICMP, wire.UDP:
		for i := range c.probe.Count {
			if err := c.echo(i); err != nil {
				return err
			}
		}
		return nil
	case wire.TCP:
		return c.tcp()
	default:
		return fmt.Errorf("unknown protocol %q: want icmp, tcp or udp", c.probe.Proto)
	}
}

// echo sends one request and, where it arrives, its reply.
func (c *conversation) echo(i int) error {
	request := c.request()
	request.Payload = c.payload
	request.Kind = frame.UDP
	if c.probe.Proto == wire.ICMP {
		request.Kind, request.ID, request.ICMPSeq = frame.Echo, c.probe.SourcePort, uint16(i+1)
	}
	there, to, err := c.exchange(c.from, request)
	c.outcome.Requests = append(c.outcome.Requests, there)
	if err != nil || to == nil {
		return err
	}
	reply := c.reply(to, request)
	if c.probe.Proto == wire.ICMP {
		reply.Kind = frame.EchoReply
		reply.TOS = request.TOS // as Linux does
	}
	back, _, err := c.exchange(to, reply)
	c.outcome.Replies = append(c.outcome.Replies, back)
	return err
}

// request is a packet from the one who asks.
func (c *conversation) request() frame.Spec {
	s := frame.Spec{Src: c.source, Dst: c.probe.To, TOS: c.probe.TOS, TTL: c.probe.TTL, DF: c.probe.DontFragment}
	if c.probe.Proto != wire.ICMP {
		s.SrcPort, s.DstPort = c.probe.SourcePort, c.probe.Port
	}
	return s
}

// opposite is a packet like s in the other direction.
func opposite(s frame.Spec) frame.Spec {
	s.Src, s.Dst = s.Dst, s.Src
	s.SrcPort, s.DstPort = s.DstPort, s.SrcPort
	s.TOS, s.TTL, s.DF = 0, 0, false
	return s
}
