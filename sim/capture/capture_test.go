// SPDX-License-Identifier: Apache-2.0

package capture_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/capture"
	"github.com/mizar-net/mizar/sim/frame"
)

var (
	oldA4, oldB4 = netip.MustParseAddr("192.0.2.10"), netip.MustParseAddr("192.0.2.20")
	oldA6, oldB6 = netip.MustParseAddr("2001:db8::10"), netip.MustParseAddr("2001:db8::20")
	gateway      = state.MAC{2, 0x4d, 0x5a, 0, 0, 1}
	endpointA    = capture.Endpoint{Name: "default/a", MAC: state.MAC{2, 0, 0, 0, 0, 1},
		Addresses: []netip.Addr{netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("fd00::2")}}
	endpointB = capture.Endpoint{Name: "default/b", MAC: state.MAC{2, 0, 0, 0, 0, 2},
		Addresses: []netip.Addr{netip.MustParseAddr("10.0.0.3"), netip.MustParseAddr("fd00::3")}}
	mapping = map[netip.Addr]capture.Endpoint{oldA4: endpointA, oldA6: endpointA, oldB4: endpointB, oldB6: endpointB}
)

func build(t testing.TB, s frame.Spec) []byte {
	t.Helper()
	b, err := frame.Build(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// sample is a capture with two ports and both families.
func sample(t testing.TB) capture.Capture {
	var c capture.Capture
	for i, s := range []frame.Spec{
		{Kind: frame.Echo, Src: oldA4, Dst: oldB4, ID: 1},
		{Kind: frame.EchoReply, Src: oldB4, Dst: oldA4, ID: 1},
		{Kind: frame.UDP, Src: oldA6, Dst: oldB6, Payload: []byte("x")},
		{Kind: frame.TCP, Src: oldA4, Dst: oldB4, TCPFlags: frame.SYN},
		{Kind: frame.UDP, Src: oldA4, Dst: oldB4, NoChecksum: true},
		{Kind: frame.ARPRequest, Src: oldA4, Dst: oldB4},
		{Kind: frame.NS, Src: oldA6, Target: oldB6},
		{Kind: frame.NA, Src: oldB6, Dst: oldA6},
	} {
		s.SrcMAC, s.DstMAC = state.MAC{0, 1, 2, 3, 4, 5}, state.MAC{0, 1, 2, 3, 4, 6}
		if s.Kind == frame.NS || s.Kind == frame.ARPRequest {
			s.DstMAC = state.MAC{}
		}
		c.Packets = append(c.Packets, capture.Packet{
			Number: i + 1, Time: time.Unix(1000, int64(i)).UTC(), Interface: []string{"uplink:h1", "endpoint:default/a"}[i%2], Frame: build(t, s),
		})
	}
	return c
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	for _, name := range []string{"x.pcap", "x.pcapng"} {
		g := NewWithT(t)
		want := sample(t)
		file := filepath.Join(t.TempDir(), name)
		g.Expect(want.Write(file)).To(Succeed())
		got, err := capture.Read(file)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(got.Frames()).To(Equal(want.Frames()))
		for i, p := range got.Packets {
			g.Expect(p.Number).To(Equal(i + 1))
			g.Expect(p.Offset).To(BeNumerically(">", 0))
			g.Expect(p.Time).To(Equal(want.Packets[i].Time))
			if name == "x.pcapng" {
				g.Expect(p.Interface).To(Equal(want.Packets[i].Interface))
			}
		}
	}
}

func TestEmptyCapturesAreReadAndWritten(t *testing.T) {
	g := NewWithT(t)
	for _, name := range []string{"x.pcap", "x.pcapng"} {
		file := filepath.Join(t.TempDir(), name)
		g.Expect(capture.Capture{}.Write(file)).To(Succeed())
		c, err := capture.Read(file)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(c.Packets).To(BeEmpty())
	}
	g.Expect(capture.Capture{}.Write(filepath.Join(t.TempDir(), "x.txt"))).To(MatchError(ContainSubstring("want .pcap or .pcapng")))
}

func TestRawPacketsGetAnEthernetHeader(t *testing.T) {
	for _, link := range []uint32{101, 12, 14, 228, 229} {
		g := NewWithT(t)
		b, err := sample(t).Pcap()
		g.Expect(err).NotTo(HaveOccurred())
		whole := build(t, frame.Spec{Kind: frame.UDP, Src: oldA6, Dst: oldB6, Payload: []byte("x")})
		b = binary.LittleEndian.AppendUint32(b[:20], link)
		b = append(b, record(whole[14:], len(whole)-14)...)
		c, err := capture.Parse("raw.pcap", b)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(c.Frames()).To(Equal([][]byte{whole}))
	}
}

// record is a pcap record that says the packet had length bytes.
func record(data []byte, length int) []byte {
	b := make([]byte, 8)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(data)))
	b = binary.LittleEndian.AppendUint32(b, uint32(length))
	return append(b, data...)
}

func TestBadCapturesAreRefusedWithPlaceAndExpectation(t *testing.T) {
	g := NewWithT(t)
	pcap, err := sample(t).Pcap()
	g.Expect(err).NotTo(HaveOccurred())
	ng, err := sample(t).Pcapng()
	g.Expect(err).NotTo(HaveOccurred())
	for name, c := range map[string]struct {
		bytes []byte
		want  []string
	}{
		"empty":        {nil, []string{"empty"}},
		"text":         {bytes.Repeat([]byte("hello "), 9), []string{"magic", "want a pcap"}},
		"short header": {pcap[:20], []string{"20 bytes, want 24"}},
		"cut header":   {pcap[:24+7], []string{"packet 1", "byte 24", "7 bytes left, want 16"}},
		"cut packet":   {pcap[:len(pcap)-3], []string{"packet 8", "the file was cut"}},
		"snap length":  {append(bytes.Clone(pcap[:24]), record(make([]byte, 64), 1500)...), []string{"packet 1", "byte 24", "64 of 1500", "snap length 0"}},
		"short frame":  {append(bytes.Clone(pcap[:24]), record(make([]byte, 9), 9)...), []string{"packet 1", "9 bytes", "14 or more"}},
		"link type":    {append(append(bytes.Clone(pcap[:20]), 113, 0, 0, 0), record(make([]byte, 64), 64)...), []string{"packet 1", "link type 113", "want Ethernet"}},
		"raw version":  {append(append(bytes.Clone(pcap[:20]), 101, 0, 0, 0), record(make([]byte, 64), 64)...), []string{"packet 1", "version 4 or 6"}},
		"cut block":    {ng[:len(ng)-5], []string{"byte ", "the file was cut"}},
		"block tail":   {flip(ng, len(ng)-4), []string{"ends with length"}},
	} {
		_, err := capture.Parse("bad.pcap", c.bytes)
		var where *capture.Error
		g.Expect(errors.As(err, &where)).To(BeTrue(), name)
		g.Expect(err.Error()).To(HavePrefix("bad.pcap: "))
		for _, s := range c.want {
			g.Expect(err.Error()).To(ContainSubstring(s), name)
		}
	}
	_, err = capture.Read("/nowhere.pcap")
	g.Expect(err).To(MatchError(os.ErrNotExist))
}

func flip(b []byte, at int) []byte {
	b = bytes.Clone(b)
	b[at] ^= 0x10
	return b
}

func TestRewriteReplacesEveryAddress(t *testing.T) {
	g := NewWithT(t)
	c, err := sample(t).Rewrite(mapping, gateway)
	g.Expect(err).NotTo(HaveOccurred())
	for i, p := range c.Packets {
		d, err := frame.Decode(p.Frame)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(frame.VerifyChecksums(p.Frame)).To(Succeed(), "packet %d", i+1)
		for _, old := range []netip.Addr{oldA4, oldB4, oldA6, oldB6} {
			g.Expect(bytes.Contains(p.Frame, old.AsSlice())).To(BeFalse(), "packet %d: %s", i+1, d)
		}
		y := d.Inner
		g.Expect(y.SrcMAC).To(BeElementOf(endpointA.MAC, endpointB.MAC))
		if y.DstMAC[0]&1 == 0 {
			g.Expect(y.DstMAC).To(Equal(gateway))
		}
		if y.ARP != nil {
			g.Expect(y.ARP.SenderMAC).To(Equal(endpointA.MAC))
			g.Expect(y.ARP.TargetMAC).To(BeZero())
		}
		if y.ND != nil {
			g.Expect(y.ND.LinkLayer).To(Equal(y.SrcMAC))
		}
		if y.Dst.IsMulticast() {
			g.Expect(y.Dst).To(Equal(frame.SolicitedNode(endpointB.Addresses[1])))
		}
	}
	d, _ := frame.Decode(c.Packets[4].Frame)
	g.Expect(d.Inner.Checksum).To(BeZero())
}

func TestRewriteKeepsFragmentsWhole(t *testing.T) {
	for _, s := range []frame.Spec{
		{Kind: frame.UDP, Src: oldA4, Dst: oldB4, Payload: bytes.Repeat([]byte("ab"), 900)},
		{Kind: frame.TCP, Src: oldA6, Dst: oldB6, Payload: bytes.Repeat([]byte("cde"), 900)},
		{Kind: frame.Echo, Src: oldA4, Dst: oldB4, Payload: bytes.Repeat([]byte("cde"), 900)},
		{Kind: frame.Echo, Src: oldA6, Dst: oldB6, Payload: bytes.Repeat([]byte("cde"), 900)},
	} {
		g := NewWithT(t)
		list, err := frame.Fragments(s, 800)
		g.Expect(err).NotTo(HaveOccurred())
		var c capture.Capture
		for _, b := range list {
			c.Packets = append(c.Packets, capture.Packet{Frame: b})
		}
		c, err = c.Rewrite(mapping, gateway)
		g.Expect(err).NotTo(HaveOccurred())
		// What a packet built with the new addresses would be cut into.
		s.Src, s.Dst, s.SrcMAC, s.DstMAC = moved(s.Src), moved(s.Dst), endpointA.MAC, gateway
		want, err := frame.Fragments(s, 800)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(c.Frames()).To(Equal(want))
	}
}

// moved is the new address in the place of an old one.
func moved(a netip.Addr) netip.Addr {
	if a.Is4() {
		return mapping[a].Addresses[0]
	}
	return mapping[a].Addresses[1]
}

func TestRewriteReachesIntoICMPErrors(t *testing.T) {
	g := NewWithT(t)
	quoted := build(t, frame.Spec{Kind: frame.UDP, Src: oldA4, Dst: oldB4, SrcPort: 9, DstPort: 10, Payload: []byte("quoted")})[14:]
	body := append([]byte{3, 3, 0, 0, 0, 0, 0, 0}, quoted...)
	c := capture.Capture{Packets: []capture.Packet{{Frame: build(t, frame.Spec{Kind: frame.RawIP, Proto: 1, Src: oldB4, Dst: oldA4, Payload: body})}}}
	c, err := c.Rewrite(mapping, gateway)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(frame.VerifyChecksums(c.Packets[0].Frame)).To(Succeed())
	d, _ := frame.Decode(c.Packets[0].Frame)
	inside := append(make([]byte, 12), append([]byte{8, 0}, d.Inner.Payload[4:]...)...)
	g.Expect(frame.VerifyChecksums(inside)).To(Succeed())
	d, _ = frame.Decode(inside)
	g.Expect(d.Inner.Src).To(Equal(endpointA.Addresses[0]))
}

func TestRewriteRefusesAMissingFamily(t *testing.T) {
	g := NewWithT(t)
	only4 := endpointA
	only4.Addresses = only4.Addresses[:1]
	_, err := sample(t).Rewrite(map[netip.Addr]capture.Endpoint{oldA6: only4}, gateway)
	g.Expect(err).To(MatchError(And(ContainSubstring("packet 3"), ContainSubstring("default/a"), ContainSubstring("no address of that family"))))
}

func TestFromSelectsBySender(t *testing.T) {
	g := NewWithT(t)
	c, err := sample(t).From(oldA4, oldA6)
	g.Expect(err).NotTo(HaveOccurred())
	var numbers []int
	for _, p := range c.Packets {
		numbers = append(numbers, p.Number)
	}
	g.Expect(numbers).To(Equal([]int{1, 3, 4, 5, 6, 7}))
}

func FuzzParse(f *testing.F) {
	pcap, err := sample(f).Pcap()
	if err != nil {
		f.Fatal(err)
	}
	ng, err := sample(f).Pcapng()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(pcap)
	f.Add(ng)
	f.Add(ng[:len(ng)-9])
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := capture.Parse("fuzz", b)
		if err != nil {
			return
		}
		_, _ = c.Rewrite(mapping, gateway)
	})
}
