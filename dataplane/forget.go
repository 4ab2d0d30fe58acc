// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"fmt"

	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/dataplane/encode"
	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/dataplane/table"
)

// gone are the endpoints that are not behind this host any more, or have another
// address, or are made anew, by number; true: they have moved.
func (h *Holder) gone(s state.Host) map[uint32]bool {
	gone := map[uint32]bool{}
	before := map[string]state.Endpoint{}
	for _, e := range h.state.Endpoints {
		before[e.Name] = e
		gone[h.index.Endpoints[e.Name]] = h.leaving[e.Name]
	}
	for _, e := range s.Endpoints {
		if was, ok := before[e.Name]; ok {
			gone[h.index.Endpoints[e.Name]] = false // it may have come back as another one
			if was.Is(e) {
				delete(gone, h.index.Endpoints[e.Name])
			}
		}
	}
	return gone
}

// forgetting are the jobs of removing the flows of endpoints that are gone, but for those
// that others of this host have with one that has moved. While none has gone, there are no
// such jobs: flows are many.
func (h *Holder) forgetting(gone map[uint32]bool) []table.Job {
	if len(gone) == 0 {
		return nil
	}
	keep := func(_ bpf.RowFlowKey, f bpf.RowFlow) bool {
		stays, parts := false, false
		for _, end := range f.End {
			moved, leaves := gone[uint32(end.Endpoint)]
			if leaves && !moved {
				return false
			}
			parts = parts || leaves
			stays = stays || end.Endpoint != 0 && !leaves
		}
		return stays || !parts
	}
	return []table.Job{
		table.Keep(h.tables.Flows, keep, encode.CompareFlow),
		table.Keep(h.tables.Openings, keep, encode.CompareFlow),
		table.Keep(h.tables.Shares, func(number uint32, _ bpf.RowShare) bool { _, leaves := gone[number]; return !leaves }, compareNumbers),
	}
}

func compareNumbers(a, b uint32) int { return int(int64(a) - int64(b)) }

// fitRules says whether all rules can be counted, and notes how many rows that takes.
func (h *Holder) fitRules(index encode.Index) error {
	needs := 0
	for _, number := range index.Rules {
		needs = max(needs, int(number)+1)
	}
	if room := h.tables.RuleRoom; room != 0 && needs > room {
		return &table.TooSmall{Map: bpf.RowMapRules, Needs: needs, Room: room}
	}
	h.counted = max(h.counted, uint32(needs))
	return nil
}

// Rules returns how many packets and bytes each rule has judged, by its name,
// since the programs were loaded. Rules that judged none are not in it.
func (d *Datapath) Rules() (map[string]RuleCount, error) {
	index := d.Index()
	m := d.loaded.maps[bpf.RowMapRules]
	counts := map[string]RuleCount{}
	for name, number := range index.Rules {
		var perCPU []bpf.RowCount
		if err := m.Lookup(number, &perCPU); err != nil {
			return nil, fmt.Errorf("read row %d of map %s: %w", number, bpf.RowMapRules, err)
		}
		var sum RuleCount
		for _, c := range perCPU {
			sum.Packets += c.Packets
			sum.Bytes += c.Bytes
		}
		if sum.Packets > 0 {
			counts[name] = sum
		}
	}
	return counts, nil
}

// RuleCount is what a rule has judged: all packets of the flows that it accepted
// (and of those that it would have denied, where it only audits), and every packet
// that it denied.
type RuleCount struct {
	Packets, Bytes uint64
}
