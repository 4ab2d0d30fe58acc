// SPDX-License-Identifier: Apache-2.0

package run_test

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"time"

	"github.com/mizar-net/mizar/controlplane/compile"
	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/run"
	"github.com/mizar-net/mizar/sim/wire"
)

// network is a fake wire, and a fake oracle: it delivers between endpoints of
// one VPC, through the host "h3" until it has learned, and drops the rest.
type network struct {
	name    string
	states  []state.Host
	learned map[string]bool
	frames  map[string]uint64
	drops   wire.Drops
	// spoil changes outcomes, to plant faults.
	spoil  func(*wire.Outcome)
	broken error
	closed int
}

func newNetwork(name string) *network {
	return &network{name: name, learned: map[string]bool{}, frames: map[string]uint64{}, drops: wire.Drops{}}
}

func (n *network) Name() string { return n.name }

func (n *network) Apply(_ context.Context, hosts []state.Host) error {
	n.states = hosts
	return n.broken
}

// find returns the host and endpoint that a test picks.
func (n *network) find(pick func(state.Endpoint) bool) (string, state.Endpoint) {
	for _, h := range n.states {
		for _, e := range h.Endpoints {
			if pick(e) {
				return h.Name, e
			}
		}
	}
	return "", state.Endpoint{}
}

func (n *network) Probe(_ context.Context, p wire.Probe) (wire.Outcome, error) {
	src, from := n.find(func(e state.Endpoint) bool { return e.Name == p.From })
	meant := n.behind(src, from.VNI, p)
	dst, to := n.find(func(e state.Endpoint) bool {
		for _, a := range e.Addresses {
			if a == meant && e.VNI == from.VNI {
				return true
			}
		}
		return false
	})
	var o wire.Outcome
	for range max(p.Count, 1) {
		if to.Name == "" {
			n.drop("h3", "no_endpoint")
			o.Requests = append(o.Requests, wire.Packet{Hosts: []string{src, "h3"}, Hops: 1, Reason: "no_endpoint", Dropper: "h3"})
			continue
		}
		o.Requests = append(o.Requests, n.way(src, dst, to.Name, p.To.String()))
		o.Replies = append(o.Replies, wire.Packet{Delivered: true, To: p.From, Hosts: direct(dst, src), Hops: len(direct(dst, src)) - 1})
	}
	if n.spoil != nil {
		n.spoil(&o)
	}
	return o, nil
}

// behind is the address that a probe goes to: of a service, that of the backend that the
// source port leads to.
func (n *network) behind(host string, vni uint32, p wire.Probe) netip.Addr {
	protocol := map[wire.Proto]uint8{wire.TCP: 6, wire.UDP: 17}[p.Proto]
	for _, h := range n.states {
		for _, s := range h.Services {
			if h.Name == host && s.VNI == vni && s.Protocol == protocol && slices.Contains(s.Frontends, netip.AddrPortFrom(p.To, p.Port)) && len(s.Backends) > 0 {
				return s.Backends[int(p.SourcePort)%len(s.Backends)].Addr()
			}
		}
	}
	return p.To
}

func direct(src, dst string) []string {
	if src == dst {
		return []string{src}
	}
	return []string{src, dst}
}

func (n *network) way(src, dst, to, address string) wire.Packet {
	hosts := direct(src, dst)
	if !n.learned[src+address] && src != dst {
		hosts = []string{src, "h3", dst}
	}
	n.learned[src+address] = true
	n.frames[src] += uint64(len(hosts) - 1)
	return wire.Packet{Delivered: true, To: to, Hosts: hosts, Hops: len(hosts) - 1}
}

func (n *network) drop(host, reason string) {
	if n.drops[host] == nil {
		n.drops[host] = map[string]uint64{}
	}
	n.drops[host][reason]++
}

func (n *network) Inject(_ context.Context, at wire.Port, frames [][]byte) ([]wire.Emission, error) {
	host, from := n.find(func(e state.Endpoint) bool { return e.Name == at.Endpoint })
	for _, f := range frames {
		if state.MAC(f[6:12]) != from.MAC {
			n.drop(host, "guard_mac")
			continue
		}
		n.drop(host, "multicast")
	}
	return nil, nil
}

func (n *network) Drops(context.Context) (wire.Drops, error) {
	drops := wire.Drops{}
	for host, reasons := range n.drops {
		drops[host] = map[string]uint64{}
		for reason, count := range reasons {
			drops[host][reason] = count
		}
	}
	return drops, nil
}

func (n *network) UnderlayFrames(context.Context) (map[string]uint64, error) {
	frames := map[string]uint64{}
	for host, count := range n.frames {
		frames[host] = count
	}
	return frames, nil
}

func (n *network) Forget(context.Context, ...state.Place) error { clear(n.learned); return nil }

func (n *network) Advance(context.Context, time.Duration) error { return nil }

func (n *network) Close() error { n.closed++; return nil }

// oracle is the network seen as an oracle.
type oracle struct{ *network }

func (o oracle) Apply(set object.Set) error {
	o.states = compile.Hosts(set)
	return nil
}

func (o oracle) Probe(p wire.Probe) (wire.Outcome, error) {
	return o.network.Probe(context.Background(), p)
}

func (o oracle) Forget(...state.Place) { clear(o.learned) }

func (o oracle) Advance(time.Duration) {}

// setup is two fake wires and what they were spoiled with.
func setup(testrun, veth *network) run.Config {
	open := func(n *network) run.Factory {
		return run.Factory{Name: n.name, Open: func(context.Context) (wire.Wire, error) {
			clear(n.learned)
			return n, nil
		}}
	}
	return run.Config{
		Wires:   []run.Factory{open(testrun), open(veth)},
		Oracle:  func() run.Oracle { return oracle{newNetwork("oracle")} },
		Compile: compile.View.Hosts,
	}
}

var errBroken = errors.New("no such device")
