// SPDX-License-Identifier: Apache-2.0

package testrun

import (
	"encoding/binary"
	"errors"
	"fmt"

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
	// Index has the numbers that stand in rows.
	Index() encode.Index
}

var (
	_ Glass          = (*loaded)(nil)
	_ wire.RowReader = (*Wire)(nil)
)

// ReadRows makes every step from now on tell the rows that it met with their
// contents, which costs a system call for each.
func (w *Wire) ReadRows() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rows = true
}

// rowsBefore are the rows that a program may change, as they are before it
// runs. Programs write nothing but learned paths.
type rowsBefore map[string][]byte

// glass is the host's machine if its rows are to be read.
func (w *Wire) glass(h *host) (Glass, bool) {
	if !w.rows {
		return nil, false
	}
	g, ok := h.machine.(Glass)
	return g, ok
}

// before reads the rows that a program may change.
func (w *Wire) before(h *host) (rowsBefore, error) {
	g, ok := w.glass(h)
	if !ok {
		return nil, nil
	}
	paths, err := g.Paths()
	if err != nil {
		return nil, fmt.Errorf("read what is learned: %w", err)
	}
	rows := rowsBefore{}
	for key, path := range paths {
		k, errKey := binary.Append(nil, binary.NativeEndian, key)
		row, errRow := binary.Append(nil, binary.NativeEndian, path)
		if err := errors.Join(errKey, errRow); err != nil {
			return nil, fmt.Errorf("read what is learned: %w", err)
		}
		rows[string(k)] = row
	}
	return rows, nil
}

// fill reads the rows that a step met. A row that was met before the step wrote
// to it is told as it was then.
func (w *Wire) fill(h *host, s *wire.Step, before rowsBefore) error {
	g, ok := w.glass(h)
	if !ok {
		return nil
	}
	s.Names = h.names(g.Index())
	written := map[string]bool{}
	for i := range s.Stages {
		stage := &s.Stages[i]
		if stage.Map == "" || !stage.Hit {
			continue
		}
		if stage.Map == bpf.RowTableTABLE_PATHS.String() {
			was := before[string(stage.Key)]
			if stage.Access == bpf.RowAccessACCESS_UPDATE.String() {
				stage.Before = was
				written[string(stage.Key)] = true
			} else if !written[string(stage.Key)] {
				stage.Row = was
				continue
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
