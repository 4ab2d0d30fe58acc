// SPDX-License-Identifier: Apache-2.0

package frontend

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/mizar-net/mizar/controlplane/compile"
	"github.com/mizar-net/mizar/controlplane/service"
	"github.com/mizar-net/mizar/sim/frame"
	"github.com/mizar-net/mizar/sim/run"
	"github.com/mizar-net/mizar/sim/wire"
)

const (
	// crew are the backends of a service that one goes from and comes back to.
	crew = 10
	// mostMoved is how many shares of the flows may choose another backend then.
	mostMoved = 1.5
	// held are flows that live through both, from firstHeld on.
	held      = 50
	firstHeld = 5000
)

// Moves gives evidence of what flows do when a backend goes, and when it comes back: new
// ones choose as before, but for about the share of that backend, and those that live stay
// where they are. plant may break the wire.
func Moves(ctx context.Context, plant func(wire.Wire) wire.Wire) []run.Evidence {
	moves := run.Evidence{Test: fmt.Sprintf("%d flows to %d backends, of which one goes and comes", flows, crew), Rows: []string{MovesRow}, Cell: run.Cell{Verdict: "moves"}}
	stays := run.Evidence{Test: fmt.Sprintf("%d flows live while one of %d backends goes and comes", held, crew), Rows: []string{MovesRow}, Cell: run.Cell{Verdict: "stays"}}
	return append(prove(ctx, plant, crew, moves, rechoose), prove(ctx, plant, crew, stays, outlive)...)
}

// rechoose counts the new flows that choose another backend than before.
func rechoose(ctx context.Context, n *network, family int, p wire.Proto, _ uint8) (wrong string, err error) {
	var seen [3][]string
	for i, now := range []struct{ backends, flows int }{{crew, flows}, {crew - 1, flows}, {crew, flows / 5}} {
		if err := n.employ(ctx, now.backends); err != nil {
			return "", err
		}
		if seen[i], wrong, err = n.choices(ctx, family, p, now.flows); wrong != "" || err != nil {
			return wrong, err
		}
	}
	return moved(seen), nil
}

// moved says that more flows chose another backend than may: what they chose before one
// went, while it was gone, and what the first of them chose after it was back.
func moved(seen [3][]string) string {
	others, after := differ(seen[0], seen[1]), differ(seen[0], seen[2])
	if most := mostMoved * float64(len(seen[0])) / crew; others == 0 || float64(others) > most {
		return fmt.Sprintf("%d of %d flows chose another backend when one of %d went, want some and at most %.0f", others, len(seen[0]), crew, most)
	}
	if after > 0 {
		return fmt.Sprintf("%d of %d flows chose another backend than before one of %d went and came back", after, len(seen[2]), crew)
	}
	return ""
}

// differ counts the flows that chose another backend than before; some may not have been
// asked again.
func differ(before, now []string) (others int) {
	for i, to := range now {
		if to != before[i] {
			others++
		}
	}
	return others
}

// choices are the backends of so many new flows, in the order of their ports.
func (n *network) choices(ctx context.Context, family int, p wire.Proto, flows int) (all []string, wrong string, err error) {
	if err := n.Advance(ctx, silence); err != nil {
		return nil, "", fmt.Errorf("let hosts forget flows: %w", err)
	}
	for i := range flows {
		to, wrong, err := n.flow(ctx, family, p, uint16(firstPort+i))
		if wrong != "" || err != nil {
			return nil, wrong, err
		}
		all = append(all, to)
	}
	return all, "", nil
}

// employ makes the service's backends so many.
func (n *network) employ(ctx context.Context, backends int) error {
	set, err := objects(backends)
	if err != nil {
		return err
	}
	n.states, n.behind = compile.Hosts(set), map[asked][]wire.Backend{}
	if err := n.Apply(ctx, n.states); err != nil {
		return fmt.Errorf("apply a service of %d backends: %w", backends, err)
	}
	return nil
}

// outlive opens flows, and lets them go on after each change; those whose backend went are
// asked no more.
func outlive(ctx context.Context, n *network, family int, p wire.Proto, number uint8) (wrong string, err error) {
	living, err := n.hold(ctx, family, p, number)
	if err != nil {
		return "", err
	}
	for _, l := range living {
		if wrong, err := n.talk(ctx, l, opening(p)); wrong != "" || err != nil {
			return wrong, err
		}
	}
	for _, backends := range []int{crew - 1, crew} {
		if err := n.employ(ctx, backends); err != nil {
			return "", err
		}
		for _, l := range living {
			if l[0].to == last {
				continue
			}
			if wrong, err := n.talk(ctx, l, later(p)); wrong != "" || err != nil {
				return fmt.Sprintf("with %d backends: %s", backends, wrong), err
			}
		}
	}
	return "", nil
}

// last is the name of the backend that goes.
var last = fmt.Sprint("x/web-", crew-1)

// conversation is a flow: what the client sends, and what its backend answers.
type conversation [2]packet

// hold are flows, each with the backend that its host chooses; hosts forget all others.
func (n *network) hold(ctx context.Context, family int, p wire.Proto, number uint8) (all []conversation, err error) {
	if err := n.employ(ctx, crew); err != nil {
		return nil, err
	}
	s, err := n.service(family, number)
	if err != nil {
		return nil, err
	}
	for i := range held {
		own := netip.AddrPortFrom(client[family], uint16(firstHeld+i))
		chosen := service.Choose(s.Table, service.Tuple{Source: own, Destination: s.Frontends[0], Protocol: number})
		backend := s.Backends[chosen]
		to := n.owner(backend, family, p)
		all = append(all, conversation{
			{from: clientName, to: to, src: own, dst: s.Frontends[0], seenSrc: own, seenDst: backend},
			{from: to, to: clientName, src: backend, dst: own, seenSrc: s.Frontends[0], seenDst: own},
		})
	}
	return all, nil
}

// turn is a packet of a conversation: who sends it, and what it is.
type turn struct {
	sender int
	what   frame.Spec
}

// opening is how a flow begins.
func opening(p wire.Proto) []turn {
	if p == wire.TCP {
		return []turn{{0, frame.Spec{Kind: frame.TCP, TCPFlags: frame.SYN}}, {1, frame.Spec{Kind: frame.TCP, TCPFlags: frame.SYN | frame.ACK}}, {0, segment}}
	}
	return later(p)
}

var segment = frame.Spec{Kind: frame.TCP, TCPFlags: frame.ACK, Payload: []byte("mizar")}

// later is how it goes on.
func later(p wire.Proto) []turn {
	if p == wire.TCP {
		return []turn{{0, segment}, {1, segment}}
	}
	datagram := frame.Spec{Kind: frame.UDP, Payload: []byte("mizar")}
	return []turn{{0, datagram}, {1, datagram}}
}

// talk sends packets of a flow, each of which comes out at its other end.
func (n *network) talk(ctx context.Context, c conversation, turns []turn) (wrong string, err error) {
	for _, t := range turns {
		p := c[t.sender]
		p.what = t.what
		if _, wrong, err := n.carry(ctx, p); wrong != "" || err != nil {
			return wrong, err
		}
	}
	return "", nil
}
