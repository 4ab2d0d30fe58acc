//go:build kernel

// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/controlplane/compile"
	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/e2e/kernel/order"
	"github.com/mizar-net/mizar/sim/frame"
	"github.com/mizar-net/mizar/sim/scenario"
	"github.com/mizar-net/mizar/topology"
)

// foreigners are hosts without Mizar.
var foreigners = []string{"foreign"}

// abroad shows what the kernel's own Geneve device and the programs make of each
// other's packets, over each family of the underlay.
func (m *machines) abroad(ctx context.Context, t *testing.T) {
	script, err := scenario.Load(os.DirFS("testdata"), "foreign.yaml")
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	for _, over := range script.Variants() {
		t.Run(fmt.Sprintf("over v%d", over.Families[0]), func(t *testing.T) {
			a := abroad{machines: m}
			a.open(ctx, t, over)
			a.plain(ctx, t)
			a.external(ctx, t)
			a.leave(ctx, NewWithT(t), a.hosts)
		})
	}
}

// abroad is a host of ours beside a foreign one.
type abroad struct {
	*machines
	hosts         []state.Host
	ours, foreign state.Host
	device        order.Foreign
}

// here and there are the endpoints of the two.
func (a abroad) here() state.Endpoint  { return a.ours.Endpoints[0] }
func (a abroad) there() state.Endpoint { return a.foreign.Endpoints[0] }

// open makes the machines what the scenario says.
func (a *abroad) open(ctx context.Context, t *testing.T, over *scenario.Scenario) {
	t.Helper()
	g := NewWithT(t)
	for _, s := range compile.Hosts(over.Objects) {
		if s.Name == "foreign" {
			a.foreign = s
		} else {
			a.ours = s
		}
	}
	subnet := a.ours.Subnets[0]
	a.device = order.Foreign{
		MAC: ports["foreign"].mac(), Remote: a.ours.Addresses[0], VNI: a.here().VNI,
		InnerMAC: subnet.GatewayMAC, MTU: a.here().MTU, Peers: a.here().Addresses,
	}
	for _, own := range a.foreign.Addresses {
		for _, c := range ground.Segments[0].CIDRs {
			if c.Contains(own) {
				a.device.Addresses = append(a.device.Addresses, netip.PrefixFrom(own, c.Bits()))
			}
		}
	}
	for i, own := range a.there().Addresses {
		a.device.Inner = append(a.device.Inner, netip.PrefixFrom(own, subnet.CIDRs[i].Bits()))
	}
	a.call(ctx, g, "foreign", "Foreign", a.device, &order.Nothing{})
	a.hosts = a.hold(ctx, t, g, over.Objects)
	a.reach(ctx, g, a.hosts)
}

// plain is a device for one VNI and one remote: it takes packets of ours and skips
// their options, but for critical ones. Its own packets have no identity, without
// which ours takes none.
func (a *abroad) plain(ctx context.Context, t *testing.T) {
	t.Helper()
	g := NewWithT(t)
	for _, to := range a.there().Addresses {
		before, dropped := a.received(ctx, g), a.dropped(ctx, g, "geneve_option")
		a.underlay.Take()
		ask := order.Ask{Endpoint: a.here().Name, Proto: order.UDP, To: to, Count: 1, Size: 32, Timeout: time.Second}
		var answered order.Answered
		a.call(ctx, g, "ours", "Ask", ask, &answered)
		g.Expect(answered.Count).To(BeZero())
		after := a.received(ctx, g)
		g.Expect(after.Datagrams-before.Datagrams).To(Equal(uint64(1)), "the foreign stack read our packet to %s: %+v", to, after)
		g.Expect(a.dropped(ctx, g, "geneve_option")).To(BeNumerically(">", dropped), "its answer has no identity")
		g.Expect(a.sent(frame.ProtoUDP)).To(ConsistOf(frame.Options{}))
		t.Logf("plain device, %s: it decodes our packet; its answer has no option, and is dropped (geneve_option)", to)
	}
	for _, c := range []struct {
		name    string
		options frame.Options
		taken   bool
	}{
		{"with a question (return-to-sender)", frame.Options{Return: &frame.Return{Limit: 4, Token: 1, Host: a.ours.Addresses[0]}}, true},
		{"with an answer (send-back)", frame.Options{SendBack: &frame.SendBack{Token: 1, Host: a.ours.Addresses[0]}}, true},
		{"that says not-here, which is critical", frame.Options{NotHere: &frame.NotHere{}}, false},
		{"that refuses, which is critical", frame.Options{Refusal: &frame.Refusal{Token: 1}}, false},
	} {
		c.options.Identity = &frame.Identity{}
		before := a.received(ctx, g)
		a.inject(g, c.options)
		g.Eventually(func() [2]uint64 {
			now := a.received(ctx, g)
			return [2]uint64{now.Datagrams - before.Datagrams, now.FrameErrors - before.FrameErrors}
		}).WithTimeout(order.Patience).Should(Equal(map[bool][2]uint64{true: {1, 0}, false: {0, 1}}[c.taken]), c.name)
		t.Logf("plain device: a packet %s is %s", c.name, map[bool]string{true: "taken, the option skipped", false: "refused (rx_frame_errors)"}[c.taken])
	}
}

// external is a device that routes tell what to put into its packets. With our
// identity in them, the two speak with each other.
func (a *abroad) external(ctx context.Context, t *testing.T) {
	t.Helper()
	g := NewWithT(t)
	identity := a.there().Identity<<8 | uint32(a.here().Generation)
	a.device.Option = &order.Option{Class: frame.Class, Type: frame.OptionIdentity, Data: binary.BigEndian.AppendUint32(nil, identity)}
	a.call(ctx, g, "foreign", "Foreign", a.device, &order.Nothing{})
	for _, proto := range []string{order.ICMP, order.UDP, order.TCP} {
		for i := range a.here().Addresses {
			for _, c := range []struct {
				host, endpoint string
				to             netip.Addr
			}{{"ours", a.here().Name, a.there().Addresses[i]}, {"foreign", "", a.here().Addresses[i]}} {
				a.underlay.Take()
				ask := order.Ask{Endpoint: c.endpoint, Proto: proto, To: c.to, Count: 3, Size: 700, Timeout: order.Patience}
				var answered order.Answered
				a.call(ctx, g, c.host, "Ask", ask, &answered)
				g.Expect(answered).To(Equal(order.Answered{Count: 3}), "%s from %s to %s", proto, c.host, c.to)
				g.Expect(a.sent(frame.ProtoUDP, frame.ProtoTCP, frame.ProtoICMP, frame.ProtoICMPv6)).To(HaveEach(HaveField("Identity", Equal(&frame.Identity{Identity: a.there().Identity, Generation: a.here().Generation}))))
				t.Logf("external device with the identity option: %s from %s to %s: %d answered", proto, c.host, c.to, answered.Count)
			}
		}
	}
}

func (a abroad) received(ctx context.Context, g Gomega) (r order.Received) {
	a.call(ctx, g, "foreign", "Received", order.Nothing{}, &r)
	return r
}

func (a abroad) dropped(ctx context.Context, g Gomega, reason string) uint64 {
	var c order.Counters
	a.call(ctx, g, "ours", "Count", "ours", &c)
	return c.Drops[reason]
}

// sent are the options of the packets of some protocols that the foreign host has put
// on the underlay since the last look. What its stack says of itself to groups is
// left out.
func (a abroad) sent(protos ...uint8) (all []frame.Options) {
	for _, f := range a.underlay.Take() {
		p, err := frame.Decode(f)
		if err == nil && p.Tunnel && slices.Contains(a.foreign.Addresses, p.OuterSrc) && !p.Inner.Dst.IsMulticast() && slices.Contains(protos, p.Inner.Proto) {
			all = append(all, p.Options)
		}
	}
	return all
}

// inject sends the foreign host a datagram in a tunnel packet of ours.
func (a abroad) inject(g Gomega, options frame.Options) {
	f, err := frame.Build(frame.Spec{
		Kind: frame.UDP, SrcMAC: a.here().MAC, DstMAC: a.device.InnerMAC,
		Src: a.here().Addresses[0], Dst: a.there().Addresses[0], SrcPort: 40000, DstPort: order.EchoPort, Payload: []byte("mizar"),
		Tunnel: &frame.Tunnel{
			SrcMAC: topology.FromStates([]state.Host{a.ours}).Hosts[0].MAC, DstMAC: ports["foreign"].mac(),
			Src: a.ours.Addresses[0], Dst: a.foreign.Addresses[0], VNI: a.here().VNI, Options: options,
		},
	})
	g.Expect(err).NotTo(HaveOccurred())
	a.underlay.Inject(ports["ours"].place, f)
}
