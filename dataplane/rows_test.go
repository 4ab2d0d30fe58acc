// SPDX-License-Identifier: Apache-2.0

package dataplane_test

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/dataplane"
	"github.com/mizar-net/mizar/dataplane/encode"
	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/dataplane/table"
)

// memory are Go maps in the place of the kernel's.
type memory struct {
	hosts     table.Memory[uint32, bpf.RowHost]
	endpoints table.Memory[uint32, bpf.RowEndpoint]
	directory table.Memory[bpf.RowAddrKey, bpf.RowLocation]
	routes    table.Memory[bpf.RowPrefixKey, bpf.RowRoute]
	ports     table.Memory[uint32, bpf.RowPort]
	peers     table.Memory[bpf.RowUnderlayKey, bpf.RowPeer]
	paths     table.Memory[bpf.RowAddrKey, bpf.RowPath]
	sets      table.Memory[uint32, bpf.RowPolicySet]
	flows     table.Memory[bpf.RowFlowKey, bpf.RowFlow]
	openings  table.Memory[bpf.RowFlowKey, bpf.RowFlow]
	others    dataplane.Tables
}

func newMemory() (*memory, *dataplane.Holder) {
	m := &memory{}
	m.hosts.Title, m.endpoints.Title, m.directory.Title = "hosts", "endpoints", "directory"
	m.routes.Title, m.ports.Title, m.peers.Title, m.paths.Title = "routes", "ports", "peers", "paths"
	m.others = dataplane.Tables{
		Hosts: &m.hosts, Endpoints: &m.endpoints, Directory: &m.directory, Routes: &m.routes,
		Ports: &m.ports, Peers: &m.peers, Paths: &m.paths,
		VPCs:      &table.Memory[uint32, bpf.RowVpc]{Title: "vpcs"},
		Subnets:   &table.Memory[uint32, bpf.RowSubnet]{Title: "subnets"},
		Uplinks:   &table.Memory[uint32, bpf.RowUplink]{Title: "uplinks"},
		PeerSlots: &table.Memory[uint32, bpf.RowPeerSlot]{Title: "peer_slots"},
		Locals:    &table.Memory[bpf.RowAddrKey, bpf.RowLocal]{Title: "locals"},

		PolicySets:     &m.sets,
		PolicyPeers:    &table.Memory[bpf.RowPolicyPeerKey, bpf.RowJudgement]{Title: "policy_peers"},
		PolicyPrefixes: &table.Memory[bpf.RowPolicyPrefixKey, bpf.RowJudgement]{Title: "policy_prefixes"},
		PolicyPorts:    &table.Memory[bpf.RowPolicyPortKey, bpf.RowJudgement]{Title: "policy_ports"},
		Services:       &table.Memory[bpf.RowServiceKey, bpf.RowService]{Title: "services"},
		Choices:        &table.Memory[uint32, bpf.RowChoices]{Title: "choices"},
		Backends:       &table.Memory[uint32, bpf.RowBackend]{Title: "backends"},
		Flows:          &m.flows,
		Openings:       &m.openings,
		Shares:         &table.Memory[uint32, bpf.RowShare]{Title: "shares"},
	}
	return m, dataplane.NewHolder(m.others)
}

func TestAddingAnEndpointWritesOnlyItsOwnRows(t *testing.T) {
	g := NewWithT(t)
	_, h := newMemory()
	s, l := host()
	_, err := h.Apply(s, l)
	g.Expect(err).NotTo(HaveOccurred())

	added := s.Endpoints[0]
	added.Name, added.Addresses = "ns/two", []netip.Addr{netip.MustParseAddr("10.0.0.9")}
	s.Endpoints = append(s.Endpoints, added)
	s.Directory = append(s.Directory, state.Location{VNI: 7, Address: added.Addresses[0], Subnet: "a", Host: "h1"})
	l.Ports["ns/two"] = 101
	report, err := h.Apply(s, l)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(report).To(Equal(dataplane.Report{
		"endpoints": {Puts: 1}, "locals": {Puts: 1}, "ports": {Puts: 1}, "directory": {Puts: 1},
	}))
}

func TestAnyFailingWriteIsUndone(t *testing.T) {
	for _, c := range []struct {
		name string
		plan func(*memory)
	}{
		{"first host", func(m *memory) { m.hosts.FailPut = 1 }},
		{"last host", func(m *memory) { m.hosts.FailPut = 3 }},
		{"peer", func(m *memory) { m.peers.FailPut = 2 }},
		{"full directory", func(m *memory) { m.directory.Capacity = 1 }},
		{"route", func(m *memory) { m.routes.FailPut = 1 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			m, h := newMemory()
			c.plan(m)
			s, l := host()
			_, err := h.Apply(s, l)
			var small *table.TooSmall
			g.Expect(errors.Is(err, table.ErrInjected) || errors.As(err, &small)).To(BeTrue(), "%v", err)
			g.Expect(m.hosts.All()).To(BeEmpty())
			g.Expect(m.peers.All()).To(BeEmpty())
			g.Expect(m.directory.All()).To(BeEmpty())
			g.Expect(m.ports.All()).To(BeEmpty())

			m.directory.Capacity = 0
			_, err = h.Apply(s, l)
			g.Expect(err).NotTo(HaveOccurred(), "the next Apply repairs it")
			again, err := h.Apply(s, l)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(again.Rows()).To(BeZero())
		})
	}
}

func TestAFailingDeleteBringsEverythingBack(t *testing.T) {
	g := NewWithT(t)
	m, h := newMemory()
	s, l := host()
	_, err := h.Apply(s, l)
	g.Expect(err).NotTo(HaveOccurred())
	before, _ := m.directory.All()
	known := encode.Addr(7, netip.MustParseAddr("10.0.7.7"))
	g.Expect(m.paths.Put(known, path(2))).To(Succeed())

	m.hosts.FailDelete = 1
	smaller := s
	smaller.Peers, smaller.Directory = s.Peers[:1], s.Directory[:1]
	_, err = h.Apply(smaller, l)
	g.Expect(err).To(MatchError(table.ErrInjected))
	g.Expect(m.directory.All()).To(Equal(before))
	g.Expect(m.paths.All()).To(HaveKey(known))

	report, err := h.Apply(s, l)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(report.Rows()).To(BeZero())
}

const learned = uint8(bpf.RowPathStatePATH_LEARNED)

func path(host uint32) bpf.RowPath { return bpf.RowPath{Host: host, State: learned} }

// A bouncer that is still filling does not know what is not there.
func TestAFillingBouncerContradictsOnlyWhatItKnows(t *testing.T) {
	g := NewWithT(t)
	m, h := newMemory()
	s, l := host()
	s.Subnets[0].Bouncer = state.Filling
	unknown, moved := encode.Addr(7, netip.MustParseAddr("10.0.0.77")), encode.Addr(7, netip.MustParseAddr("10.0.0.3"))
	g.Expect(m.paths.Put(unknown, path(1))).To(Succeed())
	g.Expect(m.paths.Put(moved, path(2))).To(Succeed())
	_, err := h.Apply(s, l)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(m.paths.All()).To(And(HaveKey(unknown), Not(HaveKey(moved))))
}

func TestADetectorsChangeWritesOneRowOfHosts(t *testing.T) {
	g := NewWithT(t)
	m, h := newMemory()
	s, l := host()
	_, err := h.Apply(s, l)
	g.Expect(err).NotTo(HaveOccurred())
	for _, down := range []bool{true, false} {
		s.Peers[1].Down = down
		report, err := h.Apply(s, l)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(report).To(Equal(dataplane.Report{"hosts": {Puts: 1}}))
		row, _, err := m.hosts.Lookup(2)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(row.Down == 1).To(Equal(down))
	}
}

// hosts is what both sides of the hosts table have in common.
type hosts interface {
	Lookup(key uint32) (bpf.RowHost, bool, error)
	Put(key uint32, row bpf.RowHost) error
}

// keepsFoundMTU lets a program lower the MTU of host h3, and states follow.
func keepsFoundMTU(t *testing.T, table hosts, apply func(state.Host, state.Local) (dataplane.Report, error)) {
	g := NewWithT(t)
	s, l := host()
	_, err := apply(s, l)
	g.Expect(err).NotTo(HaveOccurred())
	lowered, _, err := table.Lookup(2)
	g.Expect(err).NotTo(HaveOccurred())
	lowered.Mtu, lowered.Lowered = 1300, 77
	g.Expect(table.Put(2, lowered)).To(Succeed())

	g.Expect(apply(s, l)).To(BeEmpty(), "nothing to write")
	s.Peers[1].Down = true
	g.Expect(apply(s, l)).To(Equal(dataplane.Report{"hosts": {Puts: 1}}))
	row, _, err := table.Lookup(2)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(row).To(And(HaveField("Mtu", BeEquivalentTo(1300)), HaveField("Lowered", BeEquivalentTo(77)), HaveField("Down", BeEquivalentTo(1))))

	s.MTU = 1400
	_, err = apply(s, l)
	g.Expect(err).NotTo(HaveOccurred())
	row, _, err = table.Lookup(2)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(row).To(And(HaveField("Mtu", BeEquivalentTo(1400)), HaveField("Lowered", BeZero())), "another link")

	row.Mtu, row.Lowered = 1300, 78
	g.Expect(table.Put(2, row)).To(Succeed())
	moved := netip.MustParseAddr("192.0.2.9")
	s.Peers[1].Addresses, l.NextHops[moved] = []netip.Addr{moved}, state.MAC{2, 1, 0, 0, 0, 9}
	_, err = apply(s, l)
	g.Expect(err).NotTo(HaveOccurred())
	row, _, err = table.Lookup(2)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(row).To(And(HaveField("Mtu", BeEquivalentTo(1400)), HaveField("Lowered", BeZero())), "another way")
}

func TestWhatAProgramFoundOfAnMTUStays(t *testing.T) {
	m, h := newMemory()
	keepsFoundMTU(t, &m.hosts, h.Apply)
}

func TestPathsAreSweptAfterAnHour(t *testing.T) {
	g := NewWithT(t)
	m, _ := newMemory()
	now := 100 * time.Hour
	at := func(n byte, row bpf.RowPath, age time.Duration) bpf.RowAddrKey {
		key := bpf.RowAddrKey{Vni: 7, Addr: netip.AddrFrom4([4]byte{10, 0, 0, n}).As16()}
		row.Since = uint64(now - age)
		g.Expect(m.paths.Put(key, row)).To(Succeed())
		return key
	}
	young, old := at(1, path(1), dataplane.PathAge), at(2, path(1), dataplane.PathAge+1)
	local := at(3, bpf.RowPath{Host: 1, State: uint8(bpf.RowPathStatePATH_LOCAL)}, 50*time.Hour)
	asked := at(4, bpf.RowPath{State: uint8(bpf.RowPathStatePATH_ASKED)}, 50*time.Hour)
	g.Expect(dataplane.Sweep(&m.paths, &m.hosts, now)).To(Equal(1))
	g.Expect(m.paths.All()).To(And(HaveLen(3), HaveKey(young), HaveKey(local), HaveKey(asked), Not(HaveKey(old))))
	g.Expect(dataplane.Sweep(&m.paths, &m.hosts, now)).To(BeZero())
}

func TestApplyRemovesPathsThatTheStateContradicts(t *testing.T) {
	s, l := host()
	for _, c := range []struct {
		name, address string
		vni           uint32
		row           bpf.RowPath
		kept          bool
	}{
		{"of another subnet", "10.0.9.9", 7, path(2), true},
		{"as the directory says", "10.0.0.3", 7, path(1), true},
		{"the directory says otherwise", "10.0.0.3", 7, path(2), false},
		{"of the address's last user", "10.0.0.3", 7, bpf.RowPath{Host: 1, State: learned, Generation: 9}, false},
		{"the directory has no such endpoint", "10.0.0.77", 7, path(1), false},
		{"asked, not learned", "10.0.0.77", 7, bpf.RowPath{State: uint8(bpf.RowPathStatePATH_ASKED)}, true},
		{"it lives here", "10.0.0.2", 7, path(1), false},
		{"the host is gone", "10.0.9.9", 7, path(9), false},
		{"the VPC is not served here", "10.0.9.9", 8, path(1), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			m, h := newMemory()
			key := encode.Addr(c.vni, netip.MustParseAddr(c.address))
			g.Expect(m.paths.Put(key, c.row)).To(Succeed())
			_, err := h.Apply(s, l)
			g.Expect(err).NotTo(HaveOccurred())
			_, kept, err := m.paths.Lookup(key)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(kept).To(Equal(c.kept))
		})
	}
}

func TestReachWritesOnlyTheHostsThatDiffer(t *testing.T) {
	g := NewWithT(t)
	m, h := newMemory()
	s, l := host()
	_, err := h.Reach(l)
	g.Expect(err).To(MatchError(ContainSubstring("apply one first")))
	_, err = h.Apply(s, l)
	g.Expect(err).NotTo(HaveOccurred())
	far := encode.Addr(7, netip.MustParseAddr("10.0.9.9"))
	g.Expect(m.paths.Put(far, path(2))).To(Succeed())

	lowered, _, err := m.hosts.Lookup(1)
	g.Expect(err).NotTo(HaveOccurred())
	lowered.Mtu, lowered.Lowered = 1300, 77
	g.Expect(m.hosts.Put(1, lowered)).To(Succeed())
	h2, h3 := netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("192.0.2.3")
	l.NextHops[h2] = state.MAC{2, 0xaa}
	report, err := h.Reach(l)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(report).To(Equal(dataplane.Report{"hosts": {Puts: 1}}))
	row, ok, err := m.hosts.Lookup(1)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(ok).To(BeTrue())
	g.Expect(row.NextHop.Octet).To(BeEquivalentTo(state.MAC{2, 0xaa}))
	g.Expect(row).To(And(HaveField("Mtu", BeEquivalentTo(1300)), HaveField("Lowered", BeEquivalentTo(77))), "what a program found stays")

	delete(l.NextHops, h3)
	report, err = h.Reach(l)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(report).To(Equal(dataplane.Report{"hosts": {Deletes: 1}}))
	report, err = h.Reach(l)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(report).To(BeEmpty(), "the same a second time")
	_, err = h.Apply(s, l)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(m.paths.All()).To(HaveKey(far), "a host that cannot be reached for a while is no reason to forget")
}

// A default route that comes later, or another one, is the way to the outside.
func TestReachFollowsTheWayToTheOutside(t *testing.T) {
	g := NewWithT(t)
	m, h := newMemory()
	s, l := host()
	s.Outside = []state.OutsideService{{
		Name: "ns/web:80/4/outside", VNI: 7, Protocol: 6, Frontends: []netip.AddrPort{netip.MustParseAddrPort("203.0.113.1:80")},
	}}
	_, err := h.Apply(s, l)
	g.Expect(err).NotTo(HaveOccurred())
	own, _, err := m.others.Uplinks.Lookup(0)
	g.Expect(err).NotTo(HaveOccurred())
	way := uint32(own.Outside[0])
	g.Expect(way).NotTo(BeZero())
	g.Expect(m.hosts.All()).NotTo(HaveKey(way))
	for _, mac := range []state.MAC{{2, 0xaa}, {2, 0xbb}} {
		l.Outside = map[netip.Addr]state.MAC{netip.IPv4Unspecified(): mac}
		report, err := h.Reach(l)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(report).To(Equal(dataplane.Report{"hosts": {Puts: 1}}))
		row, _, err := m.hosts.Lookup(way)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(row.NextHop.Octet).To(BeEquivalentTo(mac))
	}
}

func TestWhatIsLearnedFromOutsideIsJudgedAsAnyPath(t *testing.T) {
	g := NewWithT(t)
	m, h := newMemory()
	s, l := host()
	s.Subnets[0].Bouncer, s.Directory = state.NoBouncer, nil
	_, err := h.Apply(s, l)
	g.Expect(err).NotTo(HaveOccurred())
	far := netip.MustParseAddr("10.0.0.9")

	g.Expect(h.Learn(7, far, "h3")).To(Succeed())
	paths, err := m.paths.All()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(paths).To(HaveKeyWithValue(bpf.RowAddrKey{Vni: 7, Addr: far.As16()},
		bpf.RowPath{Host: 2, State: uint8(bpf.RowPathStatePATH_LEARNED)}))
	g.Expect(h.Learn(7, far, "h9")).To(MatchError(ContainSubstring("h9: the host is not among the peers")))

	s.Peers = s.Peers[:1]
	_, err = h.Apply(s, l)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(m.paths.All()).To(BeEmpty(), "its host is gone")
}
