// SPDX-License-Identifier: Apache-2.0

package run

import (
	"net/netip"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/sim/frame"
	"github.com/mizar-net/mizar/sim/trace"
	"github.com/mizar-net/mizar/sim/wire"
)

func tunnelled(t *testing.T, ttl uint8) []byte {
	t.Helper()
	b, err := frame.Build(frame.Spec{
		Kind: frame.UDP, Src: netip.MustParseAddr("10.0.0.2"), Dst: netip.MustParseAddr("10.0.0.3"), SrcPort: 1, DstPort: 7, TTL: ttl,
		Tunnel: &frame.Tunnel{Src: netip.MustParseAddr("192.0.2.1"), Dst: netip.MustParseAddr("192.0.2.2"), VNI: 100},
	})
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return b
}

// A frame that differs, and one that is missing, are told by their hop.
func TestFramesOfTwoWiresAreCompared(t *testing.T) {
	g := NewWithT(t)
	packet := func(ttl ...uint8) answer {
		p := wire.Packet{Delivered: true, To: "default/b", Hosts: []string{"h1", "h3", "h2"}, Hops: 2}
		for _, n := range ttl {
			p.Frames = append(p.Frames, tunnelled(t, n))
		}
		return answer{who: "wire", requests: []wire.Packet{p}}
	}
	fields := func(a, b answer) []string {
		var all []string
		for _, f := range (conversation{}).sameFrames(a, b).Failures {
			all = append(all, f.Field)
		}
		return all
	}
	g.Expect(fields(packet(64, 64), packet(64, 64))).To(BeEmpty())
	g.Expect(fields(packet(64, 64), packet(64, 63))).To(Equal([]string{"request 1, hop 2"}))
	g.Expect(fields(packet(64, 64), packet(64))).To(Equal([]string{"request 1, hop 2"}))
	g.Expect(fields(packet(64), answer{who: "other"})).To(Equal([]string{"requests", "way of the requests"}))
}

func TestRowsAreMetInOrder(t *testing.T) {
	g := NewWithT(t)
	stage := func(access, text string) trace.Stage {
		return trace.Stage{Name: "path", Map: "paths", Key: "vni 100 10.0.0.3", Access: access, Text: text}
	}
	packets := []trace.Packet{{Steps: []trace.Step{{Host: "h1", Stages: []trace.Stage{stage("miss", ""), stage("hit", "learned: host h2")}}}}}
	g.Expect(missed("w", packets, []string{"h1 path paths vni 100 10.0.0.3 miss", "h1 path paths vni 100 10.0.0.3 hit learned"})).To(BeEmpty())
	g.Expect(missed("w", packets, []string{"h1 path paths vni 100 10.0.0.3 hit", "h1 path paths vni 100 10.0.0.3 miss"})).To(HaveLen(1), "the order counts")
	g.Expect(missed("w", packets, []string{"h2 path paths"})[0].Note).To(ContainSubstring("learned: host h2"))
}
