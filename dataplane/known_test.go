// SPDX-License-Identifier: Apache-2.0

package dataplane_test

import (
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"pgregory.net/rapid"

	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/dataplane"
	"github.com/mizar-net/mizar/dataplane/flow"
	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/dataplane/table"
)

// contents are the rows of all tables of a host, by name.
func contents(t dataplane.Tables) map[string]any {
	all := map[string]any{}
	addRows(all, t.Hosts)
	addRows(all, t.VPCs)
	addRows(all, t.Subnets)
	addRows(all, t.Endpoints)
	addRows(all, t.Uplinks)
	addRows(all, t.Peers)
	addRows(all, t.PeerSlots)
	addRows(all, t.Locals)
	addRows(all, t.Ports)
	addRows(all, t.Directory)
	addRows(all, t.Routes)
	addRows(all, t.Paths)
	addRows(all, t.PolicySets)
	addRows(all, t.PolicyPeers)
	addRows(all, t.PolicyPrefixes)
	addRows(all, t.PolicyPorts)
	addRows(all, t.Services)
	addRows(all, t.Choices)
	addRows(all, t.Backends)
	addRows(all, t.Flows)
	addRows(all, t.Openings)
	return all
}

// epochs takes the epochs out of what tables hold, by host.
func epochs(of map[string]any) map[uint32]uint32 {
	all, rows := map[uint32]uint32{}, of["hosts"].(map[uint32]bpf.RowHost)
	for number, row := range rows {
		all[number], row.Epoch = row.Epoch, 0
		rows[number] = row
	}
	return all
}

// seen puts flows into tables as programs would: between endpoints of the host, which may
// move, and to a service.
func seen(t *rapid.T, into ...*memory) {
	for range rapid.IntRange(0, 3).Draw(t, "flows") {
		side := func(n int) flow.End { return flow.End{Addr: numbered(n), Port: 53} }
		from, to := rapid.IntRange(2, 10).Draw(t, "from"), rapid.IntRange(2, 10).Draw(t, "to")
		row := bpf.RowFlow{Quick: 1}
		for i := range row.End {
			row.End[i].Endpoint = uint16(rapid.IntRange(0, 3).Draw(t, "endpoint"))
		}
		other := side(to)
		if rapid.Bool().Draw(t, "of a service") {
			other.Addr = netip.AddrFrom4([4]byte{172, 20, 0, byte(to - 2)})
			row.Translation, row.Addr, row.Port = uint8(bpf.RowTranslationTRANSLATION_TO), numbered(to).As16(), 53<<8
		}
		key, opener := flow.Key(7, 17, side(from), other)
		row.Opener = uint8(opener)
		for _, m := range into {
			m.flows.FailPut = 0
			_ = m.flows.Put(key, row)
		}
	}
}

func addRows[K, V comparable](all map[string]any, t table.Table[K, V]) {
	all[t.Name()], _ = t.All() // a table in memory
}

// differing are the tables of which others hold something else.
func differing(of, others map[string]any) map[string]any {
	all := map[string]any{}
	for name, rows := range of {
		if !reflect.DeepEqual(rows, others[name]) {
			all[name] = rows
		}
	}
	return all
}

// drawn is a state of the host that others differ from in all that a state has.
func drawn(t *rapid.T) (state.Host, state.Local) {
	s, l := host()
	s.Peers = s.Peers[:rapid.IntRange(1, 2).Draw(t, "peers")]
	s.Peers[0].Down = rapid.Bool().Draw(t, "down")
	s.Subnets[0].Bouncer = rapid.SampledFrom([]state.Bouncer{state.Filling, state.Complete}).Draw(t, "bouncer")
	s.Directory = nil
	for _, n := range rapid.SliceOfNDistinct(rapid.IntRange(3, 7), 0, 3, rapid.ID).Draw(t, "directory") {
		s.Directory = append(s.Directory, state.Location{VNI: 7, Address: numbered(n), Subnet: "a", Host: rapid.SampledFrom([]string{"h1", "h2"}).Draw(t, "where")})
	}
	for _, n := range rapid.SliceOfNDistinct(rapid.IntRange(8, 10), 0, 2, rapid.ID).Draw(t, "endpoints") {
		e := s.Endpoints[0]
		e.Name, e.Addresses = fmt.Sprint("ns/", n), []netip.Addr{numbered(n)}
		s.Endpoints = append(s.Endpoints, e)
		l.Ports[e.Name] = uint32(100 + n)
	}
	for n := range rapid.IntRange(0, 3).Draw(t, "services") {
		one := state.Service{Name: fmt.Sprint("s", n), VNI: 7, Protocol: 17, Frontends: []netip.AddrPort{netip.AddrPortFrom(netip.AddrFrom4([4]byte{172, 20, 0, byte(n)}), 53)}}
		for b := range rapid.IntRange(0, 3).Draw(t, "backends") {
			one.Backends = append(one.Backends, netip.AddrPortFrom(numbered(b+2), 53))
			one.Table = slices.Concat(one.Table, slices.Repeat([]uint16{uint16(b)}, 20))
		}
		s.Services = append(s.Services, one)
	}
	for n := range rapid.IntRange(0, 2).Draw(t, "sets") {
		set := state.PolicySet{Name: fmt.Sprint("set", n), Direction: state.Ingress, Revision: rapid.StringMatching("[ab]").Draw(t, "revision"),
			Default: state.Judgement{Verdict: state.Deny, Rule: "deny"}}
		set.Peers = []state.PolicyPeer{{Identity: rapid.Uint32Range(20, 22).Draw(t, "peer"), Class: "all"}}
		s.Policy.Sets = append(s.Policy.Sets, set)
		s.Endpoints[0].Ingress = set.Name
	}
	s.Policy.Classes = []state.PortClass{{Name: "all", Ranges: []state.PortRange{{Last: 65535, Judgement: state.Judgement{Verdict: state.Accept, Rule: "all"}}}}}
	return s, l
}

func numbered(n int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, 0, byte(n)}) }

// A holder that remembers makes tables hold what one does that reads them every time,
// whatever writes fail in between; so do flows follow, and hosts of which something was
// forgotten age at least as much.
func TestARememberingHolderIsLikeOneThatReads(t *testing.T) {
	failed, succeeded, open := 0, 0, 0
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		m, remembers := newMemory()
		model, reads := newMemory()
		unlike := false // something has failed half way since the last success
		for range rapid.IntRange(2, 6).Draw(t, "states") {
			if !unlike {
				seen(t, m, model)
			}
			s, l := drawn(t)
			learned := numbered(rapid.IntRange(2, 8).Draw(t, "learned"))
			g.Expect(remembers.Learn(7, learned, "h2") == nil).To(Equal(reads.Learn(7, learned, "h2") == nil))
			for _, e := range s.Endpoints {
				if rapid.IntRange(0, 3).Draw(t, "leaves") == 0 {
					remembers.Leave([]string{e.Name})
					reads.Leave([]string{e.Name})
				}
			}
			m.fail(t)
			both := func(do func(*dataplane.Holder) (dataplane.Report, error)) {
				report, err := do(remembers)
				g.Expect(err == nil || errors.Is(err, table.ErrInjected)).To(BeTrue(), "%v", err)
				if report != nil {
					reads.Reread()
					_, err := do(reads)
					g.Expect(err).NotTo(HaveOccurred())
				}
				switch {
				case err == nil && report == nil: // nothing was applied yet
				case err == nil:
					succeeded++
					unlike = false
				case report != nil:
					open++
					unlike = true
				default:
					failed++
					unlike = unlike || strings.Contains(err.Error(), "half written") || strings.Contains(err.Error(), "do not follow")
				}
			}
			if rapid.IntRange(0, 5).Draw(t, "tended") == 0 {
				both((*dataplane.Holder).Mend)
			}
			both(func(h *dataplane.Holder) (dataplane.Report, error) { return h.Apply(s, l) })
			if unlike {
				continue
			}
			got, want := contents(m.others), contents(model.others)
			older := epochs(want)
			for number, epoch := range epochs(got) {
				g.Expect(epoch).To(BeNumerically(">=", older[number]), "epoch of host %d", number)
			}
			if !reflect.DeepEqual(got, want) {
				t.Fatalf("it holds %v, want %v", differing(got, want), differing(want, got))
			}
		}
	})
	if failed == 0 || succeeded == 0 || open == 0 {
		t.Fatalf("%d states failed, %d with steps to do, and %d succeeded: that shows nothing", failed, open, succeeded)
	}
}

// fail makes some writes to come fail, each table's count anew.
func (m *memory) fail(t *rapid.T) {
	m.peers.Fail(rapid.IntRange(0, 12).Draw(t, "peer row"), 0)
	m.ports.Fail(rapid.IntRange(0, 12).Draw(t, "port"), 0)
	m.directory.Fail(rapid.IntRange(0, 12).Draw(t, "put"), rapid.IntRange(0, 12).Draw(t, "delete"))
	m.sets.Fail(0, rapid.IntRange(0, 5).Draw(t, "set"))
	m.endpoints.Fail(0, rapid.IntRange(0, 5).Draw(t, "endpoint"))
	m.hosts.Fail(rapid.IntRange(0, 6).Draw(t, "host"), 0)
	m.flows.Fail(rapid.IntRange(0, 4).Draw(t, "flow"), rapid.IntRange(0, 4).Draw(t, "end of a flow"))
}

// unread is a table that must not be read as a whole.
type unread[K, V comparable] struct {
	table.Table[K, V]
	reads *int
}

func (u unread[K, V]) All() (map[K]V, error) {
	*u.reads++
	return u.Table.All()
}

// What is wanted as before is not read; what somebody else has written is mended when
// the host is tended, on the machine of last time.
func TestTablesAreReadWhenTended(t *testing.T) {
	g := NewWithT(t)
	m, _ := newMemory()
	tables, reads := m.others, 0
	tables.Hosts, tables.Ports = unread[uint32, bpf.RowHost]{&m.hosts, &reads}, unread[uint32, bpf.RowPort]{&m.ports, &reads}
	tables.Choices, tables.Paths = unread[uint32, bpf.RowChoices]{m.others.Choices, &reads}, unread[bpf.RowAddrKey, bpf.RowPath]{&m.paths, &reads}
	h := dataplane.NewHolder(tables)
	s, l := host()
	one := state.Service{Name: "s", VNI: 7, Protocol: 6, Frontends: []netip.AddrPort{netip.MustParseAddrPort("172.20.0.1:80")}}
	one.Backends, one.Table = []netip.AddrPort{netip.MustParseAddrPort("10.0.0.2:80"), netip.MustParseAddrPort("10.0.0.3:80")}, []uint16{1, 0}
	s.Services = []state.Service{one}
	_, err := h.Apply(s, l)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(reads).To(Equal(4), "nobody knows what was in there")

	whole := contents(m.others)
	g.Expect(m.ports.Put(77, bpf.RowPort{Endpoint: 9})).To(Succeed())
	g.Expect(m.others.Choices.Put(0, bpf.RowChoices{})).To(Succeed())
	g.Expect(m.directory.Delete(bpf.RowAddrKey{Vni: 7, Addr: numbered(3).As16()})).To(Succeed())
	g.Expect(h.Apply(s, l)).To(BeEmpty())
	g.Expect(reads).To(Equal(4))

	clear(l.Ports)
	h.Leave([]string{"ns/one"})
	g.Expect(h.Tend(0)).To(Equal(dataplane.Tended{Mended: dataplane.Report{"ports": {Deletes: 1}, "choices": {Puts: 1}, "directory": {Puts: 1}}}))
	g.Expect(contents(m.others)).To(Equal(whole))
	g.Expect(h.Tend(0)).To(Equal(dataplane.Tended{Mended: dataplane.Report{}}))
}
