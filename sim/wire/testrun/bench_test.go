// SPDX-License-Identifier: Apache-2.0

package testrun_test

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"pgregory.net/rapid"

	"github.com/mizar-net/mizar/controlplane/compile"
	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/frame"
	"github.com/mizar-net/mizar/sim/oracle"
	"github.com/mizar-net/mizar/sim/wire"
	"github.com/mizar-net/mizar/sim/wire/testrun"
)

// bench is a network that oracle and programs are told the same of.
type bench struct {
	ctx    context.Context
	oracle *oracle.Oracle
	wire   *testrun.Wire
	draft  object.Draft
	set    object.Set
	states []state.Host
	names  []string
	// changed are the addresses of the endpoint that was changed last.
	changed []netip.Addr
	// born are all endpoints that there ever were; many counts them.
	born []object.Endpoint
	many int
	// down is whom each host takes to be down, filling which subnets each fills.
	down, filling map[string][]string
	conditions    map[string]wire.Condition
	// history tells what was done, for a failure.
	history string
}

func newBench(t *rapid.T, pool *testrun.Pool) *bench {
	b := &bench{
		ctx: context.Background(), oracle: oracle.New(), wire: testrun.New(pool.Make),
		down: map[string][]string{}, filling: map[string][]string{}, conditions: map[string]wire.Condition{},
	}
	b.draw(t)
	b.apply(t)
	return b
}

// draw draws a network: up to five hosts of one or two underlay families, two
// VPCs with the same addresses, subnets of one or two families, endpoints
// anywhere, roles anywhere.
func (b *bench) draw(t *rapid.T) {
	d := &b.draft
	underlay := rapid.SampledFrom([]string{"4", "6", "46"}).Draw(t, "underlay")
	mtu := rapid.SampledFrom([]int{1500, 1600}).Draw(t, "mtu")
	for i := range rapid.IntRange(1, 5).Draw(t, "hosts") {
		b.names = append(b.names, fmt.Sprintf("h%d", i+1))
		d.Hosts = append(d.Hosts, object.Host{
			Meta: object.Meta{Name: b.names[i]}, MTU: mtu,
			Addresses: families(underlay, fmt.Sprintf("192.0.2.%d", i+1), fmt.Sprintf("2001:db8::%d", i+1)),
		})
	}
	for v, vpc := range []string{"blue", "red"} {
		d.VPCs = append(d.VPCs, object.VPC{
			Meta: object.Meta{Name: vpc}, VNI: uint32(100 * (v + 1)), Dividers: b.placement(t, "dividers of "+vpc),
		})
		for s := range rapid.IntRange(1, 3).Draw(t, "subnets of "+vpc) {
			b.drawSubnet(t, vpc, s)
		}
	}
}

func (b *bench) drawSubnet(t *rapid.T, vpc string, s int) {
	name := fmt.Sprintf("%s-%d", vpc, s)
	inner := rapid.SampledFrom([]string{"4", "6", "46"}).Draw(t, "families of "+name)
	subnet := object.Subnet{Meta: object.Meta{Name: name}, VPC: vpc, Bouncers: b.placement(t, "bouncers of "+name)}
	for _, p := range families(inner, fmt.Sprintf("10.0.%d.0", s), fmt.Sprintf("fd00:0:0:%d::", s)) {
		bits := 24
		if p.Is6() {
			bits = 64
		}
		subnet.CIDRs = append(subnet.CIDRs, netip.PrefixFrom(p, bits))
	}
	b.draft.Subnets = append(b.draft.Subnets, subnet)
	least := 0
	if len(b.draft.Subnets) == 1 {
		least = 1 // somebody lives here
	}
	for e := range rapid.IntRange(least, 3).Draw(t, "endpoints of "+name) {
		b.draft.Endpoints = append(b.draft.Endpoints, object.Endpoint{
			Meta:      object.Meta{Name: fmt.Sprintf("%s-%d", name, e), Namespace: "default"},
			Subnet:    name,
			Host:      b.host(t),
			Addresses: families(inner, fmt.Sprintf("10.0.%d.%d", s, 10+e), fmt.Sprintf("fd00:0:0:%d::%d", s, 10+e)),
		})
	}
	b.born = slices.Clone(b.draft.Endpoints)
}

func families(which, v4, v6 string) (list []netip.Addr) {
	for _, f := range which {
		if f == '4' {
			list = append(list, netip.MustParseAddr(v4))
		} else {
			list = append(list, netip.MustParseAddr(v6))
		}
	}
	return list
}

func (b *bench) host(t *rapid.T) string { return rapid.SampledFrom(b.names).Draw(t, "host") }

func (b *bench) placement(t *rapid.T, label string) object.Placement {
	return object.Placement{Hosts: rapid.SliceOfNDistinct(rapid.SampledFrom(b.names), 1, -1, rapid.ID[string]).Draw(t, label)}
}

// apply tells oracle and programs all of the network as it is now.
func (b *bench) apply(t *rapid.T) {
	d := b.draft
	d.Endpoints, d.Subnets, d.VPCs, d.Hosts = slices.Clone(d.Endpoints), slices.Clone(d.Subnets), slices.Clone(d.VPCs), slices.Clone(d.Hosts)
	set, err := object.New(d)
	if err != nil {
		t.Fatalf("the generator drew bad objects: %v", err)
	}
	b.set, b.states = set, compile.Hosts(set)
	compile.Mark(b.states, func(host, peer string) bool { return !slices.Contains(b.down[host], peer) })
	for i := range b.states {
		b.fill(&b.states[i])
	}
	for _, name := range b.names {
		b.oracle.Down(name, b.down[name])
		b.oracle.Filling(name, b.filling[name])
	}
	if err := b.oracle.Apply(set); err != nil {
		t.Fatal(err)
	}
	if err := b.wire.Apply(b.ctx, b.states); err != nil {
		t.Fatal(err)
	}
}

// fill makes a host not have got the directories that it fills.
func (b *bench) fill(h *state.Host) {
	filling := b.filling[h.Name]
	for i, s := range h.Subnets {
		if s.Bouncer == state.Complete && slices.Contains(filling, s.Name) {
			h.Subnets[i].Bouncer = state.Filling
		}
	}
	h.Directory = slices.DeleteFunc(h.Directory, func(l state.Location) bool { return slices.Contains(filling, l.Subnet) })
}

// step does one thing, most often a probe.
func (b *bench) step(t *rapid.T) {
	change := rapid.SampledFrom([]string{
		"probe", "probe", "probe", "probe", "probe", "move", "move", "delete", "recreate", "recreate", "relabel", "relabel", "rename",
		"pause", "pause", "die", "link", "believe", "fill", "bouncers", "dividers", "wait", "clock", "too big",
	}).Draw(t, "step")
	if change != "probe" {
		b.history += "\n" + change
	}
	switch change {
	case "probe":
		b.probe(t)
	case "move", "delete", "recreate", "relabel", "rename":
		b.endpoint(t, change)
	case "pause", "die", "link":
		b.fault(t, change)
	case "believe":
		b.down[b.host(t)] = rapid.SliceOfDistinct(rapid.SampledFrom(b.names), rapid.ID[string]).Draw(t, "down")
		b.apply(t)
	case "fill":
		i := rapid.IntRange(0, len(b.draft.Subnets)-1).Draw(t, "subnet")
		host, name := b.host(t), b.draft.Subnets[i].Name
		if at := slices.Index(b.filling[host], name); at >= 0 {
			b.filling[host] = slices.Delete(slices.Clone(b.filling[host]), at, at+1)
		} else {
			b.filling[host] = append(slices.Clone(b.filling[host]), name)
		}
		b.apply(t)
	case "bouncers":
		i := rapid.IntRange(0, len(b.draft.Subnets)-1).Draw(t, "subnet")
		b.draft.Subnets[i].Bouncers = b.placement(t, "bouncers")
		b.apply(t)
	case "dividers":
		i := rapid.IntRange(0, len(b.draft.VPCs)-1).Draw(t, "vpc")
		b.draft.VPCs[i].Dividers = b.placement(t, "dividers")
		b.apply(t)
	default:
		b.time(t, change)
	}
}

// time lets some pass, everywhere or at one host, or a router say that something
// was too big.
func (b *bench) time(t *rapid.T, change string) {
	span := rapid.SampledFrom([]time.Duration{5 * time.Millisecond, 400 * time.Millisecond, time.Second, 2 * time.Second, 600 * time.Second}).Draw(t, "span")
	switch change {
	case "wait":
		b.oracle.Advance(span)
		if err := b.wire.Advance(b.ctx, span); err != nil {
			t.Fatal(err)
		}
	case "clock":
		host := b.host(t)
		b.oracle.StepClock(host, span)
		if err := b.wire.StepClock(b.ctx, host, span); err != nil {
			t.Fatal(err)
		}
	case "too big":
		b.tooBig(t)
	}
}

// endpoint changes one of the endpoints.
func (b *bench) endpoint(t *rapid.T, change string) {
	if len(b.draft.Endpoints) == 0 {
		return
	}
	i := rapid.IntRange(0, len(b.draft.Endpoints)-1).Draw(t, "endpoint")
	all := slices.Clone(b.draft.Endpoints)
	now, _ := b.set.Endpoint(all[i].Key())
	e := &all[i]
	b.changed = slices.Clone(e.Addresses)
	e.Generation, e.MAC = now.Generation, now.MAC
	b.history += " " + e.Name
	switch change {
	case "delete":
		all = slices.Delete(all, i, i+1)
	case "move":
		e.Host = b.host(t)
		b.history += " to " + e.Host
	default:
		// Somebody else: never the same generation as before.
		e.Generation = e.Generation%255 + 1
		if change != "relabel" {
			e.Host = b.host(t)
			b.many++
			e.MAC = state.MAC{0x02, 0x99, 0, 0, byte(b.many >> 8), byte(b.many)}
			b.history += " at " + e.Host
		}
		if change == "rename" {
			e.Name = fmt.Sprintf("new-%d", b.many)
		}
	}
	b.draft.Endpoints = all
	b.apply(t)
}

// fault breaks or mends something of a host.
func (b *bench) fault(t *rapid.T, what string) {
	host := b.host(t)
	c := b.conditions[host]
	switch what {
	case "pause":
		if c.Agent == wire.Paused {
			c.Agent = wire.Running
		} else {
			c.Agent = wire.Paused
		}
	case "die":
		c.Dead = !c.Dead
	case "link":
		c.Link.Down = !c.Link.Down
	}
	b.history += " " + host + ": " + c.String()
	b.conditions[host] = c
	if err := b.oracle.SetCondition(host, c); err != nil {
		t.Fatal(err)
	}
	if err := b.wire.SetCondition(b.ctx, host, c); err != nil {
		t.Fatal(err)
	}
}

// tooBig lets a router of the underlay say to a host that a tunnel packet to
// another was too big.
func (b *bench) tooBig(t *rapid.T) {
	from, to := b.host(t), b.host(t)
	mtu := rapid.SampledFrom([]int{1280, 1300, 1400, 1460, 9000}).Draw(t, "told")
	if from == to || b.conditions[from].Dead {
		return
	}
	b.history += fmt.Sprintf(" %s to %s: %d", from, to, mtu)
	h, _ := b.set.Host(from)
	peer, _ := b.set.Host(to)
	b.oracle.TooBig(from, to, mtu)
	if _, err := b.wire.Inject(b.ctx, wire.Port{Uplink: from}, [][]byte{routerSays(t, h.Addresses[0], peer.Addresses[0], mtu)}); err != nil {
		t.Fatal(err)
	}
}

// routerSays is an ICMP error about a tunnel packet.
func routerSays(t *rapid.T, from, to netip.Addr, mtu int) []byte {
	quoted, err := frame.Build(frame.Spec{Kind: frame.UDP, Src: from, Dst: to, DF: true, SrcPort: 50000, DstPort: frame.GenevePort, NoChecksum: true, Payload: make([]byte, 1400)})
	if err != nil {
		t.Fatal(err)
	}
	router, kind, code, most := netip.MustParseAddr("198.51.100.1"), uint8(3), uint8(4), 548
	if from.Is6() {
		router, kind, code, most = netip.MustParseAddr("2001:db8:ffff::1"), 2, 0, 1232
	}
	b, err := frame.Build(frame.Spec{Kind: frame.ErrorMessage, Src: router, Dst: from, Type: kind, Code: code, MTU: mtu, Payload: quoted[14 : 14+most]})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// told are the steps of all packets, a line each.
func told(o wire.Outcome) string {
	var s strings.Builder
	for name, packets := range map[string][]wire.Packet{"request": o.Requests, "reply": o.Replies} {
		for i, p := range packets {
			for _, step := range p.Steps {
				about := ""
				if y, err := frame.Decode(step.Out); err == nil {
					about = y.String()
				}
				fmt.Fprintf(&s, "%s %d: %s %s %s %s → %s\n", name, i, step.Host, step.Program, step.Verdict, step.Reason, about)
			}
		}
	}
	return s.String()
}
