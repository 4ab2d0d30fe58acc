// SPDX-License-Identifier: Apache-2.0

package dataplane_test

import (
	"net/netip"
	"slices"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/dataplane"
	"github.com/mizar-net/mizar/dataplane/encode"
	"github.com/mizar-net/mizar/dataplane/flow"
	"github.com/mizar-net/mizar/dataplane/state"
)

// Whatever learned paths are judged by, a change of it alone makes Apply look at them.
func TestPathsAreJudgedAgainWhenTheirJudgesChange(t *testing.T) {
	far, near := bpf.RowAddrKey{Vni: 7, Addr: netip.MustParseAddr("10.0.9.9").As16()}, bpf.RowAddrKey{Vni: 7, Addr: numbered(3).As16()}
	for _, c := range []struct {
		name   string
		key    bpf.RowAddrKey
		change func(*state.Host)
	}{
		{"the directory", near, func(s *state.Host) { s.Directory[1].Host = "h3" }},
		{"where an endpoint of the directory is", near, func(s *state.Host) { s.Directory[1].Generation = 5 }},
		{"endpoints of this host", near, func(s *state.Host) {
			more := s.Endpoints[0]
			more.Name, more.Addresses = "ns/two", []netip.Addr{numbered(3)}
			s.Endpoints, s.Directory = append(s.Endpoints, more), s.Directory[:1]
		}},
		{"VPCs", far, func(s *state.Host) { s.VPCs, s.Subnets, s.Endpoints, s.Directory = nil, nil, nil, nil }},
		{"what of a subnet is known", near, func(s *state.Host) { s.Subnets[0].Bouncer, s.Directory = state.Complete, s.Directory[:1] }},
		{"hosts", far, func(s *state.Host) { s.Peers = s.Peers[1:] }},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			m, h := newMemory()
			s, l := host()
			l.Ports["ns/two"] = 101
			s.Subnets[0].Bouncer = state.Filling
			switch c.name {
			case "endpoints of this host":
				s.Subnets[0].Bouncer, s.Directory = state.NoBouncer, s.Directory[:1]
			case "hosts":
				s.Subnets[0].Bouncers, s.Directory = []string{"h1"}, s.Directory[:1]
			}
			_, err := h.Apply(s, l)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(m.paths.Put(c.key, path(1))).To(Succeed(), "as a program does")
			g.Expect(h.Apply(s, l)).To(BeEmpty())

			next := s
			next.Subnets, next.Directory = slices.Clone(s.Subnets), slices.Clone(s.Directory)
			c.change(&next)
			_, err = h.Apply(next, l)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(m.paths.All()).To(BeEmpty())
		})
	}
}

// What follows the writing of rows, and fails, is done by the next Apply before it changes
// anything, or when the host is tended.
func TestStepsThatFailedAreTakenLater(t *testing.T) {
	later := map[string]func(*dataplane.Holder, state.Host, state.Local) error{
		"by the next Apply": func(h *dataplane.Holder, s state.Host, l state.Local) error { _, err := h.Apply(s, l); return err },
		"by Tend":           func(h *dataplane.Holder, _ state.Host, _ state.Local) error { _, err := h.Tend(0); return err },
	}
	for name, take := range later {
		t.Run("another epoch, "+name, func(t *testing.T) {
			g := NewWithT(t)
			m, h := newMemory()
			s, l := host()
			_, err := h.Apply(s, l)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(m.paths.Put(encode.Addr(7, numbered(3)), path(2))).To(Succeed())
			epoch := func() uint32 { row, _, _ := m.hosts.Lookup(2); return row.Epoch }
			before := epoch()
			s.Directory = s.Directory[:1]
			m.hosts.Fail(1, 0)
			report, err := h.Apply(s, l)
			g.Expect(err).To(MatchError(ContainSubstring("apply again: write row 2 of map hosts")))
			g.Expect(report).To(Equal(dataplane.Report{"directory": {Deletes: 1}, "paths": {Deletes: 1}}))
			g.Expect(epoch()).To(Equal(before))
			g.Expect(take(h, s, l)).To(Succeed())
			g.Expect(epoch()).To(Equal(before + 1))
			g.Expect(take(h, s, l)).To(Succeed())
			g.Expect(epoch()).To(Equal(before+1), "once")
		})
		t.Run("an endpoint that has moved, "+name, func(t *testing.T) {
			g := NewWithT(t)
			m, h := newMemory()
			s, l, numbers := ofTwo(g, m, h)
			key, _ := flow.Key(7, 6, flow.End{Addr: numbered(2), Port: 1}, flow.End{Addr: numbered(9), Port: 2})
			row := bpf.RowFlow{Quick: 1}
			row.End[0].Endpoint, row.End[1].Endpoint = uint16(numbers[100]), uint16(numbers[101])
			g.Expect(m.flows.Put(key, row)).To(Succeed())
			h.Leave([]string{"ns/two"})
			_, err := h.Tend(0)
			g.Expect(err).NotTo(HaveOccurred())
			whole := s
			s.Endpoints = s.Endpoints[:1]
			m.flows.Fail(1, 0)
			_, err = h.Apply(s, l)
			g.Expect(err).To(MatchError(ContainSubstring("flows do not follow")))
			if name == "by the next Apply" {
				more := whole.Endpoints[1]
				more.Name = "ns/three" // gets the number
				s.Endpoints, l.Ports["ns/three"] = append(s.Endpoints[:1:1], more), 102
			}
			g.Expect(take(h, s, l)).To(Succeed())
			got, _, _ := m.flows.Lookup(key)
			g.Expect(got.End[1].Endpoint).To(BeZero())
			g.Expect(got).To(And(HaveField("Quick", BeZero()), HaveField("End", HaveExactElements(HaveField("Endpoint", uint16(numbers[100])), BeZero()))))
		})
	}
}
