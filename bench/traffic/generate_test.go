// SPDX-License-Identifier: Apache-2.0

package traffic_test

import (
	"bytes"
	"encoding/binary"
	"flag"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/bench/traffic"
	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/capture"
	"github.com/mizar-net/mizar/sim/frame"
)

var update = flag.Bool("update", false, "write the captures anew")

// most is how large a capture that comes with Mizar may be, in bytes.
const most = 200 << 10

// TestCapturesAreWhatTheirGeneratorMakes holds the committed files to the code
// below.
func TestCapturesAreWhatTheirGeneratorMakes(t *testing.T) {
	makers := map[string]func(*maker){"imix": imix, "bulk": bulk, "short": short, "junk": junk}
	NewWithT(t).Expect(traffic.All()).To(HaveLen(len(makers)))
	for _, s := range traffic.All() {
		g := NewWithT(t)
		m := &maker{T: t, rand: rand.New(rand.NewPCG(4, 0x6d697a6172))}
		makers[s.Name](m)
		want, err := m.capture.Pcapng()
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(len(want)).To(BeNumerically("<", most), s.Name)
		file := filepath.Join("captures", s.Name+".pcapng")
		if *update {
			g.Expect(os.WriteFile(file, want, 0o644)).To(Succeed())
			continue
		}
		got, err := os.ReadFile(file)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(bytes.Equal(got, want)).To(BeTrue(), "%s is not what the generator makes: read the change, then go test ./bench/traffic -update", file)
		c, err := traffic.Load(s.Name)
		g.Expect(err).NotTo(HaveOccurred())
		for i, p := range c.Packets {
			g.Expect(p.Frame).To(Equal(m.capture.Packets[i].Frame), "%s: packet %d", s.Name, i+1)
			g.Expect(p.Comment).To(Equal(m.capture.Packets[i].Comment), "%s: packet %d", s.Name, i+1)
		}
	}
}

// maker gathers packets, ten microseconds apart.
type maker struct {
	*testing.T
	rand    *rand.Rand
	capture capture.Capture
}

// sends is the comment of a packet that goes on to its destination.
const sends = "send"

func (m *maker) add(comment string, b []byte) {
	n := len(m.capture.Packets)
	m.capture.Packets = append(m.capture.Packets, capture.Packet{
		Number: n + 1, Time: time.Unix(1_700_000_000, int64(n)*10_000), Interface: "endpoint", Frame: b, Comment: comment,
	})
}

func (m *maker) frame(s frame.Spec) []byte {
	m.Helper()
	s.SrcMAC = state.MAC{0, 0, 0x5e, 0, 0x53, 1}
	if s.DstMAC == (state.MAC{}) && s.Kind != frame.ARPRequest && !s.Dst.IsMulticast() {
		s.DstMAC = state.MAC{0, 0, 0x5e, 0, 0x53, 2}
	}
	b, err := frame.Build(s)
	if err != nil {
		m.Fatal(err)
	}
	return b
}

func (m *maker) send(s frame.Spec) { m.add(sends, m.frame(s)) }

// station is the n-th of the documentation's addresses.
func station(family, n int) netip.Addr {
	if family == 4 {
		return netip.AddrFrom4([4]byte{192, 0, 2, byte(n)})
	}
	b := netip.MustParseAddr("2001:db8::").As16()
	b[15] = byte(n)
	return netip.AddrFrom16(b)
}

func family(n int) int { return 4 + 2*(n%2) }

// room is what is left for the payload behind UDP's or TCP's header.
func room(family, header, length int) []byte {
	return make([]byte, length-14-map[int]int{4: 20, 6: 40}[family]-header)
}

// imix has the sizes of the simple IMIX in their usual proportion, shuffled.
func imix(m *maker) {
	var lengths []int
	for range 28 {
		lengths = append(lengths, 64, 64, 64, 64, 64, 64, 64, 594, 594, 594, 594, 1514)
	}
	m.rand.Shuffle(len(lengths), func(i, j int) { lengths[i], lengths[j] = lengths[j], lengths[i] })
	for i, n := range lengths {
		v := family(i)
		m.send(frame.Spec{
			Kind: frame.UDP, Src: station(v, 1+i%24/2), Dst: station(v, 101+m.rand.IntN(8)),
			SrcPort: uint16(20000 + i%24), DstPort: 5001, Payload: room(v, 8, n),
		})
	}
}

// bulk is two transfers with all their acknowledgements, from first to last.
func bulk(m *maker) {
	for _, v := range []int{4, 6} {
		c := conversation{maker: m, family: v, a: station(v, 1), b: station(v, 2), port: 5201, from: 40000}
		c.open()
		for range 26 {
			for range 2 {
				c.say(room(v, 20, 1514))
			}
			c.hear(nil)
		}
		c.end()
	}
}

// short is queries and answers, one conversation at a time.
func short(m *maker) {
	for i := range 90 {
		v := family(i)
		client, server := station(v, 1+i%12), station(v, 200+i%2)
		if i%3 == 2 {
			c := conversation{maker: m, family: v, a: client, b: server, port: 80, from: uint16(32768 + m.rand.IntN(28000))}
			c.open()
			c.say(make([]byte, 120+m.rand.IntN(400)))
			c.hear(make([]byte, 300+m.rand.IntN(1000)))
			c.end()
			continue
		}
		query := frame.Spec{
			Kind: frame.UDP, Src: client, Dst: server, SrcPort: uint16(32768 + m.rand.IntN(28000)), DstPort: 53,
			Payload: make([]byte, 24+m.rand.IntN(30)),
		}
		m.send(query)
		query.Src, query.Dst, query.SrcPort, query.DstPort = query.Dst, query.Src, query.DstPort, query.SrcPort
		query.Payload = append(query.Payload, make([]byte, 16+m.rand.IntN(300))...)
		m.send(query)
	}
}

// junk has something odd behind every ordinary packet.
func junk(m *maker) {
	for round := range 6 {
		for _, v := range []int{4, 6} {
			plain := frame.Spec{
				Kind: frame.UDP, Src: station(v, 1), Dst: station(v, 2), SrcPort: uint16(1000 + round), DstPort: 2000,
				Payload: make([]byte, 40+100*round),
			}
			for _, odd := range oddities(m, plain, v) {
				m.send(plain)
				m.add(odd.comment, odd.frame)
			}
		}
	}
}

// oddity is a packet that no honest endpoint sends, or seldom.
type oddity struct {
	comment string
	frame   []byte
}

func oddities(m *maker, plain frame.Spec, v int) []oddity {
	whole := func(change func(*frame.Spec)) []byte {
		s := plain
		change(&s)
		return m.frame(s)
	}
	spoilt := func(change func([]byte) []byte) []byte { return change(m.frame(plain)) }
	group := map[int]netip.Addr{4: netip.MustParseAddr("239.1.1.1"), 6: netip.MustParseAddr("ff0e::1")}[v]
	all := []oddity{
		{"drop: truncated", spoilt(func(b []byte) []byte { return b[:14+9] })},
		{"drop: truncated", spoilt(func(b []byte) []byte { return b[:len(b)-20] })},
		{"drop: ip_header", spoilt(func(b []byte) []byte { b[14] = 0x90 | b[14]&0xf; return b })},
		{"drop: multicast", whole(func(s *frame.Spec) { s.Dst = group })},
		{"drop: ethertype", m.frame(frame.Spec{Kind: frame.Raw, EtherType: 0x88cc, Payload: make([]byte, 50)})},
		{sends, whole(func(s *frame.Spec) { s.Fragment = &frame.Fragment{Size: 24}; s.IPID = 7 })},
		{sends, whole(func(s *frame.Spec) { s.Fragment = &frame.Fragment{Offset: 24}; s.IPID = 7 })},
		{sends, spoilt(func(b []byte) []byte { b[len(b)-1] ^= 0x55; return b })}, // the checksum is wrong
	}
	if v == 4 {
		all = append(all,
			oddity{"drop: ip_header", spoilt(func(b []byte) []byte { binary.BigEndian.PutUint16(b[16:], 12); return b })},
			oddity{"drop: multicast", whole(func(s *frame.Spec) { s.Dst = netip.MustParseAddr("255.255.255.255") })},
			oddity{"drop: arp_other", m.frame(frame.Spec{Kind: frame.ARPReply, Src: plain.Src, Dst: plain.Dst})},
		)
	}
	return all
}

// conversation is a TCP one, seen from both of its ends.
type conversation struct {
	*maker
	family     int
	a, b       netip.Addr
	from, port uint16
	said       uint32
	heard      uint32
}

func (c *conversation) open() {
	c.send(c.there(frame.SYN, nil))
	c.send(c.back(frame.SYN|frame.ACK, nil))
	c.said, c.heard = 1, 1
	c.send(c.there(frame.ACK, nil))
}

func (c *conversation) end() {
	c.send(c.there(frame.FIN|frame.ACK, nil))
	c.said++
	c.send(c.back(frame.FIN|frame.ACK, nil))
	c.heard++
	c.send(c.there(frame.ACK, nil))
}

func (c *conversation) say(b []byte) {
	c.send(c.there(frame.ACK, b))
	c.said += uint32(len(b))
}

func (c *conversation) hear(b []byte) {
	c.send(c.back(frame.ACK, b))
	c.heard += uint32(len(b))
}

func (c *conversation) there(flags frame.TCPFlags, payload []byte) frame.Spec {
	return frame.Spec{
		Kind: frame.TCP, Src: c.a, Dst: c.b, SrcPort: c.from, DstPort: c.port, Seq: c.said, Ack: c.heard, TCPFlags: flags, Payload: payload,
	}
}

func (c *conversation) back(flags frame.TCPFlags, payload []byte) frame.Spec {
	return frame.Spec{
		Kind: frame.TCP, Src: c.b, Dst: c.a, SrcPort: c.port, DstPort: c.from, Seq: c.heard, Ack: c.said, TCPFlags: flags, Payload: payload,
	}
}
