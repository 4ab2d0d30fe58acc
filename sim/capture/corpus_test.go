// SPDX-License-Identifier: Apache-2.0

package capture_test

import (
	"bytes"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/capture"
	"github.com/mizar-net/mizar/sim/frame"
)

var update = flag.Bool("update", false, "write the corpus of captures that scenarios replay")

const corpus = "../scenarios/captures"

// TestCorpus holds the captures that scenarios replay against what they are
// said to be made of. `go test ./sim/capture -run TestCorpus -update` writes
// them.
func TestCorpus(t *testing.T) {
	for name, talk := range conversations(t) {
		g := NewWithT(t)
		file := filepath.Join(corpus, name)
		want, err := talk.Pcap()
		if strings.HasSuffix(name, "ng") {
			want, err = talk.Pcapng()
		}
		g.Expect(err).NotTo(HaveOccurred())
		if *update {
			g.Expect(os.MkdirAll(filepath.Dir(file), 0o755)).To(Succeed())
			g.Expect(talk.Write(file)).To(Succeed())
		}
		got, err := os.ReadFile(file)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(bytes.Equal(got, want)).To(BeTrue(), "%s isn't as described here; run with -update", file)
		c, err := capture.Parse(file, got)
		g.Expect(err).NotTo(HaveOccurred())
		for _, p := range c.Packets {
			g.Expect(frame.VerifyChecksums(p.Frame)).To(Succeed(), "%s packet %d", file, p.Number)
			// The endpoint MTU on an underlay of 1500 bytes with IPv6.
			g.Expect(len(p.Frame)).To(BeNumerically("<=", 14+1394), "%s packet %d", file, p.Number)
		}
		first, err := frame.Decode(c.Packets[0].Frame)
		g.Expect(err).NotTo(HaveOccurred())
		client, err := c.From(first.Inner.Src)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(len(client.Packets)).To(BeNumerically(">", 0), file)
		if !strings.Contains(name, "visit") && !strings.Contains(name, "leave") { // of one side each
			g.Expect(len(client.Packets)).To(BeNumerically("<", len(c.Packets)), file)
		}
	}
}

// The two who talk: documentation addresses (RFC 5737, RFC 3849, RFC 7042).
var (
	clientMAC = state.MAC{0x00, 0x00, 0x5e, 0x00, 0x53, 0x10}
	serverMAC = state.MAC{0x00, 0x00, 0x5e, 0x00, 0x53, 0x20}
)

// talk records a conversation between a client and a server.
type talk struct {
	t              testing.TB
	client, server netip.Addr
	capture        *capture.Capture
}

// conversations are all files of the corpus.
func conversations(t testing.TB) map[string]capture.Capture {
	files := map[string]capture.Capture{}
	both := &capture.Capture{}
	for _, pair := range [][2]netip.Addr{{oldA4, oldB4}, {oldA6, oldB6}} {
		for name, record := range map[string]func(talk){"ping": talk.ping, "dns": talk.dns, "http": talk.http, "fragments": talk.fragments, "../translations/talk": talk.service, "../translations/visit": talk.visit, "../translations/leave": talk.leave} {
			c := &capture.Capture{}
			record(talk{t, pair[0], pair[1], c})
			files[fmt.Sprintf("%s%d.pcap", name, family(pair[0]))] = *c
		}
		talk{t, pair[0], pair[1], both}.ping()
	}
	files["ping.pcapng"] = *both
	return files
}

func family(a netip.Addr) int {
	if a.Is4() {
		return 4
	}
	return 6
}

// asks records a frame of the client, answers one of the server; s says what
// isn't plain from the direction.
func (k talk) asks(s frame.Spec) {
	s.Src, s.Dst, s.SrcMAC, s.DstMAC = k.client, k.server, clientMAC, serverMAC
	k.add(build(k.t, k.numbered(s)))
}

func (k talk) answers(s frame.Spec) {
	s.Src, s.Dst, s.SrcMAC, s.DstMAC = k.server, k.client, serverMAC, clientMAC
	s.SrcPort, s.DstPort = s.DstPort, s.SrcPort
	k.add(build(k.t, k.numbered(s)))
}

// numbered gives IPv4 packets an identification of their own.
func (k talk) numbered(s frame.Spec) frame.Spec {
	s.IPID = 0x4d00 + uint32(len(k.capture.Packets))
	return s
}

func (k talk) add(b []byte) {
	n := len(k.capture.Packets)
	k.capture.Packets = append(k.capture.Packets, capture.Packet{
		Time: time.Unix(1767225600, int64(n)*250_000), Interface: "recorder", Frame: b,
	})
}

// ping is three echoes and their replies.
func (k talk) ping() {
	data := make([]byte, 56)
	for i := range data {
		data[i] = byte(i)
	}
	for i := range uint16(3) {
		k.asks(frame.Spec{Kind: frame.Echo, ID: 0x1234, ICMPSeq: i + 1, DF: true, Payload: data})
		k.answers(frame.Spec{Kind: frame.EchoReply, ID: 0x1234, ICMPSeq: i + 1, Payload: data})
	}
}

// dns is two questions, one a family, and their answers.
func (k talk) dns() {
	for i, typ := range []layers.DNSType{layers.DNSTypeA, layers.DNSTypeAAAA} {
		question := layers.DNSQuestion{Name: []byte("www.example.org"), Type: typ, Class: layers.DNSClassIN}
		d := layers.DNS{ID: uint16(0x0a00 + i), RD: true, Questions: []layers.DNSQuestion{question}}
		s := frame.Spec{Kind: frame.UDP, SrcPort: uint16(40001 + i), DstPort: 53}
		s.Payload = k.message(&d)
		k.asks(s)
		d.QR, d.RA = true, true
		ip := []netip.Addr{oldB4, oldB6}[i]
		d.Answers = []layers.DNSResourceRecord{{Name: question.Name, Type: typ, Class: question.Class, TTL: 300, IP: ip.AsSlice()}}
		s.Payload = k.message(&d)
		k.answers(s)
	}
}

func (k talk) message(d *layers.DNS) []byte {
	k.t.Helper()
	b := gopacket.NewSerializeBuffer()
	if err := d.SerializeTo(b, gopacket.SerializeOptions{FixLengths: true}); err != nil {
		k.t.Fatal(err)
	}
	return bytes.Clone(b.Bytes())
}

// http is a handshake, a GET, an answer of two segments, and a close from both
// sides.
func (k talk) http() {
	const isn, peer = 1_000_000, 9_000_000
	get := []byte("GET / HTTP/1.1\r\nHost: www.example.org\r\nConnection: close\r\n\r\n")
	body := bytes.Repeat([]byte("0123456789abcdef"), 100)
	reply := append([]byte(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", len(body))), body...)
	s := func(flags frame.TCPFlags, seq, ack uint32, payload []byte) frame.Spec {
		return frame.Spec{Kind: frame.TCP, SrcPort: 40080, DstPort: 80, TCPFlags: flags, Seq: seq, Ack: ack, Window: 64240, DF: true, Payload: payload}
	}
	mss := func(s frame.Spec) frame.Spec { s.MSS = 1300; return s }
	asked, told := uint32(isn+1+len(get)), uint32(peer+1+len(reply))
	k.asks(mss(s(frame.SYN, isn, 0, nil)))
	k.answers(mss(s(frame.SYN|frame.ACK, peer, isn+1, nil)))
	k.asks(s(frame.ACK, isn+1, peer+1, nil))
	k.asks(s(frame.PSH|frame.ACK, isn+1, peer+1, get))
	k.answers(s(frame.ACK, peer+1, asked, reply[:1300]))
	k.answers(s(frame.PSH|frame.ACK, peer+1+1300, asked, reply[1300:]))
	k.asks(s(frame.ACK, asked, told, nil))
	k.answers(s(frame.FIN|frame.ACK, told, asked, nil))
	k.asks(s(frame.FIN|frame.ACK, asked, told+1, nil))
	k.answers(s(frame.ACK, told+1, asked+1, nil))
}

// fragments is a datagram of 4,000 bytes in three fragments, and its answer.
func (k talk) fragments() {
	s := frame.Spec{
		Kind: frame.UDP, Src: k.client, Dst: k.server, SrcMAC: clientMAC, DstMAC: serverMAC, SrcPort: 40500, DstPort: 5000,
		IPID: 0x4d5a, Payload: bytes.Repeat([]byte("mizar "), 667)[:4000],
	}
	list, err := frame.Fragments(s, 1344)
	if err != nil {
		k.t.Fatal(err)
	}
	for _, b := range list {
		k.add(b)
	}
	k.answers(frame.Spec{Kind: frame.UDP, SrcPort: 40500, DstPort: 5000, Payload: []byte("got 4000")})
}
