// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"fmt"
	"maps"
	"slices"

	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/dataplane/table"
)

// steps are what is still to be done of flows once rows hold a state. The programs
// write flows too, so none of it can be undone: what fails stays open, and is done
// before rows hold another state. No number means anybody else until then.
type steps struct {
	// stale are hosts that need another epoch.
	stale staleHosts
	// moved are the numbers of endpoints that live elsewhere now.
	moved map[uint32]bool
	// lost says that a service by UDP has lost a backend, or a frontend.
	lost bool
}

// add puts steps to those that are open.
func (s *steps) add(more steps) {
	if s.stale == nil {
		s.stale, s.moved = staleHosts{}, map[uint32]bool{}
	}
	maps.Copy(s.stale, more.stale)
	maps.Copy(s.moved, more.moved)
	s.lost = s.lost || more.lost
}

// take does what is open, while services are those; what fails stays open.
func (s *steps) take(t Tables, services []state.Service) error {
	if err := s.stale.age(t.Hosts); err != nil {
		return err
	}
	if err := part(t, s.moved); err != nil {
		return err
	}
	clear(s.moved)
	if s.lost {
		if err := forsake(t, services); err != nil {
			return err
		}
	}
	s.lost = false
	return nil
}

// movedOf are those of the endpoints that are gone that have moved.
func movedOf(gone map[uint32]bool) map[uint32]bool {
	moved := maps.Clone(gone)
	maps.DeleteFunc(moved, func(_ uint32, elsewhere bool) bool { return !elsewhere })
	return moved
}

// part takes the endpoints that have moved out of the flows that others of this host have
// with them. The next packet of such a flow is looked at closely, and finds the new way.
func part(t Tables, moved map[uint32]bool) error {
	if len(moved) == 0 {
		return nil
	}
	for _, flows := range []table.Table[bpf.RowFlowKey, bpf.RowFlow]{t.Flows, t.Openings} {
		rows, err := flows.All()
		if err != nil {
			return fmt.Errorf("read map %s: %w", flows.Name(), err)
		}
		for key, row := range rows {
			if !parted(&row, moved) {
				continue
			}
			if err := flows.Put(key, row); err != nil {
				return fmt.Errorf("write row %v of map %s: %w", key, flows.Name(), err)
			}
		}
	}
	return nil
}

// parted takes the ends that are gone out of a flow; false: none is.
func parted(row *bpf.RowFlow, gone map[uint32]bool) bool {
	out := false
	for i := range row.End {
		if gone[uint32(row.End[i].Endpoint)] {
			row.End[i].Endpoint, row.End[i].Host, row.End[i].Epoch = 0, 0, 0
			out = true
		}
	}
	if out {
		row.Quick = 0
	}
	if gone[uint32(row.Charged)] {
		row.Charged = 0 // nobody is, until the flow ends
	}
	return out
}

// staleHosts are hosts of which something that was learned is not so any more.
type staleHosts map[uint32]bool

func (s staleHosts) add(row bpf.RowPath) {
	if bpf.RowPathState(row.State) == bpf.RowPathStatePATH_LEARNED {
		s[row.Host] = true
	}
}

// note adds the hosts of the paths that keep refuses.
func (s staleHosts) note(keep func(bpf.RowAddrKey, bpf.RowPath) bool) func(bpf.RowAddrKey, bpf.RowPath) bool {
	return func(key bpf.RowAddrKey, row bpf.RowPath) bool {
		if keep(key, row) {
			return true
		}
		s.add(row)
		return false
	}
}

// age gives the hosts another epoch: flows with them are looked at again. Those that
// have it are stale no more, whatever fails.
func (s staleHosts) age(hosts table.Table[uint32, bpf.RowHost]) error {
	for _, number := range slices.Sorted(maps.Keys(s)) {
		row, ok, err := hosts.Lookup(number)
		if err != nil {
			return fmt.Errorf("read row %d of map %s: %w", number, hosts.Name(), err)
		}
		if ok {
			row.Epoch++
			if err := hosts.Put(number, row); err != nil {
				return fmt.Errorf("write row %d of map %s: %w", number, hosts.Name(), err)
			}
		}
		delete(s, number)
	}
	return nil
}
