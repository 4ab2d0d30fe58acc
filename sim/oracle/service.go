// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"net/netip"
	"slices"
	"time"

	"github.com/mizar-net/mizar/controlplane/service"
	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/oracle/judge"
)

// The drop reasons of services.
const (
	noService = "no_service"
	noBackend = "no_backend"
	flowTaken = "flow_taken"
	// sourceRange is of addresses of load balancers.
	sourceRange = "source_range"
)

// face is a flow to a frontend as who opened it sees it: the host of that one keeps
// which backend it has.
type face struct {
	backend netip.AddrPort
	// low says that the lower end opened it.
	low  bool
	seen time.Duration
	// settled says that both sides had spoken by the opener's last packet.
	settled bool
}

// serve gives what an endpoint sends to a frontend to a backend, or says why nobody gets
// it. A flow keeps its backend, a connection that begins gets one that the service has.
func (o *Oracle) serve(w *walk, n *node) (reason string) {
	o.collect(n)
	k, low := w.key()
	known := n.views[k]
	if f := n.flows[k]; known == nil && f != nil {
		w.self = f.frontend.IsValid() && f.low != low && f.frontend.Addr() == w.dst
		return ""
	}
	frontend := netip.AddrPortFrom(w.dst, w.flow.to)
	backend, begins := netip.AddrPort{}, true
	if known != nil {
		backend = known.backend
		f := n.flowOf(k, known)
		begins = w.flow.protocol == judge.TCP && w.flow.tcp.syn && !w.flow.tcp.ack && (f == nil || f.phase >= closed)
	}
	if begins {
		if backend, reason = n.backendFor(w, frontend, o.now(n.name)); reason != "" || !backend.IsValid() {
			if known != nil && reason == "" {
				reason = noService
			}
			return reason
		}
	}
	w.view, w.viewLow, w.frontend = k, low, frontend
	if w.self = backend.Addr() == w.src; w.self {
		w.src = frontend.Addr() // who is the backend that he asks for meets himself as the frontend
	}
	w.dst, w.flow.to = backend.Addr(), backend.Port()
	return ""
}

// backendFor is the backend that a new flow to a frontend gets; none and no reason: it is
// no frontend.
func (n *node) backendFor(w *walk, frontend netip.AddrPort, now time.Duration) (backend netip.AddrPort, reason string) {
	for _, s := range n.services.Host(n.name, w.vpc.VNI) {
		switch {
		case s.Protocol == w.flow.protocol && slices.Contains(s.Frontends, frontend):
			flow := service.Tuple{Source: netip.AddrPortFrom(w.src, w.flow.from), Destination: frontend, Protocol: s.Protocol}
			if s.Affinity > 0 {
				return n.clientsBackend(s, flow, now)
			}
			if i := service.Choose(s.Table, flow); i >= 0 {
				return s.Backends[i], ""
			}
			return netip.AddrPort{}, noBackend
		case slices.ContainsFunc(s.Frontends, func(f netip.AddrPort) bool { return f.Addr() == frontend.Addr() }):
			reason = noService
		}
	}
	return netip.AddrPort{}, reason
}

// client is who keeps a backend of a service.
type client struct {
	service string
	addr    netip.Addr
}

// kept is the backend that a client keeps, and when it last began a flow.
type kept struct {
	backend netip.AddrPort
	since   time.Duration
}

// clientsBackend is the backend of a client that keeps one: what it has, as long as that
// is one and its time is not up, or what all of its flows would choose.
func (n *node) clientsBackend(s state.Service, flow service.Tuple, now time.Duration) (netip.AddrPort, string) {
	who := client{s.Name, flow.Source.Addr()}
	has, ok := n.clients[who]
	if seconds := func(d time.Duration) time.Duration { return d / time.Second }; !ok || seconds(now)-seconds(has.since) > seconds(s.Affinity) || !slices.Contains(s.Backends, has.backend) {
		i := service.Choose(s.Table, flow.OfClient())
		if i < 0 {
			return netip.AddrPort{}, noBackend
		}
		has.backend = s.Backends[i]
	}
	n.clients[who] = kept{has.backend, now}
	return has.backend, ""
}

// keep notes which backend the flow of a packet has that goes on from here.
func (o *Oracle) keep(w *walk, n *node) {
	if !w.frontend.IsValid() || n.name != w.out.Hosts[0] {
		return
	}
	v := &face{backend: netip.AddrPortFrom(w.dst, w.flow.to), low: w.viewLow, seen: o.now(n.name)}
	k, _ := w.key()
	if f := n.flows[k]; f != nil {
		v.settled = f.settled
	}
	n.views[w.view] = v
}

// taken says whether a flow is another one than that of a packet which has just been sent
// and would seem to belong to it: one of the two goes to a frontend, or to another one.
func (f *flow) taken(w *walk, low bool) bool {
	switch {
	case w.gate.IsValid():
		return low != f.low || f.gate != w.gate
	case len(w.out.Hosts) > 1:
		return false
	case w.frontend.IsValid():
		return low != f.low || f.frontend != w.frontend
	}
	return low == f.low && f.frontend.IsValid()
}

// flowOf is the flow of a view.
func (n *node) flowOf(k flowKey, v *face) *flow {
	opener, frontend := k.high, k.low
	if v.low {
		opener, frontend = k.low, k.high
	}
	if opener.Addr() == v.backend.Addr() {
		opener = netip.AddrPortFrom(frontend.Addr(), opener.Port())
	}
	w := walk{packet: packet{src: opener.Addr(), dst: v.backend.Addr(), flow: tuple{protocol: k.protocol, from: opener.Port(), to: v.backend.Port()}}}
	w.vpc.Name = k.vpc
	with, _ := w.key()
	return n.flows[with]
}

// closeViews forgets the views of flows that are gone, and those that nothing came of.
func (n *node) closeViews(now time.Duration) {
	for k, v := range n.views {
		over := v.settled && n.flowOf(k, v) == nil
		if !v.settled {
			over = (&flow{phase: opening, seen: v.seen}).expired(k, now)
		}
		if over {
			delete(n.views, k)
		}
	}
}

// forsake forgets the views of datagrams to backends that their services have no more.
func (n *node) forsake() {
	for k, v := range n.views {
		if k.protocol == judge.UDP && !n.stands(k, v) {
			delete(n.views, k)
		}
	}
}

// stands says whether a view's backend still stands behind its frontend.
func (n *node) stands(k flowKey, v *face) bool {
	frontend := k.low
	if v.low {
		frontend = k.high
	}
	vpc, _ := n.set.VPC(k.vpc)
	return slices.ContainsFunc(n.services.Host(n.name, vpc.VNI), func(s state.Service) bool {
		return s.Protocol == k.protocol && slices.Contains(s.Frontends, frontend) && slices.Contains(s.Backends, v.backend)
	})
}
