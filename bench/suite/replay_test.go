// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"bytes"
	"context"
	"net/netip"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/bench/probe"
	"github.com/mizar-net/mizar/bench/report"
	"github.com/mizar-net/mizar/bench/traffic"
	"github.com/mizar-net/mizar/dataplane"
	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/capture"
	"github.com/mizar-net/mizar/sim/frame"
)

// recording is traffic of two foreign stations, and what no endpoint may send.
func recording(t *testing.T) capture.Capture {
	t.Helper()
	a, b := netip.MustParseAddr("192.168.7.1"), netip.MustParseAddr("192.168.7.2")
	group := netip.MustParseAddr("239.1.1.1")
	c := capture.Capture{File: "dir/two stations.pcap"}
	for _, s := range []frame.Spec{
		{Kind: frame.UDP, Src: a, Dst: b, SrcPort: 1, DstPort: 2, Payload: make([]byte, 900)},
		{Kind: frame.TCP, Src: b, Dst: a, SrcPort: 2, DstPort: 1, TCPFlags: frame.SYN},
		{Kind: frame.UDP, Src: a, Dst: group, SrcPort: 1, DstPort: 2},
		{Kind: frame.UDP, Src: a, Dst: b, SrcPort: 1, DstPort: 2, Payload: make([]byte, 4000)},
	} {
		s.SrcMAC, s.DstMAC = state.MAC{2, 7, 7}, state.MAC{2, 7, 8}
		f, err := frame.Build(s)
		NewWithT(t).Expect(err).NotTo(HaveOccurred())
		c.Packets = append(c.Packets, capture.Packet{Number: len(c.Packets) + 1, Frame: f})
	}
	return c
}

func TestReplayTellsVerdictsAndSizes(t *testing.T) {
	g := NewWithT(t)
	mix, err := Replay(context.Background(), recording(t), Plan{Loads: 2, Rounds: 1, Sample: time.Millisecond})
	g.Expect(err).NotTo(HaveOccurred(), "root is needed")
	packets, floors := map[string]int{}, map[string]string{}
	for _, f := range mix.Figures {
		packets[f.Name], floors[f.Name] = f.Share.Packets, f.Floor
		g.Expect(f.Loads).To(HaveLen(2), f.Name)
	}
	g.Expect(packets).To(Equal(map[string]int{
		"replay/two stations/send": 2, "replay/two stations/drop-multicast": 1, "replay/two stations": 3,
	}))
	g.Expect(floors).To(Equal(map[string]string{
		"replay/two stations/send": "send", "replay/two stations/drop-multicast": "lookup", "replay/two stations": "send",
	}))
	g.Expect(mix.TooLong).To(Equal(1))
	g.Expect(mix.Sizes.Buckets).To(ContainElements(report.Bucket{Most: 64, Packets: 2}, report.Bucket{Most: 1024, Packets: 1}))

	var shown bytes.Buffer
	g.Expect(report.WriteMixes(&shown, report.Document{Mixes: []report.Mix{mix}})).To(Succeed())
	g.Expect(shown.String()).To(And(ContainSubstring("drop: multicast"), ContainSubstring("1 left out, longer than a full frame")))

	_, err = Replay(context.Background(), capture.Capture{File: "empty.pcap"}, Plan{Loads: 1, Rounds: 1, Sample: 1})
	g.Expect(err).To(MatchError(ContainSubstring("empty.pcap: none of its 0 packets")))
}

// TestShippedPacketsMeetTheVerdictsTheyAreMadeFor holds the comments of the
// captures that come with Mizar to what the program does: whoever puts wrong
// addresses into them gets other verdicts.
func TestShippedPacketsMeetTheVerdictsTheyAreMadeFor(t *testing.T) {
	for _, s := range traffic.All() {
		g := NewWithT(t)
		c, err := traffic.Load(s.Name)
		g.Expect(err).NotTo(HaveOccurred())
		r, err := newReplay(c)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(r.workload.Frames).To(HaveLen(len(c.Packets)), s.Name)
		d, err := dataplane.Load(dataplane.Options{TokenSecret: 1})
		g.Expect(err).NotTo(HaveOccurred(), "root is needed")
		defer d.Close()
		g.Expect(r.fill(d)).To(Succeed())
		for i, f := range r.workload.Frames {
			verdict, after, err := verdictOf(d, f)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(verdict).To(Equal(c.Packets[i].Comment), "%s: packet %d", s.Name, i+1)
			if verdict == "send" {
				g.Expect(after).To(HaveLen(len(c.Packets[i].Frame)+58), "%s: packet %d keeps its size", s.Name, i+1)
			}
		}
	}
}

// TestEveryPacketOfAMixTakesItsTurn runs parts whose numbers are no powers of two:
// the counters must hold every verdict as often as its packets came, and a part
// that claims another verdict fails.
func TestEveryPacketOfAMixTakesItsTurn(t *testing.T) {
	g := NewWithT(t)
	c, err := traffic.Load("junk")
	g.Expect(err).NotTo(HaveOccurred())
	r, err := newReplay(c)
	g.Expect(err).NotTo(HaveOccurred())
	d, err := dataplane.Load(dataplane.Options{TokenSecret: 1})
	g.Expect(err).NotTo(HaveOccurred(), "root is needed")
	defer d.Close()
	g.Expect(r.fill(d)).To(Succeed())
	parts, err := sortByVerdict(d, r.workload.Frames)
	g.Expect(err).NotTo(HaveOccurred())
	all := parts[len(parts)-1]
	g.Expect(all.verdict).To(Equal(report.All))

	s := &stand{}
	defer s.Close()
	g.Expect(s.addParts(d, []part{all})).To(Succeed())
	_, err = s.entries[0].program.run(20000)
	g.Expect(err).NotTo(HaveOccurred())

	all.verdicts[0] = "drop: multicast"
	_, err = s.entries[0].program.run(20000)
	g.Expect(err).To(MatchError(ContainSubstring("packets: want map[")))
}

// TestInstrumentRestoresEveryLength sees what the program gets: its last frame is
// the one whose turn it was, whatever lengths came before.
func TestInstrumentRestoresEveryLength(t *testing.T) {
	g := NewWithT(t)
	frames := []probe.Recorded{{Frame: bytes.Repeat([]byte{1}, 1514)}, {Frame: bytes.Repeat([]byte{2}, 14), Moves: true}, {Frame: bytes.Repeat([]byte{3}, 100)}}
	m, err := probe.NewMix(frames)
	g.Expect(err).NotTo(HaveOccurred(), "root is needed")
	defer m.Close()
	o, err := m.Alone(probe.Kept, 8192) // 8193 frames: the last is the third
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(o.Repetitions).To(Equal(uint64(8193)))
	at := len(o.Frame) - 100 // headers that the instrument alone moved may be in front
	g.Expect(at).To(BeElementOf(0, 32))
	g.Expect(o.Frame[:100]).To(Equal(frames[2].Frame))
}
