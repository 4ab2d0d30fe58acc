//go:build kernel

// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/controlplane/compile"
	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/e2e/kernel/order"
	"github.com/mizar-net/mizar/sim/frame"
	"github.com/mizar-net/mizar/sim/scenario"
	"github.com/mizar-net/mizar/sim/scenarios"
	"github.com/mizar-net/mizar/sim/wire"
	"github.com/mizar-net/mizar/topology"
)

// ground is one segment of both families: the machines ask each other for their
// Ethernet addresses.
var ground = topology.Underlay{Segments: []topology.Segment{{
	Name: "lan", MTU: 1500,
	CIDRs: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::/64")},
}}}

// hold makes hosts hold what objects ask for, and waits until they have found each
// other. Hosts that have no device are left out.
func (m *machines) hold(ctx context.Context, t *testing.T, g Gomega, set object.Set) []state.Host {
	t.Helper()
	var held []state.Host
	for _, s := range compile.Hosts(set) {
		if slices.Contains(foreigners, s.Name) {
			continue
		}
		var done order.Held
		m.call(ctx, g, s.Name, "Hold", order.Hold{State: s, Ground: ground, MAC: ports[s.Name].mac()}, &done)
		g.Expect(done.Driver).To(Equal("virtio_net"))
		g.Expect(done.Mode).To(Equal(state.Native), "the uplink's program of %s:\n%s", s.Name, done.Report)
		t.Logf("host %s, driver %s, mode %s:\n%s", s.Name, done.Driver, done.Mode, done.Report)
		held = append(held, s)
	}
	return held
}

// reach waits until hosts know the next hops of all others.
func (m *machines) reach(ctx context.Context, g Gomega, hosts []state.Host) {
	for _, h := range hosts {
		m.call(ctx, g, h.Name, "Reach", h.Name, &order.Nothing{})
	}
}

// leave ends hosts.
func (m *machines) leave(ctx context.Context, g Gomega, hosts []state.Host) {
	for _, h := range hosts {
		m.call(ctx, g, h.Name, "Leave", h.Name, &order.Nothing{})
	}
}

// drops are all hosts' counters of drops.
func (m *machines) drops(ctx context.Context, g Gomega, hosts []state.Host) map[string]map[string]uint64 {
	all := map[string]map[string]uint64{}
	for _, h := range hosts {
		var c order.Counters
		m.call(ctx, g, h.Name, "Count", h.Name, &c)
		all[h.Name] = c.Drops
	}
	return all
}

// overlay runs the conversations of the tour between the machines, over each
// family of the underlay.
func (m *machines) overlay(ctx context.Context, t *testing.T) {
	g := NewWithT(t)
	tour, err := scenarios.Load(scenarios.Tour)
	g.Expect(err).NotTo(HaveOccurred())
	for _, over := range tour.Variants() {
		t.Run(fmt.Sprintf("over v%d", over.Families[0]), func(t *testing.T) {
			g := NewWithT(t)
			hosts := m.hold(ctx, t, g, over.Objects)
			m.reach(ctx, g, hosts)
			walk := walk{machines: m, set: over.Objects, hosts: hosts}
			steps := 0
			for _, s := range over.Steps {
				if s.Probe != nil {
					g.Expect(walk.probe(ctx, t, s.Probe)).To(BeNumerically(">", 0), "conversations of %q", s.Name)
					steps++
				}
			}
			g.Expect(steps).To(BeNumerically(">=", 5), "the tour has probes")
			m.leave(ctx, g, hosts)
		})
	}
}

// walk is the tour over one underlay.
type walk struct {
	*machines
	set   object.Set
	hosts []state.Host
}

// probe holds every conversation of a step and returns how many there were.
func (w walk) probe(ctx context.Context, t *testing.T, p *scenario.Probe) (n int) {
	t.Helper()
	from, to := w.endpoint(p.From), w.endpoint(p.To.Endpoint)
	for _, proto := range p.Protos {
		for _, a := range to.Addresses {
			family := map[bool]int{true: 4, false: 6}[a.Is4()]
			if (p.Family != 0 && p.Family != family) || !slices.ContainsFunc(from.Addresses, func(b netip.Addr) bool { return b.Is4() == a.Is4() }) {
				continue
			}
			n++
			w.converse(ctx, t, p, string(proto), a)
		}
	}
	return n
}

func (w walk) endpoint(key string) object.Endpoint {
	i := slices.IndexFunc(w.set.Endpoints, func(e object.Endpoint) bool { return e.Key() == key })
	return w.set.Endpoints[i]
}

// converse holds one conversation and compares what came of it, and what the
// underlay carried meanwhile, with what the scenario expects.
func (w walk) converse(ctx context.Context, t *testing.T, p *scenario.Probe, proto string, to netip.Addr) {
	t.Helper()
	g := NewWithT(t)
	about := fmt.Sprintf("%s %s → %s", proto, scenario.Short(p.From), to)
	if p.Fresh {
		for _, h := range w.hosts {
			w.call(ctx, g, h.Name, "Forget", h.Name, &order.Nothing{})
		}
	}
	before := w.drops(ctx, g, w.hosts)
	w.underlay.Take()
	ask := order.Ask{Endpoint: p.From, Proto: proto, To: to, Count: max(p.Count, 1), Size: 32, Timeout: order.Patience}
	if proto == string(wire.TCP) {
		ask.Count = 1
	}
	if p.Expect.Verdict != scenario.Deliver {
		ask.Timeout = time.Second // nothing will come
	}
	var answered order.Answered
	w.call(ctx, g, w.hostOf(p.From), "Ask", ask, &answered)
	seen := w.seen(t, g)
	if p.Expect.Verdict != scenario.Deliver {
		g.Expect(answered.Count).To(BeZero(), about)
		g.Expect(w.grown(ctx, g, before)).To(ContainElement(HaveSuffix(" "+p.Expect.Reason)), about)
		t.Logf("%s: %s, the socket was told: %s", about, p.Expect.Reason, answered.Why)
		return
	}
	g.Expect(answered).To(Equal(order.Answered{Count: ask.Count}), "%s; drops: %v", about, w.grown(ctx, g, before))
	forth, back := hops(seen, to, proto, forthwards), hops(seen, to, proto, backwards)
	if proto == string(wire.TCP) && len(forth) > 0 && len(back) > 0 {
		forth, back = forth[:1], back[:1] // the scenario speaks of SYN and SYN-ACK
	}
	g.Expect(forth).To(Equal(lengthen(p.Expect.Hops, len(forth))), "%s: hops", about)
	if len(p.Expect.ReplyHops) > 0 {
		g.Expect(back).To(Equal(lengthen(p.Expect.ReplyHops, len(back))), "%s: hops of replies", about)
	}
	if p.Expect.Hops[0] > 0 {
		g.Expect(len(forth)).To(BeNumerically(">=", ask.Count), about)
		g.Expect(len(back)).To(BeNumerically(">=", ask.Count), about)
	}
	t.Logf("%s: %d answered, hops %v, of replies %v", about, answered.Count, forth, back)
}

// hostOf is the host that an endpoint is behind.
func (w walk) hostOf(endpoint string) string { return w.endpoint(endpoint).Host }

// grown are the drop reasons that counted up: "h3 no_endpoint".
func (w walk) grown(ctx context.Context, g Gomega, before map[string]map[string]uint64) (all []string) {
	for host, reasons := range w.drops(ctx, g, w.hosts) {
		for reason, n := range reasons {
			if n > before[host][reason] {
				all = append(all, host+" "+reason)
			}
		}
	}
	slices.Sort(all)
	return all
}

// seen are the tunnel packets that the underlay has carried, each of which must be
// whole.
func (m *machines) seen(t *testing.T, g Gomega) (all []frame.Packet) {
	t.Helper()
	for _, f := range m.underlay.Take() {
		p, err := frame.Decode(f)
		g.Expect(err).NotTo(HaveOccurred())
		if p.Malformed == "" && !p.Tunnel {
			continue // what the machines' own stacks say
		}
		g.Expect(frame.VerifyChecksums(f)).To(Succeed(), p.String())
		all = append(all, p)
	}
	return all
}

// direction is that of a conversation.
type direction int

const (
	forthwards direction = iota
	backwards
)

// hops are how often each packet of a conversation was on the underlay, in the
// order in which they came there.
func hops(seen []frame.Packet, to netip.Addr, proto string, d direction) []int {
	protos := map[string][]uint8{
		order.ICMP: {frame.ProtoICMP, frame.ProtoICMPv6}, order.TCP: {frame.ProtoTCP}, order.UDP: {frame.ProtoUDP},
	}
	times, names := map[string]int{}, []string{}
	for _, p := range seen {
		y := p.Inner
		if (d == forthwards && y.Dst != to) || (d == backwards && y.Src != to) || !slices.Contains(protos[proto], y.Proto) {
			continue
		}
		name := fmt.Sprint(y.Src, y.Dst, y.IPID, y.SrcPort, y.DstPort, y.TCPFlags, y.Seq, y.Ack, y.ICMPID, y.ICMPSeq, y.Payload)
		if times[name]++; times[name] == 1 {
			names = append(names, name)
		}
	}
	all := make([]int, len(names))
	for i, name := range names {
		all[i] = times[name]
	}
	return all
}

// lengthen is what is expected of so many packets: the last number holds for all
// that follow.
func lengthen(expected []int, length int) []int {
	all := make([]int, 0, length)
	for i := range length {
		all = append(all, expected[min(i, len(expected)-1)])
	}
	return all
}
