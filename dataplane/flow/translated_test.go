// SPDX-License-Identifier: Apache-2.0

package flow_test

import (
	"net/netip"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/dataplane/flow"
)

func end(s string) flow.End {
	a := netip.MustParseAddrPort(s)
	return flow.End{Addr: a.Addr(), Port: a.Port()}
}

// both are the rows of a flow to a frontend: the view of who opened it, and the flow with
// the backend.
func both(protocol uint8) (view, with bpf.RowFlowKey, to, from bpf.RowFlow) {
	client, front, back := end("10.0.0.2:4000"), end("172.20.0.1:80"), end("10.0.0.9:80")
	view, side := flow.Key(7, protocol, client, front)
	to = bpf.RowFlow{Opener: uint8(side), Translation: uint8(bpf.RowTranslationTRANSLATION_TO), Addr: back.Addr.As16(), State: uint8(bpf.RowFlowStateFLOW_ESTABLISHED)}
	with, side = flow.Key(7, protocol, client, back)
	from = bpf.RowFlow{Opener: uint8(side), Translation: uint8(bpf.RowTranslationTRANSLATION_FROM), Addr: front.Addr.As16(), State: uint8(bpf.RowFlowStateFLOW_ESTABLISHED)}
	to.Port, from.Port = with.Port[side^1], view.Port[to.Opener^1]
	return view, with, to, from
}

func TestTheRowsOfATranslatedFlowNameEachOther(t *testing.T) {
	g := NewWithT(t)
	view, with, to, from := both(udp)
	g.Expect(flow.Other(view, to)).To(Equal(with))
	g.Expect(flow.Other(with, from)).To(Equal(view))
	g.Expect(flow.PutIn(to)).To(Equal(end("10.0.0.9:80")))
}

// Who asks himself is the frontend to himself: the flow is with that, and the view his own.
func TestTheRowsOfWhoAsksHimselfNameEachOther(t *testing.T) {
	g := NewWithT(t)
	self, front := end("10.0.0.2:4000"), end("172.20.0.1:80")
	view, side := flow.Key(7, udp, self, front)
	to := bpf.RowFlow{Opener: uint8(side), Translation: uint8(bpf.RowTranslationTRANSLATION_TO), Addr: self.Addr.As16(), Port: 0x901f} // 8080
	with, at := flow.Key(7, udp, flow.End{Addr: front.Addr, Port: self.Port}, flow.End{Addr: self.Addr, Port: 8080})
	from := bpf.RowFlow{Opener: uint8(at), Translation: uint8(bpf.RowTranslationTRANSLATION_FROM), Addr: front.Addr.As16(), Port: view.Port[side^1]}
	g.Expect(flow.Other(view, to)).To(Equal(with))
	g.Expect(flow.Other(with, from)).To(Equal(view))
}

// Neither row goes while the other has packets, and a view goes with its flow.
func TestTheRowsOfATranslatedFlowGoTogether(t *testing.T) {
	const seen, lately = 1000, 1290
	for name, c := range map[string]struct {
		view, flow uint32 // when they had their last packets
		change     func(to, from *bpf.RowFlow)
		protocol   uint8
		left       int
	}{
		"both are silent":                {view: seen, flow: seen},
		"the opener still speaks":        {view: lately, flow: seen, left: 2},
		"the backend still speaks":       {view: seen, flow: lately, left: 2},
		"the connection has ended":       {view: lately, flow: seen, protocol: 6, change: func(_, from *bpf.RowFlow) { from.State = uint8(bpf.RowFlowStateFLOW_CLOSED) }},
		"the flow is another frontend's": {view: seen, flow: lately, change: func(_, from *bpf.RowFlow) { from.Addr[15]++ }, left: 1},
		"nothing has come of the choice": {view: lately - 250, flow: seen, change: func(to, _ *bpf.RowFlow) { to.State = uint8(bpf.RowFlowStateFLOW_CHOSEN) }},
		"the choice was just made":       {view: lately, flow: seen, change: func(to, _ *bpf.RowFlow) { to.State = uint8(bpf.RowFlowStateFLOW_CHOSEN) }, left: 1},
	} {
		g := NewWithT(t)
		m := &memory{}
		protocol := max(c.protocol, 6)
		if c.protocol == 0 {
			protocol = udp
		}
		view, with, to, from := both(protocol)
		to.Seen, from.Seen = c.view, c.flow
		if c.change != nil {
			c.change(&to, &from)
		}
		g.Expect(m.flows.Put(view, to)).To(Succeed())
		g.Expect(m.flows.Put(with, from)).To(Succeed())
		collected, err := flow.Collect(t.Context(), m.tables(), 1301*time.Second+time.Nanosecond)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(collected.Flows.Left).To(Equal(c.left), name)
	}
}

// left are the rows of a flow to the outside: the endpoint's own, and its face.
func left(protocol uint8) (own, face bpf.RowFlowKey, source, seen bpf.RowFlow) {
	client, host, out := end("10.0.0.2:4000"), end("192.0.2.1:61000"), end("198.51.100.7:80")
	own, side := flow.Key(7, protocol, client, out)
	source = bpf.RowFlow{Opener: uint8(side), Translation: uint8(bpf.RowTranslationTRANSLATION_SOURCE), Addr: host.Addr.As16(), State: uint8(bpf.RowFlowStateFLOW_ESTABLISHED)}
	face, at := flow.Key(0, protocol, host, out)
	seen = bpf.RowFlow{
		Opener: uint8(at), Translation: uint8(bpf.RowTranslationTRANSLATION_FACE), Addr: client.Addr.As16(),
		State: uint8(bpf.RowFlowStateFLOW_ESTABLISHED), Set: [2]uint32{7},
	}
	source.Port, seen.Port = face.Port[at], own.Port[side]
	return own, face, source, seen
}

// The face of a flow goes with it, and not before: its port would be another flow's.
func TestTheFaceOfAFlowGoesWithIt(t *testing.T) {
	const first = 1000
	now := first*time.Second + flow.EstablishedTCP + time.Second + time.Nanosecond
	lately := uint32(now/time.Second) - 20
	for name, c := range map[string]struct {
		own, face uint32 // when they had their last packets
		state     bpf.RowFlowState
		gone      bool
		left      int
	}{
		"both are silent":          {own: first, face: first},
		"the endpoint still sends": {own: lately, face: first, left: 2},
		"the other still answers":  {own: first, face: lately, left: 2},
		"it has ended":             {own: lately, face: lately, state: bpf.RowFlowStateFLOW_CLOSED},
		"the endpoint is gone":     {face: lately, gone: true},
	} {
		g := NewWithT(t)
		m := &memory{}
		own, face, source, outer := left(6)
		source.Seen, outer.Seen = c.own, c.face
		if c.state != 0 {
			source.State = uint8(c.state)
		}
		if !c.gone {
			g.Expect(m.flows.Put(own, source)).To(Succeed())
		}
		g.Expect(m.flows.Put(face, outer)).To(Succeed())
		g.Expect(flow.Other(own, source)).To(Equal(face))
		g.Expect(flow.Other(face, outer)).To(Equal(own))
		collected, err := flow.Collect(t.Context(), m.tables(), now)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(collected.Flows.Left).To(Equal(c.left), name)
	}
}
