// SPDX-License-Identifier: Apache-2.0

// Package flow keeps a host's flows: it removes rows whose time is up, and carries
// those of an endpoint that moves to its new host.
//
//	programs ──► openings ──► flows      rows, written packet by packet
//	                 │           │
//	                 └─ Collect ─┘       every few seconds: time-outs, and shares
//	   old host ── Export ──► [Row] ──► Import ── new host
package flow

import (
	"cmp"
	"encoding/binary"
	"net/netip"
	"slices"

	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/dataplane/encode"
	"github.com/mizar-net/mizar/dataplane/table"
)

// Tables are the maps that have to do with flows.
type Tables struct {
	// Flows are those in which both sides have spoken, Openings the others.
	Flows, Openings table.Table[bpf.RowFlowKey, bpf.RowFlow]
	// Shares count how many of Flows are an endpoint's.
	Shares table.Table[uint32, bpf.RowShare]
}

func (t Tables) both() []table.Table[bpf.RowFlowKey, bpf.RowFlow] {
	return []table.Table[bpf.RowFlowKey, bpf.RowFlow]{t.Flows, t.Openings}
}

// End is one end of a flow.
type End struct {
	Addr netip.Addr
	// Port is the end's own; of who asks by an echo its identifier, and 0 where
	// there is none.
	Port uint16
}

// Key is the key of a conversation, and which of its ends the first is. It is the
// same for both directions, as that of the programs (a test holds them against each
// other).
func Key(vni uint32, protocol uint8, first, second End) (key bpf.RowFlowKey, side uint32) {
	low, high := first, second
	if above(first, second) {
		low, high, side = second, first, 1
	}
	return bpf.RowFlowKey{
		Port: [2]uint16{network(low.Port), network(high.Port)},
		Addr: [2][16]uint8{low.Addr.As16(), high.Addr.As16()},
	}.OfVPC(vni, protocol), side
}

// Ends are the ends of a key, in its order: what [Key] was told.
func Ends(key bpf.RowFlowKey) [2]End {
	var ends [2]End
	for i := range ends {
		ends[i] = End{Addr: netip.AddrFrom16(key.Addr[i]).Unmap(), Port: network(key.Port[i])}
	}
	return ends
}

// above compares words as they lie in memory, which is any order but always the same.
func above(a, b End) bool {
	x, y := a.Addr.As16(), b.Addr.As16()
	order := 0
	for i := 0; i < len(x); i += 8 {
		order = cmp.Or(order, cmp.Compare(binary.NativeEndian.Uint64(x[i:]), binary.NativeEndian.Uint64(y[i:])))
	}
	return cmp.Or(order, cmp.Compare(network(a.Port), network(b.Port))) > 0
}

// network has the bytes of a number in network order.
func network(n uint16) uint16 {
	var b [2]byte
	binary.BigEndian.PutUint16(b[:], n)
	return binary.NativeEndian.Uint16(b[:])
}

// Row is a flow as another host can be told it: names in the place of numbers.
type Row struct {
	Key bpf.RowFlowKey
	// Row has no numbers but identities.
	Row bpf.RowFlow
	// Settled says that both sides have spoken.
	Settled bool
	// Ends are the endpoints that live behind the host; "": none.
	Ends [2]string
	// Sets and Rules are those that accepted it, by direction, as [encode.Index]
	// names them; "": none.
	Sets, Rules [2]string
}

// Export returns the flows of endpoints, by name, that are behind a host, but for those
// that leave with an address of it.
func Export(t Tables, index encode.Index, endpoints []string) ([]Row, error) {
	of := map[uint32]bool{}
	for _, name := range endpoints {
		if number, ok := index.Endpoints[name]; ok {
			of[number] = true
		}
	}
	n := namesOf(index)
	var rows []Row
	for _, from := range t.both() {
		all, err := from.All()
		if err != nil {
			return nil, readError(from, err)
		}
		for key, row := range all {
			stays := bpf.RowTranslation(row.Translation) == bpf.RowTranslationTRANSLATION_SOURCE // its address is the host's
			if !stays && (of[uint32(row.End[0].Endpoint)] || of[uint32(row.End[1].Endpoint)]) {
				rows = append(rows, n.row(key, row, from == t.Flows))
			}
		}
	}
	slices.SortFunc(rows, func(a, b Row) int { return encode.CompareFlow(a.Key, b.Key) })
	return rows, nil
}

// names are what numbers stand for.
type names struct {
	endpoints, sets, rules map[uint32]string
}

func namesOf(index encode.Index) names {
	return names{turned(index.Endpoints), turned(index.Sets), turned(index.Rules)}
}

// turned is a map turned around; number 0 stands for nothing.
func turned(numbers map[string]uint32) map[uint32]string {
	by := make(map[uint32]string, len(numbers))
	for name, number := range numbers {
		by[number] = name
	}
	return by
}

func (n names) row(key bpf.RowFlowKey, row bpf.RowFlow, settled bool) Row {
	r := Row{Key: key, Row: row, Settled: settled}
	for i := range 2 {
		r.Ends[i], r.Sets[i], r.Rules[i] = n.endpoints[uint32(row.End[i].Endpoint)], n.sets[row.Set[i]], n.rules[row.Rule[i]]
		r.Row.End[i].Endpoint, r.Row.End[i].Host, r.Row.End[i].Epoch = 0, 0, 0
		r.Row.Set[i], r.Row.Rule[i] = 0, 0
	}
	r.Row.Tick, r.Row.Charged = 0, 0
	return r
}

// another is the number of no set: a flow that has it is judged again.
const another = ^uint32(0)

// Import writes the flows of endpoints that have come to a host, and returns how
// many. Rows that the host's own programs have made by then stay; to one of who lives
// there already with who has come, that is joined which the other host knew of the latter.
func Import(t Tables, index encode.Index, rows []Row) (int, error) {
	written := 0
	for _, r := range rows {
		into := t.Openings
		if r.Settled {
			into = t.Flows
		}
		row := r.numbered(index)
		held, there, err := into.Lookup(r.Key)
		if err != nil {
			return written, readError(into, err)
		}
		if there && !join(&held, &row) {
			continue
		}
		if err := into.Put(r.Key, row); err != nil {
			return written, writeError(into, err)
		}
		written++
	}
	return written, nil
}

// join makes of a row that a host holds and of one that has come what the host is to hold:
// both ends live there now. False: it holds it already.
func join(held, come *bpf.RowFlow) bool {
	joined := *held
	for i := range joined.End {
		if joined.End[i].Endpoint != 0 || come.End[i].Endpoint == 0 {
			continue
		}
		joined.End[i] = come.End[i]
		d := bpf.RowDirectionDIRECTION_INGRESS // the opener's is egress
		if uint8(i) == joined.Opener&1 {
			d = bpf.RowDirectionDIRECTION_EGRESS
		}
		joined.Set[d], joined.Rule[d] = come.Set[d], come.Rule[d]
	}
	if joined == *held || held.Opener != come.Opener {
		return false
	}
	joined.Quick = 0 // what its hosts thought of the way counts no more
	*come = joined
	return true
}

// numbered is the row with the numbers of another host. A set that this one has not
// got must judge it again; so must the policy of an end that lives here as of now.
func (r Row) numbered(index encode.Index) bpf.RowFlow {
	row := r.Row
	for i := range 2 {
		row.End[i].Endpoint = uint16(index.Endpoints[r.Ends[i]])
		row.Rule[i] = index.Rules[r.Rules[i]]
		if r.Sets[i] == "" {
			continue
		}
		row.Set[i] = another
		if number, ok := index.Sets[r.Sets[i]]; ok {
			row.Set[i] = number
		}
	}
	if r.Settled {
		row.Charged = uint16(index.Endpoints[r.Ends[row.Opener&1]])
		if row.Charged == 0 {
			row.Charged = uint16(index.Endpoints[r.Ends[row.Opener&1^1]])
		}
	}
	return row
}
