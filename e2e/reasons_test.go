// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/cilium/ebpf"

	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/controlplane/hash"
	"github.com/mizar-net/mizar/dataplane"
	"github.com/mizar-net/mizar/dataplane/flow"
	"github.com/mizar-net/mizar/dataplane/kernel"
	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/frame"
)

// The host of these tests bounces subnet a and divides the VPC; its endpoint
// has port 100. VPC 200 has nobody to ask, its endpoint has port 101. VPC 300 is
// bounced by the peer, its endpoint has port 102. Who is in VPC 400 reaches the outside, its
// endpoint has port 104.
const (
	uplinkPort  = 1
	portOfRed   = 100
	portOfBlue  = 101
	portOfGreen = 102
	portOfGuard = 103
	portOfWhite = 104
	noPort      = 999
)

var (
	gatewayMAC = state.MAC{2, 0x4d, 0x5a, 0, 0, 100}
	redMAC     = state.MAC{2, 0, 0, 0, 0, 10}
	own4, own6 = netip.MustParseAddr("10.0.0.10"), netip.MustParseAddr("fd00::10")
	far4       = netip.MustParseAddr("10.0.0.20")
	frontend   = netip.MustParseAddr("172.20.0.1")
	balancer   = netip.MustParseAddr("203.0.113.80")
	far6       = netip.MustParseAddr("fd00::20")
	other4     = netip.MustParseAddr("10.0.1.20")
	gateway4   = netip.MustParseAddr("10.0.0.1")
	guarded4   = netip.MustParseAddr("10.0.0.11")
	nobody4    = netip.MustParseAddr("10.0.0.88")
	self       = netip.MustParseAddr("192.0.2.3")
	peer       = netip.MustParseAddr("192.0.2.1")
	stranger   = netip.MustParseAddr("203.0.113.9")
)

func reasonsHost() (state.Host, state.Local) {
	prefixes := func(s ...string) (list []netip.Prefix) {
		for _, p := range s {
			list = append(list, netip.MustParsePrefix(p))
		}
		return list
	}
	gateways := []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("fd00::1")}
	host := state.Host{
		Name: "h3", Addresses: []netip.Addr{self}, MTU: 1500,
		Peers: []state.Peer{{Name: "h1", Addresses: []netip.Addr{peer}}},
		VPCs: []state.VPC{
			{Name: "blue", VNI: 200},
			{Name: "green", VNI: 300},
			{Name: "red", VNI: 100, Dividers: []string{"h3"}, Divider: true},
			{Name: "white", VNI: 400, Dividers: []string{"h3"}, Divider: true, Leaves: true},
		},
		Subnets: []state.Subnet{
			{Name: "a", VNI: 100, CIDRs: prefixes("10.0.0.0/24", "fd00::/64"), Gateways: gateways,
				GatewayMAC: gatewayMAC, Bouncers: []string{"h3"}, Bouncer: state.Complete},
			{Name: "b", VNI: 100, CIDRs: prefixes("10.0.1.0/24"), Gateways: []netip.Addr{netip.MustParseAddr("10.0.1.1")},
				GatewayMAC: gatewayMAC, Bouncers: []string{"h3"}, Bouncer: state.Complete},
			{Name: "c", VNI: 200, CIDRs: prefixes("10.0.0.0/24", "fd00::/64"), Gateways: gateways, GatewayMAC: gatewayMAC},
			{Name: "d", VNI: 300, CIDRs: prefixes("10.0.0.0/24", "fd00::/64"), Gateways: gateways, GatewayMAC: gatewayMAC,
				Bouncers: []string{"h1"}},
			{Name: "e", VNI: 400, CIDRs: prefixes("10.0.0.0/24", "fd00::/64"), Gateways: gateways, GatewayMAC: gatewayMAC,
				Bouncers: []string{"h3"}, Bouncer: state.Complete},
		},
		Endpoints: []state.Endpoint{
			{Name: "default/blue", VNI: 200, Subnet: "c", Addresses: []netip.Addr{own4, own6}, MAC: redMAC, MTU: 1400},
			{Name: "default/green", VNI: 300, Subnet: "d", Addresses: []netip.Addr{own4, own6}, MAC: redMAC, MTU: 1400},
			{Name: "default/guarded", VNI: 100, Subnet: "a", Addresses: []netip.Addr{guarded4}, MAC: redMAC, MTU: 1400,
				Egress: "egress", Ingress: "ingress"},
			{Name: "default/red", VNI: 100, Subnet: "a", Addresses: []netip.Addr{own4, own6}, MAC: redMAC, MTU: 1400},
			{Name: "default/white", VNI: 400, Subnet: "e", Addresses: []netip.Addr{own4, own6}, MAC: redMAC, MTU: 1400},
		},
		Directory: []state.Location{
			{VNI: 100, Address: far4, Subnet: "a", Host: "h1"},
			{VNI: 100, Address: other4, Subnet: "b", Host: "h1"},
			{VNI: 100, Address: far6, Subnet: "a", Host: "h1"},
		},
	}
	denied := state.Judgement{Verdict: state.Deny, Rule: "default"}
	host.Policy = state.Policy{
		Sets: []state.PolicySet{
			{Name: "egress", Direction: state.Egress, Default: denied},
			{Name: "ingress", Direction: state.Ingress, Default: denied,
				Prefixes: []state.PolicyPrefix{{Prefix: netip.MustParsePrefix("0.0.0.0/0"), Class: "web"}}},
		},
		Classes: []state.PortClass{{Name: "web", Ranges: []state.PortRange{
			{Protocol: 6, First: 80, Last: 80, Judgement: state.Judgement{Verdict: state.Accept, Rule: "web"}}}}},
	}
	host.Services = []state.Service{
		{Name: "ns/none:80/4", VNI: 100, Protocol: 17, Frontends: []netip.AddrPort{netip.AddrPortFrom(frontend, 81)}},
		{Name: "ns/some:80/4", VNI: 100, Protocol: 17, Frontends: []netip.AddrPort{netip.AddrPortFrom(frontend, 80)},
			Backends: []netip.AddrPort{netip.AddrPortFrom(far4, 2000)}, Table: []uint16{0}},
	}
	host.Outside = []state.OutsideService{{
		Name: "ns/some:80/4/outside/ranges", VNI: 100, Protocol: 17, Frontends: []netip.AddrPort{netip.AddrPortFrom(balancer, 80)},
		Backends: []state.OutsideBackend{{At: netip.AddrPortFrom(own4, 2000), Host: "h3"}}, Table: []uint16{0},
		Ranges: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")},
	}}
	local := state.Local{
		UplinkIndex: uplinkPort, UplinkMAC: state.MAC{2, 1, 1, 1, 1, 3},
		Ports:    map[string]uint32{"default/red": portOfRed, "default/blue": portOfBlue, "default/green": portOfGreen, "default/guarded": portOfGuard, "default/white": portOfWhite},
		NextHops: map[netip.Addr]state.MAC{peer: {2, 1, 1, 1, 1, 1}},
		Outside:  map[netip.Addr]state.MAC{netip.IPv4Unspecified(): {2, 1, 1, 1, 1, 9}},
	}
	return host, local
}

// death is a frame, and where it dies of the reason.
type death struct {
	port   uint32
	spec   frame.Spec
	mutate func([]byte) []byte
	// before is what has to happen first; it may still change the frame.
	before func(*testing.T, *dataplane.Datapath, *frame.Spec)
	// metadata is how many bytes stand in front of the frame; 0 means the
	// port's number alone.
	metadata int
}

// sent is an honest datagram of the endpoint, to be spoiled.
func sent(change func(*frame.Spec)) frame.Spec {
	s := frame.Spec{Kind: frame.UDP, SrcMAC: redMAC, DstMAC: gatewayMAC, Src: own4, Dst: far4,
		SrcPort: 1000, DstPort: 2000, Payload: []byte("spoiled")}
	if change != nil {
		change(&s)
	}
	return s
}

// tunnelled is an honest tunnel packet of the peer to nobody, to be spoiled.
func tunnelled(change func(*frame.Spec, *frame.Tunnel)) frame.Spec {
	s := sent(func(s *frame.Spec) { s.Src, s.Dst = far4, own4 })
	s.Tunnel = &frame.Tunnel{Src: peer, Dst: self, VNI: 100,
		Options: frame.Options{Identity: &frame.Identity{}}}
	if change != nil {
		change(&s, s.Tunnel)
	}
	return s
}

func deaths() map[string]death {
	at := func(s frame.Spec) death { return death{port: portOfRed, spec: s} }
	from := func(change func(*frame.Spec)) death { return at(sent(change)) }
	arrives := func(change func(*frame.Spec, *frame.Tunnel)) death {
		return death{port: uplinkPort, spec: tunnelled(change)}
	}
	spoil := func(d death, offset int, b ...byte) death {
		d.mutate = func(f []byte) []byte { copy(f[offset:], b); return f }
		return d
	}
	arp := func(kind frame.Kind, target netip.Addr) death {
		return at(frame.Spec{Kind: kind, SrcMAC: redMAC, Src: own4, Dst: target, Target: target})
	}
	nd := func(kind frame.Kind, target netip.Addr) death {
		return at(frame.Spec{Kind: kind, SrcMAC: redMAC, Src: own6, Dst: target, Target: target})
	}
	return map[string]death{
		"truncated": {port: portOfRed, spec: sent(func(s *frame.Spec) { s.Payload = make([]byte, 64) }),
			mutate: func(f []byte) []byte { return f[:len(f)-1] }},
		"ethertype":  at(frame.Spec{Kind: frame.Raw, SrcMAC: redMAC, DstMAC: gatewayMAC, EtherType: 0x88cc, Payload: make([]byte, 46)}),
		"ip_header":  spoil(from(nil), 14, 0x44),
		"ip_address": from(func(s *frame.Spec) { s.Dst = netip.MustParseAddr("127.0.0.1") }),
		"extension": from(func(s *frame.Spec) {
			s.Src, s.Dst, s.Extensions = own6, far6, []frame.Extension{{Type: 43, Data: make([]byte, 6)}}
		}),
		"multicast":       from(func(s *frame.Spec) { s.Dst = netip.MustParseAddr("224.0.0.1") }),
		"no_port":         {port: noPort, spec: sent(nil)},
		"guard_mac":       from(func(s *frame.Spec) { s.SrcMAC = state.MAC{2, 6, 6, 6, 6, 6} }),
		"guard_address":   from(func(s *frame.Spec) { s.Src = nobody4 }),
		"guard_arp":       at(frame.Spec{Kind: frame.ARPRequest, SrcMAC: redMAC, Src: nobody4, Dst: far4}),
		"guard_nd":        nd(frame.NA, far6),
		"arp_own":         arp(frame.ARPProbe, own4),
		"arp_foreign":     arp(frame.ARPRequest, other4),
		"arp_other":       at(frame.Spec{Kind: frame.ARPReply, SrcMAC: redMAC, DstMAC: gatewayMAC, Src: own4, Dst: far4}),
		"nd_own":          at(frame.Spec{Kind: frame.DAD, SrcMAC: redMAC, Src: own6}),
		"nd_foreign":      nd(frame.NS, netip.MustParseAddr("fd99::1")),
		"nd_other":        at(frame.Spec{Kind: frame.RS, SrcMAC: redMAC, Src: own6, Dst: netip.MustParseAddr("ff02::2")}),
		"destination_mac": from(func(s *frame.Spec) { s.DstMAC = state.MAC{2, 6, 6, 6, 6, 6} }),
		"no_subnet":       from(func(s *frame.Spec) { s.Dst = netip.MustParseAddr("10.9.0.1") }),
		"no_endpoint":     from(func(s *frame.Spec) { s.Dst = nobody4 }),
		"no_bouncer":      {port: portOfBlue, spec: sent(nil)},
		"no_host": arrives(func(s *frame.Spec, t *frame.Tunnel) {
			s.Dst = far4
			t.Options.Return = &frame.Return{Flags: frame.ReturnSendBack, Limit: 4, Token: 1, Host: stranger}
		}),
		"ttl":             from(func(s *frame.Spec) { s.Dst, s.TTL = other4, 1 }),
		"mtu":             from(func(s *frame.Spec) { s.Payload = make([]byte, 1450) }),
		"no_room":         {port: portOfRed, spec: sent(nil), metadata: 192},
		"tunnel_source":   arrives(func(_ *frame.Spec, t *frame.Tunnel) { t.Src = stranger }),
		"tunnel_fragment": spoil(arrives(nil), 14+6, 0x20),
		"tunnel_checksum": arrives(func(_ *frame.Spec, t *frame.Tunnel) { t.Checksum = true }),
		"geneve_header":   arrives(func(_ *frame.Spec, t *frame.Tunnel) { t.OAM = true }),
		"geneve_critical": arrives(func(_ *frame.Spec, t *frame.Tunnel) {
			t.Options.Other = []frame.Option{{Class: 0x0102, Type: 0x80, Data: make([]byte, 4)}}
		}),
		"geneve_option": arrives(func(_ *frame.Spec, t *frame.Tunnel) { t.Options.Identity = nil }),
		"not_ours": arrives(func(_ *frame.Spec, t *frame.Tunnel) {
			t.VNI, t.Options.Return = 900, &frame.Return{Limit: 4, Token: 1, Host: peer}
		}),
		"stale": arrives(func(_ *frame.Spec, t *frame.Tunnel) {
			t.Options.Identity.Generation, t.Options.Return = 77, &frame.Return{Limit: 4, Token: 1, Host: peer}
		}),
		"not_here": arrives(func(_ *frame.Spec, t *frame.Tunnel) { t.Options.NotHere = &frame.NotHere{} }),
		"refusal": arrives(func(_ *frame.Spec, t *frame.Tunnel) {
			t.Options.Refusal = &frame.Refusal{Reason: uint8(bpf.RowDropReasonDROP_NO_ENDPOINT), Token: 1}
		}),
		"gateway":  from(func(s *frame.Spec) { s.Dst = gateway4 }),
		"fragment": spoil(from(nil), 14+6, 0, 1, 64, 6), // 8 bytes on, TTL, TCP
		"no_program": {port: uplinkPort, before: withoutPrograms,
			spec: tunnelled(func(s *frame.Spec, _ *frame.Tunnel) { s.Dst = nobody4 })},
		"budget": {port: uplinkPort, before: refusedTooOften, spec: tunnelled(func(s *frame.Spec, t *frame.Tunnel) {
			s.Src, s.Dst, t.VNI = own4, far4, 300
		})},
		"relay_limit": arrives(func(s *frame.Spec, t *frame.Tunnel) {
			s.Dst = far4
			t.Options.Return = &frame.Return{Limit: 0, Token: 1, Host: peer}
		}),
		"send_back": arrives(func(_ *frame.Spec, t *frame.Tunnel) {
			t.Options.SendBack = &frame.SendBack{Token: 1, Host: peer}
		}),
		"policy_egress":    {port: portOfGuard, spec: sent(func(s *frame.Spec) { s.Src = guarded4 })},
		"policy_ingress":   from(func(s *frame.Spec) { s.Dst = guarded4 }),
		"no_service":       {port: portOfRed, spec: sent(func(s *frame.Spec) { s.Dst, s.DstPort = frontend, 79 })},
		"no_backend":       {port: portOfRed, spec: sent(func(s *frame.Spec) { s.Dst, s.DstPort = frontend, 81 })},
		"flow_taken":       {port: portOfRed, spec: sent(func(s *frame.Spec) { s.Dst, s.DstPort = frontend, 80 }), before: takenFlow},
		"snat_ports":       {port: portOfWhite, before: noPortsLeft, spec: sent(func(s *frame.Spec) { s.Dst = stranger })},
		"snat_tunnel":      {port: portOfWhite, spec: sent(func(s *frame.Spec) { s.Dst, s.DstPort = peer, 6081 })},
		"source_range":     {port: uplinkPort, spec: sent(func(s *frame.Spec) { s.Src, s.Dst, s.DstPort = stranger, balancer, 80 })},
		"flow_quota":       {port: portOfRed, before: openedTooOften, spec: sent(func(s *frame.Spec) { s.SrcPort = 7 })},
		"flow_full":        {port: portOfRed, before: fullOfFlows, spec: sent(func(s *frame.Spec) { s.SrcPort, s.DstPort = 2000, 8 })},
		"fragment_unknown": spoil(from(func(s *frame.Spec) { s.Dst = guarded4 }), 14+4, 0, 9, 0, 185, 64, 6), // 1480 bytes on, TTL, TCP
		"ecn":              arrives(func(_ *frame.Spec, t *frame.Tunnel) { t.TOS = 3 }),
	}
}

// withoutPrograms takes away the programs that the uplink's hands packets over to.
func withoutPrograms(t *testing.T, d *dataplane.Datapath, _ *frame.Spec) {
	t.Helper()
	info, err := d.Uplink().Info()
	if err != nil {
		t.Fatal(err)
	}
	next, err := d.Next(state.FormXDP)
	if err != nil {
		t.Fatal(err)
	}
	ids, _ := info.MapIDs()
	for _, id := range ids {
		m, err := ebpf.NewMapFromID(id)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { m.Close() })
		if m.Type() != ebpf.ProgramArray {
			continue
		}
		for slot, p := range next {
			number := programSlots[slot]
			if err := m.Delete(number); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = m.Put(number, uint32(p.FD())) })
		}
	}
}

// mapOf is a map of the host's by its name.
func mapOf(t *testing.T, d *dataplane.Datapath, name string) *ebpf.Map {
	t.Helper()
	next, err := d.Next(state.FormXDP)
	if err != nil {
		t.Fatal(err)
	}
	info, err := next[bpf.RowProgramPROGRAM_COURSE.String()].Info()
	if err != nil {
		t.Fatal(err)
	}
	ids, _ := info.MapIDs()
	for _, id := range ids {
		m, err := ebpf.NewMapFromID(id)
		if err != nil {
			t.Fatal(err)
		}
		if i, err := m.Info(); err == nil && i.Name == name {
			t.Cleanup(func() { m.Close() })
			return m
		}
		m.Close()
	}
	t.Fatalf("program course has no map %s", name)
	return nil
}

// openedTooOften uses up what every endpoint may open.
func openedTooOften(t *testing.T, d *dataplane.Datapath, _ *frame.Spec) {
	t.Helper()
	budgets := mapOf(t, d, bpf.RowMapBudgets)
	for number := range uint32(16) {
		if err := budgets.Put(number, bpf.RowBudget{Opening: uint64(time.Hour)}); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		if err := d.Refund(); err != nil {
			t.Error(err)
		}
	})
}

// takenFlow makes the endpoint talk with the backend directly, from the port that the
// frame to its frontend comes from.
func takenFlow(t *testing.T, d *dataplane.Datapath, _ *frame.Spec) {
	t.Helper()
	key, side := flow.Key(100, 17, flow.End{Addr: own4, Port: 1000}, flow.End{Addr: far4, Port: 2000})
	row := bpf.RowFlow{Opener: uint8(side), State: uint8(bpf.RowFlowStateFLOW_ESTABLISHED)}
	if err := mapOf(t, d, bpf.RowMapFlows).Put(key, row); err != nil {
		t.Fatal(err)
	}
}

// noPortsLeft gives others the ports of the host that the frame's flow looks at.
func noPortsLeft(t *testing.T, d *dataplane.Datapath, _ *frame.Spec) {
	t.Helper()
	const first, tries = 61000, 16
	flows := mapOf(t, d, bpf.RowMapFlows)
	own, _ := flow.Key(400, 17, flow.End{Addr: own4, Port: 1000}, flow.End{Addr: stranger, Port: 2000})
	words := unsafe.Slice((*uint32)(unsafe.Pointer(&own.Addr)), 8)
	at := own.VniProtocol ^ *(*uint32)(unsafe.Pointer(&own.Port))
	for _, w := range words {
		at = hash.Mix(at ^ w)
	}
	for n := range uint32(tries) {
		port := first + (at&0xffff+n*(at>>16|1))%(1<<16-first)
		key, side := flow.Key(0, 17, flow.End{Addr: self, Port: uint16(port)}, flow.End{Addr: stranger, Port: 2000})
		row := bpf.RowFlow{Opener: uint8(side), State: uint8(bpf.RowFlowStateFLOW_ESTABLISHED), Translation: uint8(bpf.RowTranslationTRANSLATION_FACE)}
		if err := flows.Put(key, row); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		if err := d.ForgetFlows(); err != nil {
			t.Error(err)
		}
	})
}

// fullOfFlows fills the table of flows, and lets another open a flow to which the
// frame is the first reply.
func fullOfFlows(t *testing.T, d *dataplane.Datapath, _ *frame.Spec) {
	t.Helper()
	if err := d.Refund(); err != nil {
		t.Fatal(err)
	}
	flows := mapOf(t, d, bpf.RowMapFlows)
	for n := uint32(0); ; n++ {
		err := flows.Put(bpf.RowFlowKey{VniProtocol: (900 + n) << 8}, bpf.RowFlow{})
		if errors.Is(err, syscall.E2BIG) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		if err := d.ForgetFlows(); err != nil {
			t.Error(err)
		}
	})
	opens, err := frame.Build(tunnelled(func(s *frame.Spec, _ *frame.Tunnel) { s.SrcPort, s.DstPort = 8, 2000 }))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := (kernel.System{}).Run(d.Uplink(), opens, kernel.RunOptions{Port: uplinkPort}); err != nil {
		t.Fatal(err)
	}
}

var programSlots = func() map[string]uint32 {
	all := map[string]uint32{}
	for n := range bpf.RowProgramPROGRAM_MAX {
		all[n.String()] = uint32(n)
	}
	return all
}()

// refusedTooOften lets an endpoint ask, and hear so many errors that it may hear
// no more; the frame is then the refusal of its question.
func refusedTooOften(t *testing.T, d *dataplane.Datapath, s *frame.Spec) {
	t.Helper()
	run := func(spec frame.Spec, times int) {
		f, err := frame.Build(spec)
		if err != nil {
			t.Fatal(err)
		}
		for range times {
			if _, err := (kernel.System{}).Run(d.Endpoint(), f, kernel.RunOptions{Port: portOfGreen}); err != nil {
				t.Fatal(err)
			}
		}
	}
	run(sent(nil), 1)
	run(sent(func(s *frame.Spec) { s.Dst = gateway4 }), 100)
	paths, err := d.Paths()
	if err != nil {
		t.Fatal(err)
	}
	for key, path := range paths {
		if key.Vni == 300 {
			s.Tunnel.Options.Refusal = &frame.Refusal{Reason: uint8(bpf.RowDropReasonDROP_NO_ENDPOINT), Token: path.Token}
		}
	}
}

// TestEveryReasonHappens makes each drop reason happen, so that none is a word
// without a path, and no path a reason without a test.
func TestEveryReasonHappens(t *testing.T) {
	d, err := dataplane.Load(dataplane.Options{Mode: dataplane.Simulated})
	if err != nil {
		t.Fatalf("load the programs (this needs root): %v", err)
	}
	t.Cleanup(func() { d.Close() })
	if _, err := d.Apply(reasonsHost()); err != nil {
		t.Fatal(err)
	}
	if err := d.SetNow(time.Minute); err != nil {
		t.Fatal(err)
	}
	deaths := deaths()
	for n := bpf.RowDropReason(1); n < bpf.RowDropReasonDROP_MAX; n++ {
		t.Run(n.String(), func(t *testing.T) {
			death, ok := deaths[n.String()]
			if !ok {
				t.Fatalf("no frame dies of %s: add one to deaths()", n)
			}
			if got := die(t, d, death); got != n.String() {
				t.Errorf("the frame should die of %s, got %s", n, got)
			}
		})
		delete(deaths, n.String())
	}
	for name := range deaths {
		t.Errorf("there is no drop reason %q", name)
	}
}

// die runs the frame and returns what was recorded and counted, which must be
// one and the same reason.
func die(t *testing.T, d *dataplane.Datapath, death death) string {
	t.Helper()
	if death.before != nil {
		death.before(t, d, &death.spec)
	}
	f, err := frame.Build(death.spec)
	if err != nil {
		t.Fatal(err)
	}
	if death.mutate != nil {
		f = death.mutate(f)
	}
	before, err := d.Drops()
	if err != nil {
		t.Fatal(err)
	}
	kill(t, d, death, f)
	record, err := d.TakeRecord()
	if err != nil {
		t.Fatal(err)
	}
	reason := bpf.RowDropReason(record.Reason).String()
	after, err := d.Drops()
	if err != nil {
		t.Fatal(err)
	}
	if after[reason] != before[reason]+1 {
		t.Errorf("%s was recorded but not counted", reason)
	}
	return reason
}

func kill(t *testing.T, d *dataplane.Datapath, death death, f []byte) {
	t.Helper()
	p := d.Endpoint()
	if death.port == uplinkPort {
		p = d.Uplink()
	}
	if death.metadata == 0 {
		if _, err := (kernel.System{}).Run(p, f, kernel.RunOptions{Port: death.port}); err != nil {
			t.Fatal(err)
		}
		return
	}
	// So much metadata leaves no head room for outer headers.
	in := make([]byte, death.metadata, death.metadata+len(f))
	binary.NativeEndian.PutUint32(in, death.port)
	in = append(in, f...)
	_, err := p.Run(&ebpf.RunOptions{Data: in, DataOut: make([]byte, len(in)),
		Context: [6]uint32{uint32(death.metadata), uint32(len(in))}})
	if err != nil {
		t.Fatal(err)
	}
}
