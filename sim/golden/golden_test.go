// SPDX-License-Identifier: Apache-2.0

package golden_test

import (
	"bytes"
	"context"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/capture"
	"github.com/mizar-net/mizar/sim/frame"
	"github.com/mizar-net/mizar/sim/golden"
	"github.com/mizar-net/mizar/sim/wire"
)

var (
	macA, macB   = state.MAC{2, 0, 0, 0, 0, 1}, state.MAC{2, 0, 0, 0, 0, 2}
	a4, b4       = netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("10.0.0.3")
	a6, b6       = netip.MustParseAddr("fd00::2"), netip.MustParseAddr("fd00::3")
	host1, host2 = netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	six1, six2   = netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2")
)

func build(t testing.TB, s frame.Spec) []byte {
	t.Helper()
	b, err := frame.Build(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func tunnel(vni uint32) *frame.Tunnel {
	return &frame.Tunnel{SrcMAC: macB, DstMAC: macA, Src: host1, Dst: host2, VNI: vni, Options: frame.Options{
		Identity: &frame.Identity{Identity: 5, Generation: 1},
		Return:   &frame.Return{Limit: 4, Token: 99, Host: host1},
	}}
}

// specs is one of everything that a wire may emit.
func specs() []frame.Spec {
	v4 := frame.Spec{SrcMAC: macA, DstMAC: macB, Src: a4, Dst: b4, SrcPort: 4000, DstPort: 80, ID: 7, ICMPSeq: 1, TCPFlags: frame.SYN, Payload: []byte("hello")}
	v6 := v4
	v6.Src, v6.Dst = a6, b6
	var list []frame.Spec
	for _, s := range []frame.Spec{v4, v6} {
		for _, kind := range []frame.Kind{frame.UDP, frame.TCP, frame.Echo, frame.EchoReply, frame.SCTP} {
			s.Kind, s.Tunnel = kind, nil
			if kind == frame.SCTP {
				s.Payload = []byte{11, 0, 0, 4} // a COOKIE ACK chunk
			}
			list = append(list, s)
			s.Tunnel = tunnel(100)
			list = append(list, s)
			s.Tunnel = tunnel(101)
			s.Tunnel.Src, s.Tunnel.Dst = six1, six2
			list = append(list, s)
		}
	}
	for _, kind := range []frame.Kind{frame.ARPRequest, frame.ARPReply} {
		list = append(list, frame.Spec{Kind: kind, SrcMAC: macA, DstMAC: macB, Src: a4, Dst: b4})
	}
	for _, kind := range []frame.Kind{frame.NS, frame.NA, frame.RS, frame.DAD} {
		list = append(list, frame.Spec{Kind: kind, SrcMAC: macA, DstMAC: macB, Src: a6, Dst: b6})
	}
	return list
}

func frames(t testing.TB) []golden.Frame {
	var list []golden.Frame
	for i, s := range specs() {
		port := []string{"uplink:h1", "endpoint:default/a"}[i%2]
		list = append(list, golden.Frame{Port: port, Bytes: build(t, s)})
	}
	return list
}

func TestEqualFramesHaveNoDifferences(t *testing.T) {
	g := NewWithT(t)
	list, err := golden.Compare(frames(t), frames(t))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(list).To(BeEmpty())
}

// mutations change one field of a frame each, by its name.
var mutations = map[string]func(*frame.Spec){
	"vlan":                     func(s *frame.Spec) { s.VLAN = 9 },
	"tunnel":                   func(s *frame.Spec) { s.Tunnel = nil },
	"outer.eth.src":            func(s *frame.Spec) { s.Tunnel.SrcMAC[5]++ },
	"outer.eth.dst":            func(s *frame.Spec) { s.Tunnel.DstMAC[5]++ },
	"outer.src":                func(s *frame.Spec) { s.Tunnel.Src = host2 },
	"outer.dst":                func(s *frame.Spec) { s.Tunnel.Dst = host1 },
	"outer.tos":                func(s *frame.Spec) { s.Tunnel.TOS = 4 },
	"outer.ttl":                func(s *frame.Spec) { s.Tunnel.TTL = 9 },
	"outer.sport":              func(s *frame.Spec) { s.Tunnel.SrcPort = 50000 },
	"geneve.vni":               func(s *frame.Spec) { s.Tunnel.VNI++ },
	"geneve.oam":               func(s *frame.Spec) { s.Tunnel.OAM = true },
	"geneve.identity":          func(s *frame.Spec) { s.Tunnel.Options.Identity = nil },
	"geneve.identity.identity": func(s *frame.Spec) { s.Tunnel.Options.Identity = &frame.Identity{Identity: 6, Generation: 1} },
	"geneve.identity.generation": func(s *frame.Spec) {
		s.Tunnel.Options.Identity = &frame.Identity{Identity: 5, Generation: 2}
	},
	"geneve.return":       func(s *frame.Spec) { s.Tunnel.Options.Return = nil },
	"geneve.return.flags": func(s *frame.Spec) { s.Tunnel.Options.Return.Flags = 1 },
	"geneve.return.limit": func(s *frame.Spec) { s.Tunnel.Options.Return.Limit = 3 },
	"geneve.return.token": func(s *frame.Spec) { s.Tunnel.Options.Return.Token++ },
	"geneve.return.host":  func(s *frame.Spec) { s.Tunnel.Options.Return.Host = host2 },
	"geneve.send-back":    func(s *frame.Spec) { s.Tunnel.Options.SendBack = &frame.SendBack{Host: host1} },
	"geneve.service":      func(s *frame.Spec) { s.Tunnel.Options.Service = &frame.Service{Frontend: a4} },
	"geneve.critical":     func(s *frame.Spec) { s.Tunnel.Options.NotHere = &frame.NotHere{} },
	"geneve.other":        func(s *frame.Spec) { s.Tunnel.Options.Other = []frame.Option{{Class: 1}} },
	"inner.eth.src":       func(s *frame.Spec) { s.SrcMAC[5]++ },
	"inner.eth.dst":       func(s *frame.Spec) { s.DstMAC[5]++ },
	"inner.ip.src":        func(s *frame.Spec) { s.Src = s.Src.Next().Next() },
	"inner.ip.dst":        func(s *frame.Spec) { s.Dst = s.Dst.Next() },
	"inner.ip.ttl":        func(s *frame.Spec) { s.TTL = 63 },
	"inner.ip.tos":        func(s *frame.Spec) { s.TOS = 0xb8 },
	"inner.ip.id":         func(s *frame.Spec) { s.IPID = 3 },
	"inner.ip.df":         func(s *frame.Spec) { s.DF = true },
	"inner.ip.more":       func(s *frame.Spec) { s.Fragment = &frame.Fragment{Size: 8} },
	"inner.ip.offset":     func(s *frame.Spec) { s.Fragment = &frame.Fragment{Offset: 8} },
	"inner.ip.options":    func(s *frame.Spec) { s.IPOptions = []byte{1, 1, 1, 0} },
	"inner.ip.proto":      func(s *frame.Spec) { s.Kind, s.Proto = frame.RawIP, 99 },
	"inner.sport":         func(s *frame.Spec) { s.SrcPort++ },
	"inner.dport":         func(s *frame.Spec) { s.DstPort++ },
	"inner.tcp.flags":     func(s *frame.Spec) { s.TCPFlags |= frame.ACK },
	"inner.tcp.seq":       func(s *frame.Spec) { s.Seq++ },
	"inner.tcp.ack":       func(s *frame.Spec) { s.Ack++ },
	"inner.tcp.window":    func(s *frame.Spec) { s.Window = 1 },
	"inner.payload":       func(s *frame.Spec) { s.Payload = []byte("hellO") },
}

func TestEachMutatedFieldIsNamed(t *testing.T) {
	// The entropy follows many inner fields; it's pinned to leave one change.
	base := func() frame.Spec {
		s := frame.Spec{Kind: frame.TCP, SrcMAC: macA, DstMAC: macB, Src: a4, Dst: b4, SrcPort: 1, DstPort: 2, TCPFlags: frame.SYN, Payload: []byte("hello"), Tunnel: tunnel(100)}
		s.Tunnel.SrcPort = 49999
		return s
	}
	for field, mutate := range mutations {
		expectField(t, field, base, mutate)
	}
	echo := func() frame.Spec {
		return frame.Spec{Kind: frame.Echo, Src: a4, Dst: b4, ID: 7, ICMPSeq: 1}
	}
	expectField(t, "inner.icmp.type", echo, func(s *frame.Spec) { s.Kind = frame.EchoReply })
	expectField(t, "inner.icmp.id", echo, func(s *frame.Spec) { s.ID++ })
	expectField(t, "inner.icmp.seq", echo, func(s *frame.Spec) { s.ICMPSeq++ })
	udp := func() frame.Spec { return frame.Spec{Kind: frame.UDP, Src: a4, Dst: b4} }
	expectField(t, "inner.udp.checksum", udp, func(s *frame.Spec) { s.NoChecksum = true })
	reply := func() frame.Spec {
		return frame.Spec{Kind: frame.ARPReply, SrcMAC: macA, DstMAC: macB, Src: a4, Dst: b4}
	}
	expectField(t, "inner.arp.op", reply, func(s *frame.Spec) { s.Kind, s.TargetMAC = frame.ARPRequest, macB })
	expectField(t, "inner.arp.sender.mac", reply, func(s *frame.Spec) { s.SenderMAC = macB })
	expectField(t, "inner.arp.sender.ip", reply, func(s *frame.Spec) { s.SenderIP = b4 })
	expectField(t, "inner.arp.target.mac", reply, func(s *frame.Spec) { s.TargetMAC = macA })
	expectField(t, "inner.arp.target.ip", reply, func(s *frame.Spec) { s.Target = a4 })
	na := func() frame.Spec { return frame.Spec{Kind: frame.NA, SrcMAC: macA, Src: a6, Dst: b6} }
	expectField(t, "inner.nd.target", na, func(s *frame.Spec) { s.Target = b6 })
	expectField(t, "inner.nd.link-layer", na, func(s *frame.Spec) { s.SenderMAC = macB })
}

// expectField mutates a frame and wants that very field in the report, alone
// and gone when ignored.
func expectField(t *testing.T, field string, base func() frame.Spec, mutate func(*frame.Spec)) {
	t.Helper()
	g := NewWithT(t)
	changed := base()
	mutate(&changed)
	want := []golden.Frame{{Port: "uplink:h1", Bytes: build(t, base())}}
	got := []golden.Frame{{Port: "uplink:h1", Bytes: build(t, changed)}}
	list, err := golden.Compare(want, got)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(list).To(HaveLen(1), field)
	g.Expect(list[0].Field).To(Equal(field))
	g.Expect(list[0].Packet).To(Equal(1))
	g.Expect(list[0].Port).To(Equal("uplink:h1"))
	g.Expect(list[0].Want).NotTo(Equal(list[0].Got))
	list, err = golden.Compare(want, got, field)
	g.Expect(err).NotTo(HaveOccurred())
	if len(list) > 0 {
		g.Expect(list[0].Field).NotTo(Equal(field))
	}
}

func TestNoByteChangesUnseen(t *testing.T) {
	for _, s := range specs() {
		whole := build(t, s)
		for at := range whole {
			bad := bytes.Clone(whole)
			bad[at] ^= 0x04
			list, err := golden.Compare([]golden.Frame{{Port: "p", Bytes: whole}}, []golden.Frame{{Port: "p", Bytes: bad}})
			if err != nil || len(list) == 0 {
				t.Errorf("%s: byte %d changed and nothing was reported (%v)", s.Kind, at, err)
			}
		}
	}
}

func TestPlantedChecksumErrorsAreFound(t *testing.T) {
	g := NewWithT(t)
	whole := build(t, frame.Spec{Kind: frame.TCP, Src: a4, Dst: b4})
	bad := bytes.Clone(whole)
	bad[14+20+16] ^= 1
	list, err := golden.Compare([]golden.Frame{{Port: "p", Bytes: whole}}, []golden.Frame{{Port: "p", Bytes: bad}})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(list).To(HaveLen(1))
	g.Expect(list[0].Field).To(Equal("checksum"))
	g.Expect(list[0].Got).To(ContainSubstring("inner.tcp"))

	file := filepath.Join(t.TempDir(), "bad.pcapng")
	g.Expect(golden.Write(file, []golden.Frame{{Port: "p", Bytes: bad}})).To(MatchError(ContainSubstring("checksum inner.tcp")))
	c := capture.Capture{Packets: []capture.Packet{{Interface: "p", Frame: whole}, {Interface: "p", Frame: bad}}}
	g.Expect(c.Write(file)).To(Succeed())
	_, err = golden.Read(file)
	g.Expect(err).To(MatchError(And(ContainSubstring(file), ContainSubstring("packet 2"), ContainSubstring("checksum inner.tcp"))))
}

func TestLostAndExtraPacketsAreOneDifferenceEach(t *testing.T) {
	var all []golden.Frame
	for i := range 5 {
		all = append(all, golden.Frame{Port: "uplink:h1", Bytes: build(t, frame.Spec{Kind: frame.Echo, Src: a4, Dst: b4, ICMPSeq: uint16(i)})})
	}
	for lost := range all {
		g := NewWithT(t)
		fewer := append(append([]golden.Frame{}, all[:lost]...), all[lost+1:]...)
		list, err := golden.Compare(all, fewer)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(list).To(HaveLen(1))
		g.Expect(list[0].Packet).To(Equal(lost + 1))
		g.Expect(list[0].Field).To(Equal("packet"))
		g.Expect(list[0].Got).To(BeEmpty())
		list, err = golden.Compare(fewer, all)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(list).To(HaveLen(1))
		g.Expect(list[0].Want).To(BeEmpty())
	}
	g := NewWithT(t)
	list, err := golden.Compare(all[:1], []golden.Frame{{Port: "endpoint:default/b", Bytes: all[0].Bytes}})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(list).To(HaveLen(2), "missing at one port, extra at the other")
	swapped := []golden.Frame{all[1], all[0]}
	list, err = golden.Compare(all[:2], swapped)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(list).NotTo(BeEmpty(), "order counts")
}

func TestUnknownIgnoredFieldIsRefused(t *testing.T) {
	g := NewWithT(t)
	_, err := golden.Compare(nil, nil, "outer.sprot")
	g.Expect(err).To(MatchError(And(ContainSubstring("outer.sprot"), ContainSubstring("outer.sport"))))
	_, err = golden.Compare(nil, nil, "outer.*", "geneve.return.token")
	g.Expect(err).NotTo(HaveOccurred())
}

func TestPatternsIgnoreAllBelow(t *testing.T) {
	g := NewWithT(t)
	s := frame.Spec{Kind: frame.Echo, Src: a4, Dst: b4, Tunnel: tunnel(100)}
	one := build(t, s)
	s.Tunnel.Options.Return.Token, s.Tunnel.Options.Return.Limit = 1, 1
	two := build(t, s)
	list, err := golden.Compare([]golden.Frame{{Port: "p", Bytes: one}}, []golden.Frame{{Port: "p", Bytes: two}}, "geneve.return.*")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(list).To(BeEmpty())
}

func TestWrittenGoldenIsProvenAndRead(t *testing.T) {
	g := NewWithT(t)
	file := filepath.Join(t.TempDir(), "x.pcapng")
	want := frames(t)
	g.Expect(golden.Write(file, want)).To(Succeed())
	first, err := os.ReadFile(file)
	g.Expect(err).NotTo(HaveOccurred())
	got, err := golden.Read(file)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(got).To(Equal(want))
	g.Expect(golden.Write(file, got)).To(Succeed())
	second, err := os.ReadFile(file)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(second).To(Equal(first))

	proof, err := golden.Prove(context.Background(), file)
	g.Expect(err).NotTo(HaveOccurred())
	_, missing := exec.LookPath("tshark")
	g.Expect(proof).To(Equal(golden.Proof{Frames: len(want), Tshark: missing == nil}))
}

func TestTsharkIsAnIndependentJudge(t *testing.T) {
	if _, err := exec.LookPath("tshark"); err != nil {
		t.Log("no tshark here: nothing to judge with")
		return
	}
	g := NewWithT(t)
	file := filepath.Join(t.TempDir(), "x.pcapng")
	// We don't look into chunks, tshark does.
	short := build(t, frame.Spec{Kind: frame.UDP, SrcPort: 1, DstPort: 53, Src: a4, Dst: b4, Payload: []byte("no dns")})
	broken := build(t, frame.Spec{Kind: frame.RawIP, Proto: 132, Src: a4, Dst: b4, Payload: sctp(t)})
	g.Expect(golden.Write(file, []golden.Frame{{Port: "p", Bytes: short}})).To(Succeed())
	proof, err := golden.Prove(context.Background(), file)
	g.Expect(err).NotTo(HaveOccurred(), "what a payload means doesn't matter")
	g.Expect(proof.Tshark).To(BeTrue())
	g.Expect(golden.Write(file, []golden.Frame{{Port: "p", Bytes: broken}})).To(Succeed())
	_, err = golden.Prove(context.Background(), file)
	g.Expect(err).To(MatchError(ContainSubstring("malformed header")))
}

// sctp is a packet with a chunk that is longer than it.
func sctp(t testing.TB) []byte {
	return build(t, frame.Spec{Kind: frame.SCTP, Src: a4, Dst: b4, Payload: []byte("hello")})[34:]
}

func TestGoldenWithoutPortsIsRefused(t *testing.T) {
	g := NewWithT(t)
	file := filepath.Join(t.TempDir(), "x.pcap")
	c := capture.Capture{Packets: []capture.Packet{{Frame: build(t, specs()[0])}}}
	g.Expect(c.Write(file)).To(Succeed())
	_, err := golden.Read(file)
	g.Expect(err).To(MatchError(ContainSubstring("names the port")))
}

func TestPortsOfAWire(t *testing.T) {
	g := NewWithT(t)
	g.Expect(golden.Frames([]wire.Emission{{At: wire.Port{Uplink: "h1"}}, {At: wire.Port{Endpoint: "default/a"}}})).To(Equal(
		[]golden.Frame{{Port: "uplink:h1"}, {Port: "endpoint:default/a"}}))
}
