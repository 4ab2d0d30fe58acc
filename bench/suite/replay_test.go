// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"bytes"
	"context"
	"net/netip"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/bench/report"
	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/capture"
	"github.com/mizar-net/mizar/sim/frame"
)

// recording is traffic of two foreign stations, and what no endpoint may send.
func recording(t *testing.T) capture.Capture {
	t.Helper()
	a, b := netip.MustParseAddr("192.168.7.1"), netip.MustParseAddr("192.168.7.2")
	group := netip.MustParseAddr("239.1.1.1")
	var c capture.Capture
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
	packets := map[string]int{}
	for _, p := range mix.Parts {
		packets[p.Verdict] = p.Packets
		g.Expect(p.Loads).To(HaveLen(2), p.Verdict)
	}
	g.Expect(packets).To(Equal(map[string]int{"send": 2, "drop: multicast": 1, report.All: 3}))
	g.Expect(mix.TooLong).To(Equal(1))
	g.Expect(mix.Sizes.Buckets).To(ContainElements(report.Bucket{Most: 64, Packets: 2}, report.Bucket{Most: 1024, Packets: 1}))

	var shown bytes.Buffer
	g.Expect(report.WriteMix(&shown, report.Machine{}, mix)).To(Succeed())
	g.Expect(shown.String()).To(And(ContainSubstring("drop: multicast"), ContainSubstring("1 longer than a frame")))

	_, err = Replay(context.Background(), capture.Capture{File: "empty.pcap"}, Plan{Loads: 1, Rounds: 1, Sample: 1})
	g.Expect(err).To(MatchError(ContainSubstring("empty.pcap: no packet")))
}
