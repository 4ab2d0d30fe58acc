// SPDX-License-Identifier: Apache-2.0

package dataplane_test

import (
	"net/netip"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/dataplane/flow"
	"github.com/mizar-net/mizar/dataplane/state"
)

// Datagrams to a backend that its service has lost choose anew; connections, other
// services and the flow itself, whose late replies still come, stay.
func TestDatagramsLeaveALostBackend(t *testing.T) {
	g := NewWithT(t)
	m, h := newMemory()
	s, l, _ := ofTwo(g, m, h)
	end := func(s string) flow.End {
		a := netip.MustParseAddrPort(s)
		return flow.End{Addr: a.Addr(), Port: a.Port()}
	}
	view := func(protocol uint8, front, back string) (bpf.RowFlowKey, bpf.RowFlow) {
		key, side := flow.Key(7, protocol, end("10.0.0.2:4000"), end(front))
		put := bpf.RowFlow{Opener: uint8(side), Translation: uint8(bpf.RowTranslationTRANSLATION_TO), Addr: end(back).Addr.As16()}
		other, _ := flow.Key(0, 0, end(back), flow.End{Addr: end(back).Addr})
		put.Port = max(other.Port[0], other.Port[1])
		return key, put
	}
	service := func(protocol uint8, backends ...string) state.Service {
		one := state.Service{Name: map[uint8]string{6: "tcp", 17: "udp"}[protocol], VNI: 7, Protocol: protocol, Frontends: []netip.AddrPort{netip.MustParseAddrPort("172.20.0.1:80")}}
		for i, b := range backends {
			one.Backends, one.Table = append(one.Backends, netip.MustParseAddrPort(b)), append(one.Table, uint16(i))
		}
		return one
	}
	s.Services = []state.Service{service(6, "10.0.0.8:80", "10.0.0.9:80"), service(17, "10.0.0.8:80", "10.0.0.9:80")}
	_, err := h.Apply(s, l)
	g.Expect(err).NotTo(HaveOccurred())

	want := map[bpf.RowFlowKey]bpf.RowFlow{}
	for _, kept := range []struct {
		protocol    uint8
		front, back string
	}{{6, "172.20.0.1:80", "10.0.0.9:80"}, {17, "172.20.0.1:80", "10.0.0.8:80"}} {
		key, row := view(kept.protocol, kept.front, kept.back)
		if kept.protocol == 17 { // from another port
			key, _ = flow.Key(7, 17, end("10.0.0.2:4001"), end(kept.front))
		}
		want[key] = row
		g.Expect(m.flows.Put(key, row)).To(Succeed())
	}
	lost, row := view(17, "172.20.0.1:80", "10.0.0.9:80")
	g.Expect(m.flows.Put(lost, row)).To(Succeed())
	with, side := flow.Key(7, 17, end("10.0.0.2:4000"), end("10.0.0.9:80"))
	kept := bpf.RowFlow{Opener: uint8(side), Translation: uint8(bpf.RowTranslationTRANSLATION_FROM), Addr: end("172.20.0.1:80").Addr.As16(), Port: row.Port}
	want[with] = kept
	g.Expect(m.flows.Put(with, kept)).To(Succeed())

	s.Services = []state.Service{service(6, "10.0.0.8:80"), service(17, "10.0.0.8:80")}
	m.flows.Fail(0, 1)
	_, err = h.Apply(s, l)
	g.Expect(err).To(MatchError(ContainSubstring("delete row")))
	g.Expect(m.flows.All()).To(HaveKey(lost))
	_, err = h.Apply(s, l)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(m.flows.All()).To(Equal(want))
}
