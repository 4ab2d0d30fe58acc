// SPDX-License-Identifier: Apache-2.0

package testrun_test

import (
	"encoding/binary"
	"net/netip"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/sim/frame"
	"github.com/mizar-net/mizar/sim/wire"
	"github.com/mizar-net/mizar/sim/wire/testrun"
	"github.com/mizar-net/mizar/topology"
)

// apart puts h1 on another segment than the plan's h2 and h3: its addresses end
// in 1, theirs are the rest of the prefix. middle is what is between the routers.
func apart(mtu int) topology.Underlay {
	prefixes := func(texts ...string) (all []netip.Prefix) {
		for _, s := range texts {
			all = append(all, netip.MustParsePrefix(s))
		}
		return all
	}
	port := func(router, segment string, mtu int, addresses ...string) topology.RouterPort {
		return topology.RouterPort{Segment: segment, MAC: topology.RouterMAC(router, segment), MTU: mtu, Addresses: prefixes(addresses...)}
	}
	return topology.Underlay{
		Segments: []topology.Segment{
			{Name: "left", CIDRs: prefixes("192.0.2.0/31", "2001:db8::/127"), MTU: 1500},
			{Name: "middle", CIDRs: prefixes("198.51.100.0/30", "2001:db8:9::/64"), MTU: mtu},
			{Name: "right", CIDRs: prefixes("192.0.2.2/31", "2001:db8::2/127"), MTU: 1500},
		},
		Routers: []topology.Router{
			{Name: "r1", Ports: []topology.RouterPort{
				port("r1", "left", 1500, "192.0.2.0/31", "2001:db8::/127"), port("r1", "middle", mtu, "198.51.100.1/30", "2001:db8:9::1/64")}},
			{Name: "r2", Ports: []topology.RouterPort{
				port("r2", "middle", mtu, "198.51.100.2/30", "2001:db8:9::2/64"), port("r2", "right", 1500, "192.0.2.4/31", "2001:db8::4/127")}},
		},
	}
}

func routed(t *testing.T, mtu int, family int) *testrun.Wire {
	t.Helper()
	states := sameSubnet.states()
	for i := range states {
		keep := family / 6 // addresses are v4, v6
		states[i].Addresses = states[i].Addresses[keep : keep+1]
	}
	w := testrun.New(pool.Make)
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	w.Ground(apart(mtu))
	NewWithT(t).Expect(w.Apply(t.Context(), states)).To(Succeed())
	return w
}

func TestRoutersTakeATTLAndRewriteMACs(t *testing.T) {
	for _, family := range []int{4, 6} {
		g := NewWithT(t)
		w := routed(t, 1500, family)
		from, to := sameSubnet.endpoint("red/h1-a-10"), sameSubnet.endpoint("red/h3-a-11")
		out, err := w.Probe(t.Context(), wire.Probe{Proto: wire.UDP, From: from.Name, To: to.Addresses[0], Port: 7, Count: 2})
		g.Expect(err).NotTo(HaveOccurred())
		last := out.Requests[1]
		g.Expect(last.Delivered).To(BeTrue())
		g.Expect(last.Hosts).To(Equal([]string{"h1", "h3"}))
		sent, err := frame.Decode(last.Frames[0])
		g.Expect(err).NotTo(HaveOccurred())
		arrived, err := frame.Decode(last.Steps[1].In)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(frame.VerifyChecksums(last.Steps[1].In)).To(Succeed())
		g.Expect(sent.OuterTTL).To(BeEquivalentTo(64))
		g.Expect(arrived.OuterTTL).To(BeEquivalentTo(62), "two routers")
		g.Expect(sent.OuterDstMAC).To(Equal(topology.RouterMAC("r1", "left")))
		g.Expect(arrived.OuterSrcMAC).To(Equal(topology.RouterMAC("r2", "right")))
		sent.OuterTTL, sent.OuterSrcMAC, sent.OuterDstMAC = arrived.OuterTTL, arrived.OuterSrcMAC, arrived.OuterDstMAC
		g.Expect(arrived).To(Equal(sent), "and nothing else is changed")
	}
}

// What a link on the way does not carry comes back as an error to the host that
// has sent it, from the router's address on that host's side.
func TestRoutersRefuseWhatALinkDoesNotCarry(t *testing.T) {
	for _, c := range []struct {
		family, kind, code, word int
		router                   string
	}{
		{4, 3, 4, 1400, "192.0.2.0"},
		{6, 2, 0, 1400, "2001:db8::"},
	} {
		g := NewWithT(t)
		w := routed(t, 1400, c.family)
		from, to := sameSubnet.endpoint("red/h1-a-10"), sameSubnet.endpoint("red/h3-a-11")
		probe := wire.Probe{Proto: wire.ICMP, From: from.Name, To: to.Addresses[0]}
		_, err := w.Probe(t.Context(), probe)
		g.Expect(err).NotTo(HaveOccurred())
		probe.Size = 1340
		out, err := w.Probe(t.Context(), probe)
		g.Expect(err).NotTo(HaveOccurred())
		lost := out.Requests[0]
		g.Expect(lost.Delivered).To(BeFalse())
		g.Expect(lost.Hosts).To(Equal([]string{"h1"}))
		g.Expect(lost.Steps).To(HaveLen(2), "the endpoint's program, and the uplink's that gets the notice")
		notice := lost.Steps[1]
		g.Expect(notice.Host).To(Equal("h1"))
		g.Expect(notice.Program).To(Equal("uplink"))
		g.Expect(notice.Verdict).To(Equal("pass"))
		g.Expect(frame.VerifyChecksums(notice.In)).To(Succeed())
		p, err := frame.Decode(notice.In)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(p.Inner.Src).To(Equal(netip.MustParseAddr(c.router)))
		ip := 14 + 20
		if c.family == 6 {
			ip = 14 + 40
		}
		g.Expect([]int{int(notice.In[ip]), int(notice.In[ip+1])}).To(Equal([]int{c.kind, c.code}))
		g.Expect(binary.BigEndian.Uint32(notice.In[ip+4:])).To(BeEquivalentTo(c.word))
		g.Expect(notice.In[ip+8:]).To(Equal(lost.Frames[0][14:][:len(notice.In)-ip-8]), "it quotes what was sent")
	}
}

func TestWithoutARouterThereIsNoWay(t *testing.T) {
	g := NewWithT(t)
	u := apart(1500)
	u.Routers = nil
	states := sameSubnet.states()
	for i := range states {
		states[i].Addresses = states[i].Addresses[:1]
	}
	w := testrun.New(pool.Make)
	t.Cleanup(func() { g.Expect(w.Close()).To(Succeed()) })
	w.Ground(u)
	g.Expect(w.Apply(t.Context(), states)).To(Succeed())
	out, err := w.Probe(t.Context(), wire.Probe{
		Proto: wire.ICMP, From: "red/h1-a-10", To: sameSubnet.endpoint("red/h3-a-11").Addresses[0],
	})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(out.Requests[0].Reason).To(Equal("no_bouncer"), "the only bouncer is on the other side")
}
