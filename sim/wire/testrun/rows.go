// SPDX-License-Identifier: Apache-2.0

package testrun

import (
	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/dataplane/encode"
	"github.com/mizar-net/mizar/sim/wire"
)

// Glass is a machine whose rows can be read. Those of [Load] and [Pool] are.
type Glass interface {
	// Row returns the bytes of a map's row, nil when there is none.
	Row(table string, key []byte) ([]byte, error)
	// Paths returns all that the programs have learned.
	Paths() (map[bpf.RowAddrKey]bpf.RowPath, error)
	// Rows returns all rows of a map, as bytes.
	Rows(table string) (map[string][]byte, error)
	// Index has the numbers that stand in rows.
	Index() encode.Index
}

var (
	_ Glass           = (*loaded)(nil)
	_ wire.RowReader  = (*Wire)(nil)
	_ wire.RuleReader = (*Wire)(nil)
)

// ReadRows makes every step from now on tell the rows that it met with their
// contents, which costs a system call for each.
func (w *Wire) ReadRows() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rows, w.names = true, true
}

// ReadRules makes every step from now on tell what its numbers stand for.
func (w *Wire) ReadRules() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.names = true
}

// written are the maps that programs write, but for what they count.
var written = []bpf.RowTable{
	bpf.RowTableTABLE_PATHS, bpf.RowTableTABLE_FLOWS, bpf.RowTableTABLE_OPENINGS, bpf.RowTableTABLE_FRAGMENTS,
}

// rowsBefore are the rows that a program may change, by map, as they are before it
// runs.
type rowsBefore map[string]map[string][]byte

// glass is the host's machine if something of it is to be read.
func (w *Wire) glass(h *host, asked bool) (Glass, bool) {
	if !asked {
		return nil, false
	}
	g, ok := h.machine.(Glass)
	return g, ok
}

// before reads the rows that a program may change.
func (w *Wire) before(h *host) (rowsBefore, error) {
	g, ok := w.glass(h, w.rows)
	if !ok {
		return nil, nil
	}
	all := rowsBefore{}
	for _, table := range written {
		rows, err := g.Rows(table.String())
		if err != nil {
			return nil, err
		}
		all[table.String()] = rows
	}
	return all, nil
}

// fill reads what the numbers of a step stand for, and the rows that it met.
func (w *Wire) fill(h *host, s *wire.Step, before rowsBefore) error {
	g, ok := w.glass(h, w.names)
	if !ok {
		return nil
	}
	s.Names = h.names(g.Index())
	for i := range s.Judged {
		s.Judged[i].Rule = s.Names.Rules[s.Judged[i].Number]
	}
	if !w.rows {
		return nil
	}
	return fillRows(g, s, before)
}

// fillRows reads the rows that a step met. A row that was met before the step wrote
// to it is told as it was then.
func fillRows(g Glass, s *wire.Step, before rowsBefore) error {
	changed := map[string]bool{}
	for i := range s.Stages {
		stage := &s.Stages[i]
		if stage.Map == "" || !stage.Hit {
			continue
		}
		if rows, ok := before[stage.Map]; ok {
			was := rows[string(stage.Key)]
			if stage.Access == bpf.RowAccessACCESS_HIT.String() && !changed[stage.Map+string(stage.Key)] {
				stage.Row = was
				continue
			}
			if stage.Access != bpf.RowAccessACCESS_HIT.String() {
				stage.Before = was
				changed[stage.Map+string(stage.Key)] = true
			}
		}
		var err error
		if stage.Row, err = g.Row(stage.Map, stage.Key); err != nil {
			return err
		}
	}
	return nil
}

// names are what numbers stand for on this host.
func (h *host) names(index encode.Index) *wire.Names {
	n := &wire.Names{
		Hosts: byNumber(index.Hosts), Subnets: byNumber(index.Subnets),
		Endpoints: byNumber(index.Endpoints), Ports: byNumber(h.ports),
		Sets: map[uint32]string{}, Rules: byNumber(index.Rules),
	}
	for key, number := range index.Sets {
		n.Sets[number] = encode.SetName(key)
	}
	n.Hosts[0], n.Ports[uplinkPort] = h.name, "uplink"
	return n
}

// byNumber turns a map around.
func byNumber(numbers map[string]uint32) map[uint32]string {
	names := make(map[uint32]string, len(numbers)+1)
	for name, number := range numbers {
		names[number] = name
	}
	return names
}
