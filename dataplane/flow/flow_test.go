// SPDX-License-Identifier: Apache-2.0

package flow_test

import (
	"net/netip"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/dataplane/encode"
	"github.com/mizar-net/mizar/dataplane/flow"
	"github.com/mizar-net/mizar/dataplane/table"
)

type memory struct {
	flows, openings table.Memory[bpf.RowFlowKey, bpf.RowFlow]
	shares          table.Memory[uint32, bpf.RowShare]
}

func (m *memory) tables() flow.Tables {
	return flow.Tables{Flows: &m.flows, Openings: &m.openings, Shares: &m.shares}
}

const udp = 17

// key is that of a flow between two ports.
func key(protocol uint8, port uint16) bpf.RowFlowKey {
	k, _ := flow.Key(7, protocol, flow.End{Addr: netip.MustParseAddr("10.0.0.2"), Port: port}, flow.End{Addr: netip.MustParseAddr("10.0.0.3"), Port: 80})
	return k
}

func TestKeysAreTheSameInBothDirections(t *testing.T) {
	g := NewWithT(t)
	for _, ends := range [][2]flow.End{
		{{Addr: netip.MustParseAddr("10.0.0.2"), Port: 1}, {Addr: netip.MustParseAddr("10.0.0.3"), Port: 2}},
		{{Addr: netip.MustParseAddr("fd00::2:0:0:1"), Port: 1}, {Addr: netip.MustParseAddr("fd00::1:0:0:2"), Port: 2}},
		{{Addr: netip.MustParseAddr("10.0.0.2"), Port: 1}, {Addr: netip.MustParseAddr("10.0.0.2"), Port: 2}},
	} {
		there, a := flow.Key(7, udp, ends[0], ends[1])
		back, b := flow.Key(7, udp, ends[1], ends[0])
		g.Expect(back).To(Equal(there))
		g.Expect(a + b).To(BeEquivalentTo(1))
		g.Expect(flow.Ends(there)).To(Equal([2]flow.End{ends[a], ends[b]}), "and may be read back")
		other, _ := flow.Key(8, udp, ends[0], ends[1])
		g.Expect(other).NotTo(Equal(there), "another VPC")
	}
}

// Every state has its time, and a flow goes when that is up and not before.
func TestFlowsGoWhenTheirTimeIsUp(t *testing.T) {
	const seen = 1000
	for _, protocol := range []uint8{1, 6, 17, 58, 132} {
		for state := bpf.RowFlowStateFLOW_OPENING; state <= bpf.RowFlowStateFLOW_CUT; state++ {
			g := NewWithT(t)
			m := &memory{}
			g.Expect(m.flows.Put(key(protocol, 1), bpf.RowFlow{Seen: seen, State: uint8(state)})).To(Succeed())
			g.Expect(m.openings.Put(key(protocol, 2), bpf.RowFlow{Seen: seen, State: uint8(state)})).To(Succeed())
			lasts := flow.Timeout(protocol, state)
			g.Expect(lasts).To(BeNumerically(">=", 10*time.Second))
			g.Expect(flow.Collect(t.Context(), m.tables(), seen*time.Second+lasts)).To(Equal(flow.Collected{Flows: flow.Count{Left: 1}, Openings: flow.Count{Left: 1}}))
			g.Expect(flow.Collect(t.Context(), m.tables(), seen*time.Second+lasts+1)).To(Equal(flow.Collected{Flows: flow.Count{Removed: 1}, Openings: flow.Count{Removed: 1}}))
			g.Expect(m.flows.All()).To(BeEmpty())
		}
	}
}

// Shares are what is there, whatever was counted.
func TestSharesAreCountedAgain(t *testing.T) {
	g := NewWithT(t)
	m := &memory{}
	for n := range uint16(5) {
		g.Expect(m.flows.Put(key(udp, n), bpf.RowFlow{Seen: 1000, Charged: n%2 + 1, State: uint8(bpf.RowFlowStateFLOW_ESTABLISHED)})).To(Succeed())
	}
	g.Expect(m.shares.Put(2, bpf.RowShare{Flows: 40})).To(Succeed())
	g.Expect(m.shares.Put(3, bpf.RowShare{Flows: 1})).To(Succeed())
	g.Expect(m.shares.Put(4, bpf.RowShare{Flows: -2})).To(Succeed(), "flows that came have gone")
	m.flows.Capacity = 20
	c, err := flow.Collect(t.Context(), m.tables(), 1001*time.Second)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(c.Removed()).To(BeZero())
	g.Expect(c.Full()).To(Equal(0.25))
	for number, want := range map[uint32]int32{1: 3, 2: 2, 3: 0, 4: 0} {
		row, _, err := m.shares.Lookup(number)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(row.Flows).To(Equal(want), "endpoint %d", number)
	}
}

// A flow has the numbers of the host that it is at; what that host does not know is
// judged again.
func TestFlowsAreRenumberedOnTheWay(t *testing.T) {
	g := NewWithT(t)
	from, dest := &memory{}, &memory{}
	row := bpf.RowFlow{
		Seen: 1000, Tick: 5, Opener: 1, State: uint8(bpf.RowFlowStateFLOW_ESTABLISHED), Quick: 3, Charged: 4,
		Set: [2]uint32{70, 71}, Rule: [2]uint32{8, 9},
	}
	row.End[0].Endpoint, row.End[0].Identity, row.End[0].Generation = 4, 100, 3
	row.End[1].Endpoint, row.End[1].Host, row.End[1].Epoch, row.End[1].Identity = 0, 6, 2, 101
	g.Expect(from.flows.Put(key(udp, 1), row)).To(Succeed())
	other := row
	other.End[0].Endpoint = 5
	g.Expect(from.openings.Put(key(udp, 2), other)).To(Succeed())

	before := encode.Index{
		Endpoints: map[string]uint32{"moves": 4, "stays": 5},
		Sets:      map[string]uint32{"out\x001": 70, "in\x001": 71}, Rules: map[string]uint32{"a": 8, "b": 9},
	}
	after := encode.Index{
		Endpoints: map[string]uint32{"moves": 40}, Sets: map[string]uint32{"in\x001": 710}, Rules: map[string]uint32{"b": 90},
	}
	rows, err := flow.Export(from.tables(), before, []string{"moves", "unheard-of"})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(rows).To(HaveLen(1))
	g.Expect(flow.Import(dest.tables(), after, rows)).To(Equal(1))
	got, there, err := dest.flows.Lookup(key(udp, 1))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(there).To(BeTrue())
	want := row
	want.Tick, want.Charged, want.Set, want.Rule = 0, 40, [2]uint32{^uint32(0), 710}, [2]uint32{0, 90}
	want.End[0].Endpoint = 40
	want.End[1].Host, want.End[1].Epoch = 0, 0
	g.Expect(got).To(Equal(want))

	got.State = uint8(bpf.RowFlowStateFLOW_CLOSED)
	g.Expect(dest.flows.Put(key(udp, 1), got)).To(Succeed())
	g.Expect(flow.Import(dest.tables(), after, rows)).To(BeZero(), "the host's own rows are newer")
}

// Who comes to the host of whom he talks with is joined to the row of that one.
func TestAFlowIsJoinedAtTheHostOfBoth(t *testing.T) {
	g := NewWithT(t)
	from, dest := &memory{}, &memory{}
	there := bpf.RowFlow{Seen: 1000, Opener: 0, State: uint8(bpf.RowFlowStateFLOW_ESTABLISHED), Quick: 3, Set: [2]uint32{7, 0}, Rule: [2]uint32{1, 0}}
	there.End[0].Endpoint, there.End[0].Identity = 3, 20
	there.End[1].Host, there.End[1].Epoch, there.End[1].Identity, there.End[1].Generation = 6, 2, 21, 5
	g.Expect(dest.flows.Put(key(udp, 1), there)).To(Succeed())
	comes := bpf.RowFlow{Seen: 1000, State: uint8(bpf.RowFlowStateFLOW_ESTABLISHED), Set: [2]uint32{0, 71}, Rule: [2]uint32{0, 9}}
	comes.End[1].Endpoint, comes.End[1].Identity, comes.End[1].Generation = 4, 21, 5
	comes.End[0].Identity = 20
	g.Expect(from.flows.Put(key(udp, 1), comes)).To(Succeed())

	before := encode.Index{Endpoints: map[string]uint32{"moves": 4}, Sets: map[string]uint32{"in\x001": 71}, Rules: map[string]uint32{"b": 9}}
	after := encode.Index{Endpoints: map[string]uint32{"moves": 40, "stays": 3}, Sets: map[string]uint32{"in\x001": 710}, Rules: map[string]uint32{"b": 90}}
	rows, err := flow.Export(from.tables(), before, []string{"moves"})
	g.Expect(err).NotTo(HaveOccurred())
	for range 2 { // the second time there is nothing to join
		_, err = flow.Import(dest.tables(), after, rows)
		g.Expect(err).NotTo(HaveOccurred())
		got, _, err := dest.flows.Lookup(key(udp, 1))
		g.Expect(err).NotTo(HaveOccurred())
		want := there
		want.Quick, want.Set[1], want.Rule[1] = 0, 710, 90
		want.End[1].Endpoint, want.End[1].Host, want.End[1].Epoch = 40, 0, 0
		g.Expect(got).To(Equal(want))
	}
}
