// SPDX-License-Identifier: Apache-2.0

package frame_test

import (
	"bytes"
	"errors"
	"net/netip"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/frame"
)

var (
	macA  = state.MAC{2, 0, 0, 0, 0, 1}
	macB  = state.MAC{2, 0, 0, 0, 0, 2}
	a4    = netip.MustParseAddr("10.0.0.2")
	b4    = netip.MustParseAddr("10.0.0.3")
	a6    = netip.MustParseAddr("2001:db8::2")
	b6    = netip.MustParseAddr("2001:db8::3")
	host1 = netip.MustParseAddr("192.0.2.1")
	host2 = netip.MustParseAddr("192.0.2.2")
	six1  = netip.MustParseAddr("2001:db8:f::1")
	six2  = netip.MustParseAddr("2001:db8:f::2")
)

// every is one spec of each kind and family.
func every() map[string]frame.Spec {
	v4 := frame.Spec{SrcMAC: macA, DstMAC: macB, Src: a4, Dst: b4, SrcPort: 40000, DstPort: 80, Payload: []byte("odd payload")}
	v6 := v4
	v6.Src, v6.Dst = a6, b6
	with := func(s frame.Spec, change func(*frame.Spec)) frame.Spec { change(&s); return s }
	all := map[string]frame.Spec{}
	for name, base := range map[string]frame.Spec{"4": v4, "6": v6} {
		for _, kind := range []frame.Kind{frame.UDP, frame.TCP, frame.SCTP, frame.Echo, frame.EchoReply} {
			all[string(kind)+name] = with(base, func(s *frame.Spec) { s.Kind, s.ID, s.ICMPSeq, s.TCPFlags, s.Tag = kind, 7, 1, frame.SYN, 9 })
		}
		all["raw-ip"+name] = with(base, func(s *frame.Spec) { s.Kind, s.Proto = frame.RawIP, 47 })
		all["vlan"+name] = with(base, func(s *frame.Spec) { s.Kind, s.VLAN = frame.UDP, 42 })
	}
	for _, kind := range []frame.Kind{frame.ARPRequest, frame.ARPReply, frame.ARPAnnounce, frame.ARPProbe} {
		all[string(kind)] = frame.Spec{Kind: kind, SrcMAC: macA, DstMAC: macB, Src: a4, Dst: b4}
	}
	for _, kind := range []frame.Kind{frame.NS, frame.NA, frame.RS, frame.DAD} {
		all[string(kind)] = frame.Spec{Kind: kind, SrcMAC: macA, Src: a6, Dst: b6}
	}
	all["options4"] = with(v4, func(s *frame.Spec) { s.Kind, s.IPOptions = frame.UDP, []byte{7, 7, 4, 0, 0, 0, 0} })
	all["no checksum4"] = with(v4, func(s *frame.Spec) { s.Kind, s.NoChecksum = frame.UDP, true })
	all["extensions6"] = with(v6, func(s *frame.Spec) {
		s.Kind, s.Extensions = frame.TCP, []frame.Extension{{Type: frame.ExtensionHopByHop}, {Type: frame.ExtensionDestination, Data: make([]byte, 9)}}
	})
	all["fragment4"] = with(v4, func(s *frame.Spec) { s.Kind, s.Fragment, s.IPID = frame.UDP, &frame.Fragment{Size: 16}, 99 })
	all["fragment6"] = with(v6, func(s *frame.Spec) { s.Kind, s.Fragment, s.IPID = frame.UDP, &frame.Fragment{Offset: 8}, 99 })
	all["raw"] = frame.Spec{Kind: frame.Raw, SrcMAC: macA, DstMAC: macB, EtherType: 0x88cc, Payload: []byte{1, 2}}
	for name, s := range all {
		if s.VLAN != 0 {
			continue
		}
		all["tunnel4 "+name] = with(s, func(s *frame.Spec) { s.Tunnel = tunnel(host1, host2) })
		all["tunnel6 "+name] = with(s, func(s *frame.Spec) { s.Tunnel, s.VLAN = tunnel(six1, six2), 7 })
	}
	return all
}

func tunnel(src, dst netip.Addr) *frame.Tunnel {
	return &frame.Tunnel{SrcMAC: macA, DstMAC: macB, Src: src, Dst: dst, VNI: 100, TOS: 0xb8, Options: allOptions()}
}

func allOptions() frame.Options {
	return frame.Options{
		Identity: &frame.Identity{Identity: 0xabcdef, Generation: 3},
		Return:   &frame.Return{Flags: frame.ReturnSendBack, Limit: 4, Generation: 9, Token: 0xdeadbeef, Host: host1},
		SendBack: &frame.SendBack{Identity: 5, Generation: 6, Token: 7, Host: six1},
		NotHere:  &frame.NotHere{},
		Refusal:  &frame.Refusal{Reason: 20, MTU: 1414, Token: 8},
		Service:  &frame.Service{Port: 53, Proto: 17, Frontend: a6},
		Other:    []frame.Option{{Class: 0x0102, Type: 9, Data: []byte{1, 2, 3, 4}}},
	}
}

func mustBuild(t *testing.T, s frame.Spec) []byte {
	t.Helper()
	b, err := frame.Build(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestWhatIsBuiltIsDecoded(t *testing.T) {
	for name, s := range every() {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			b := mustBuild(t, s)
			p, err := frame.Decode(b)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(frame.VerifyChecksums(b)).To(Succeed())
			g.Expect(p.VLAN).To(Equal(s.VLAN))
			g.Expect(p.Tunnel).To(Equal(s.Tunnel != nil))
			g.Expect(p.Malformed).To(BeEmpty())
			g.Expect(p.Inner.SrcMAC).To(Equal(macA))
			g.Expect(p.Inner.Trailer).To(BeEmpty())
			if s.Tunnel != nil {
				g.Expect(p.OuterSrc).To(Equal(s.Tunnel.Src))
				g.Expect(p.OuterDst).To(Equal(s.Tunnel.Dst))
				g.Expect(p.OuterTOS).To(Equal(uint8(0xb8)))
				g.Expect(p.OuterTTL).To(Equal(uint8(64)))
				g.Expect(p.OuterSport).To(Equal(frame.OuterPort(p.Inner)))
				g.Expect(p.OuterDF).To(Equal(s.Tunnel.Src.Is4()))
				g.Expect(p.VNI).To(Equal(uint32(100)))
				g.Expect(p.Critical).To(BeTrue())
				g.Expect(p.Options).To(Equal(allOptions()))
			}
			switch s.Kind {
			case frame.UDP, frame.TCP, frame.SCTP:
				if s.Fragment == nil {
					g.Expect(p.Inner.SrcPort).To(Equal(uint16(40000)))
					g.Expect(p.Inner.DstPort).To(Equal(uint16(80)))
					g.Expect(p.Inner.Payload).To(Equal(s.Payload))
				}
			case frame.Echo, frame.EchoReply:
				g.Expect(p.Inner.ICMPID).To(Equal(uint16(7)))
				g.Expect(p.Inner.ICMPSeq).To(Equal(uint16(1)))
				g.Expect(p.Inner.Payload).To(Equal(s.Payload))
			}
		})
	}
}

func TestFragmentsMakeTheWholePacket(t *testing.T) {
	for _, src := range []netip.Addr{a4, a6} {
		g := NewWithT(t)
		payload := bytes.Repeat([]byte{1, 2, 3, 4, 5}, 800)
		dst := b4
		if src.Is6() {
			dst = b6
		}
		s := frame.Spec{Kind: frame.UDP, Src: src, Dst: dst, SrcPort: 1, DstPort: 2, Payload: payload, IPID: 77}
		list, err := frame.Fragments(s, 1480)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(list).To(HaveLen(3))
		var got []byte
		for i, b := range list {
			p, err := frame.Decode(b)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(p.Inner.Fragment).To(BeTrue())
			g.Expect(p.Inner.More).To(Equal(i < 2))
			g.Expect(p.Inner.Offset).To(Equal(i * 1480))
			g.Expect(p.Inner.IPID).To(Equal(uint32(77)))
			got = append(got, p.Inner.Payload...)
		}
		g.Expect(got).To(Equal(payload))
	}
}

func TestEveryPlantedChecksumErrorIsNamed(t *testing.T) {
	g := NewWithT(t)
	// The inner frame starts behind 14+20+8+8 bytes and the options.
	for layer, c := range map[string]struct {
		kind frame.Kind
		v6   bool
		at   func(inner int) int
	}{
		"outer.ip":     {frame.UDP, false, func(int) int { return 14 + 10 }},
		"outer.udp":    {frame.UDP, false, func(int) int { return 14 + 20 + 6 }},
		"inner.ip":     {frame.UDP, false, func(i int) int { return i + 14 + 10 }},
		"inner.udp":    {frame.UDP, false, func(i int) int { return i + 14 + 20 + 6 }},
		"inner.tcp":    {frame.TCP, false, func(i int) int { return i + 14 + 20 + 16 }},
		"inner.icmp":   {frame.Echo, false, func(i int) int { return i + 14 + 20 + 2 }},
		"inner.icmpv6": {frame.Echo, true, func(i int) int { return i + 14 + 40 + 2 }},
		"inner.sctp":   {frame.SCTP, true, func(i int) int { return i + 14 + 40 + 8 }},
	} {
		s := frame.Spec{Kind: c.kind, Src: a4, Dst: b4, SrcPort: 5, DstPort: 6, Tunnel: tunnel(host1, host2)}
		if c.v6 {
			s.Src, s.Dst = a6, b6
		}
		b := mustBuild(t, s)
		b[c.at(50+int(b[42]&0x3f)*4)] ^= 0x40
		var wrong *frame.ChecksumError
		err := frame.VerifyChecksums(b)
		g.Expect(errors.As(err, &wrong)).To(BeTrue(), layer)
		g.Expect(wrong.Layer).To(Equal(layer))
		g.Expect(wrong.Got ^ wrong.Want).NotTo(BeZero())
		g.Expect(err.Error()).To(ContainSubstring(layer))
	}
}

func TestZeroUDPChecksumIsForIPv4Only(t *testing.T) {
	g := NewWithT(t)
	s := frame.Spec{Kind: frame.UDP, Src: a4, Dst: b4, NoChecksum: true}
	g.Expect(frame.VerifyChecksums(mustBuild(t, s))).To(Succeed())
	s.Src, s.Dst = a6, b6
	g.Expect(frame.VerifyChecksums(mustBuild(t, s))).To(MatchError(ContainSubstring("inner.udp")))
	s = frame.Spec{Kind: frame.UDP, Src: a6, Dst: b6, Tunnel: tunnel(six1, six2)}
	s.Tunnel.Checksum = true
	g.Expect(frame.VerifyChecksums(mustBuild(t, s))).To(MatchError(ContainSubstring("outer.udp")))
}

func TestKeyStaysTheSameOnTheWay(t *testing.T) {
	for name, s := range every() {
		if s.Tunnel != nil || s.VLAN != 0 {
			continue
		}
		g := NewWithT(t)
		plain, err := frame.Decode(mustBuild(t, s))
		g.Expect(err).NotTo(HaveOccurred())
		s.Tunnel, s.SrcMAC, s.DstMAC = tunnel(six1, six2), macB, macA
		if s.Kind != frame.NA && s.Kind != frame.NS && s.Kind != frame.RS {
			s.TTL, s.TOS = 63, 1
		}
		s.SenderMAC = macA
		if s.Kind == frame.ARPReply {
			s.TargetMAC = macB
		}
		carried, err := frame.Decode(mustBuild(t, s))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(carried.Key()).To(Equal(plain.Key().In(100)), name)
	}
}

func TestOuterPortSpreadsAndIgnoresPortsOfFragments(t *testing.T) {
	g := NewWithT(t)
	seen := map[uint16]int{}
	for port := range uint16(1000) {
		y := frame.Layer{Src: a4, Dst: b4, Proto: 17, SrcPort: 40000 + port, DstPort: 53}
		seen[frame.OuterPort(y)]++
		g.Expect(frame.OuterPort(y)).To(BeNumerically(">=", 49152))
		y.Fragment = true
		g.Expect(frame.OuterPort(y)).To(Equal(frame.OuterPort(frame.Layer{Src: a4, Dst: b4, Proto: 17})))
	}
	g.Expect(len(seen)).To(BeNumerically(">", 900))
}

func TestStringIsOneReadableLine(t *testing.T) {
	g := NewWithT(t)
	s := frame.Spec{Kind: frame.Echo, Src: a4, Dst: b4, ID: 7, ICMPSeq: 1, Tunnel: &frame.Tunnel{Src: host1, Dst: host2, VNI: 100,
		Options: frame.Options{Identity: &frame.Identity{}, Return: &frame.Return{Limit: 4, Host: host1}}}}
	p, err := frame.Decode(mustBuild(t, s))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(p.String()).To(Equal("192.0.2.1 → 192.0.2.2 geneve vni 100 [identity 0 return-to-sender h=192.0.2.1 limit 4] 10.0.0.2 → 10.0.0.3 icmp echo id 7 seq 1"))
}

func TestBrokenTunnelIsPlainUDPWithTheReason(t *testing.T) {
	g := NewWithT(t)
	b := mustBuild(t, frame.Spec{Kind: frame.Echo, Src: a4, Dst: b4, Tunnel: tunnel(host1, host2)})
	b[42] |= 0x40 // version 1
	p, err := frame.Decode(b)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(p.Tunnel).To(BeFalse())
	g.Expect(p.Malformed).To(ContainSubstring("version 1"))
	g.Expect(p.Inner.DstPort).To(Equal(frame.GenevePort))
}

func FuzzDecode(f *testing.F) {
	for _, s := range every() {
		b, err := frame.Build(s)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
		f.Add(b[:len(b)*2/3])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		before := bytes.Clone(b)
		p, _ := frame.Decode(b)
		_ = p.String()
		_ = p.Key()
		_ = frame.OuterPort(p.Inner)
		_ = frame.VerifyChecksums(b)
		if !bytes.Equal(before, b) {
			t.Fatal("the frame was changed by reading it")
		}
	})
}

func TestBuildRefusesNonsense(t *testing.T) {
	g := NewWithT(t)
	for want, s := range map[string]frame.Spec{
		"one family":         {Kind: frame.UDP, Src: a4, Dst: b6},
		"want udp, tcp":      {Kind: "tpc", Src: a4, Dst: b4},
		"IPv4 addresses":     {Kind: frame.ARPRequest, Src: a6, Dst: b6},
		"IPv6 addresses":     {Kind: frame.NS, Src: a4, Dst: b4, Target: b4},
		"multiple of 8":      {Kind: frame.UDP, Src: a4, Dst: b4, Fragment: &frame.Fragment{Offset: 3}},
		"want 24 bits":       {Kind: frame.UDP, Src: a4, Dst: b4, Tunnel: &frame.Tunnel{Src: host1, Dst: host2, VNI: 1 << 24}},
		"at most 40":         {Kind: frame.UDP, Src: a4, Dst: b4, IPOptions: make([]byte, 44)},
		"want a multiple of": {Kind: frame.UDP, Src: a4, Dst: b4, Tunnel: &frame.Tunnel{Options: frame.Options{Other: []frame.Option{{Data: []byte{1}}}}}},
	} {
		_, err := frame.Build(s)
		g.Expect(err).To(MatchError(ContainSubstring(want)))
	}
}

func TestAtomicFragmentIsWhole(t *testing.T) {
	g := NewWithT(t)
	b := mustBuild(t, frame.Spec{Kind: frame.UDP, Src: a6, Dst: b6, SrcPort: 5, DstPort: 6, IPID: 9, Fragment: &frame.Fragment{}})
	p, err := frame.Decode(b)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(p.Inner.Fragment).To(BeFalse())
	g.Expect(p.Inner.IPID).To(Equal(uint32(9)))
	g.Expect(p.Inner.Extensions).To(Equal([]uint8{frame.ExtensionFragment}))
	g.Expect(p.Inner.SrcPort).To(Equal(uint16(5)))
	b[len(b)-2] ^= 1
	g.Expect(frame.VerifyChecksums(b)).To(MatchError(ContainSubstring("inner.udp")))
}
