// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/dataplane/encode"
	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/dataplane/table"
)

// Report says how many rows an Apply wrote and deleted, by map.
type Report = table.Report

// Tables are the maps of one host that states are written to, and the paths and
// flows that its programs write.
type Tables struct {
	Hosts     table.Table[uint32, bpf.RowHost]
	VPCs      table.Table[uint32, bpf.RowVpc]
	Subnets   table.Table[uint32, bpf.RowSubnet]
	Endpoints table.Table[uint32, bpf.RowEndpoint]
	Uplinks   table.Table[uint32, bpf.RowUplink]
	Peers     table.Table[bpf.RowUnderlayKey, bpf.RowPeer]
	PeerSlots table.Table[uint32, bpf.RowPeerSlot]
	Locals    table.Table[bpf.RowAddrKey, bpf.RowLocal]
	Ports     table.Table[uint32, bpf.RowPort]
	Directory table.Table[bpf.RowAddrKey, bpf.RowLocation]
	Routes    table.Table[bpf.RowPrefixKey, bpf.RowRoute]
	Paths     table.Table[bpf.RowAddrKey, bpf.RowPath]

	PolicySets     table.Table[uint32, bpf.RowPolicySet]
	PolicyPeers    table.Table[bpf.RowPolicyPeerKey, bpf.RowJudgement]
	PolicyPrefixes table.Table[bpf.RowPolicyPrefixKey, bpf.RowJudgement]
	PolicyPorts    table.Table[bpf.RowPolicyPortKey, bpf.RowJudgement]
	Services       table.Table[bpf.RowServiceKey, bpf.RowService]
	Choices        table.Table[uint32, bpf.RowChoices]
	Backends       table.Table[uint32, bpf.RowBackend]
	Flows          table.Table[bpf.RowFlowKey, bpf.RowFlow]
	Openings       table.Table[bpf.RowFlowKey, bpf.RowFlow]
	Shares         table.Table[uint32, bpf.RowShare]
	// RuleRoom is how many rules can be counted, 0: any number.
	RuleRoom int
}

// Holder makes tables hold states, one after the other. It remembers the numbers
// that stand in the rows. Not safe for concurrent use.
type Holder struct {
	tables Tables
	index  encode.Index
	// state is what the tables hold, rows what was wanted of them for it: where there
	// are none, the tables have to be read.
	state state.Host
	rows  encode.Rows
	// open is what is still to be done of flows for the state.
	open steps
	// local is the machine of the last Apply or Reach.
	local state.Local
	// complete are the prefixes, by VNI, of which the state has all endpoints.
	complete map[uint32][]netip.Prefix
	// learned says that a path was learned from outside since the last Apply.
	learned bool
	// applied is how many states the tables have held.
	applied uint32
	// leaving are endpoints that live elsewhere in the next state.
	leaving map[string]bool
	// counted are the first rows of rules, which may have counted something, budgeted
	// those of budgets, of which something may have been spent.
	counted, budgeted uint32
}

// NewHolder returns a holder of tables that hold no state yet, but maybe rows.
func NewHolder(t Tables) *Holder { return &Holder{tables: t} }

// Apply makes the tables hold s on the machine l, and removes learned paths that
// s contradicts. What programs have found out of a host's MTU stays. Applied
// twice, it writes nothing the second time. When it fails, the tables hold what
// they held before, or the error says which do not; a state that some table has
// no room for is refused as a whole, with a [*table.TooSmall]. With a report, an error
// means that the tables hold s, and that something of flows is still to be done for it:
// the next Apply does that before anything else, whatever its state.
//
// Tables that nobody else writes to are read at the first Apply, after one that has
// failed, and when [Holder.Reread] asks for it; else only the rows that the last state
// wanted otherwise are looked at.
func (h *Holder) Apply(s state.Host, l state.Local) (Report, error) {
	if err := h.settle(); err != nil {
		return nil, fmt.Errorf("apply the state of host %s: %w", s.Name, err)
	}
	rows, index, err := encode.Encode(s, l, h.index)
	if err != nil {
		return nil, err
	}
	if err := h.fitRules(index); err != nil {
		return nil, fmt.Errorf("apply the state of host %s: %w", s.Name, advised(err))
	}
	h.setEpochs(rows.Hosts)
	stale, keep := staleHosts{}, everyPath
	whole := complete(s)
	if h.learned || !judgesPathsAlike(h.rows, rows) || !maps.Equal(h.index.Hosts, index.Hosts) || !maps.EqualFunc(h.complete, whole, slices.Equal) {
		keep = stale.note(uncontradicted(whole, rows, index))
	}
	gone := h.gone(s)
	report, err := table.Sync(append(jobs(h.tables, h.rows, rows, keep), h.forgetting(gone)...)...)
	h.open.add(steps{stale: stale}) // also of paths that could not be restored
	if err != nil {
		h.Reread()
		return nil, fmt.Errorf("apply the state of host %s: %w", s.Name, advised(err))
	}
	h.open.add(steps{moved: movedOf(gone), lost: lose(rows.Change)})
	h.index, h.state, h.rows, h.complete, h.learned, h.leaving = index, s, rows, whole, false, nil
	h.local = state.Local{UplinkIndex: l.UplinkIndex, UplinkMAC: l.UplinkMAC, Ports: maps.Clone(l.Ports), NextHops: maps.Clone(l.NextHops), Outside: maps.Clone(l.Outside), Ways: maps.Clone(l.Ways)}
	h.applied++
	for _, number := range index.Endpoints {
		h.budgeted = max(h.budgeted, number+1)
	}
	return report, h.settle()
}

// settle does what is open of flows.
func (h *Holder) settle() error {
	if err := h.open.take(h.tables, h.state.Services); err != nil {
		return fmt.Errorf("flows do not follow the state of host %s yet, apply again: %w", h.state.Name, err)
	}
	return nil
}

// Reread makes the next Apply read all tables: what somebody else has written to one of
// them, it mends. [Holder.Mend] does both.
func (h *Holder) Reread() { h.rows = encode.Rows{} }

// setEpochs gives hosts that are new an epoch, so that no flow takes one for another.
// The others have theirs.
func (h *Holder) setEpochs(hosts map[uint32]bpf.RowHost) {
	for number, row := range hosts {
		row.Epoch = h.applied
		if was, ok := h.rows.Hosts[number]; ok && was.Addr == row.Addr {
			row.Epoch = was.Epoch
		}
		hosts[number] = row
	}
}

// Leave says which endpoints, by name, the next state lacks because they live on other
// hosts from then on. The flows that endpoints of this host have with them go on; those
// of endpoints that are just gone do not.
func (h *Holder) Leave(endpoints []string) {
	if h.leaving == nil {
		h.leaving = map[string]bool{}
	}
	for _, name := range endpoints {
		h.leaving[name] = true
	}
}

// advised adds to the error of a table that is too small what changes that.
func advised(err error) error {
	var small *table.TooSmall
	if !errors.As(err, &small) {
		return err
	}
	return fmt.Errorf("%w: load the programs with more in dataplane.Options.Limits[%q]", err, small.Map)
}

// Reach makes the tables hold the same state as before on a machine that reaches
// other hosts otherwise: NextHops and Ways of l count, and only rows of hosts
// that differ are written. Nothing that was learned is forgotten. What failed
// half way, the next Reach or Apply completes.
func (h *Holder) Reach(l state.Local) (Report, error) {
	if h.state.Name == "" {
		return nil, errors.New("reach other hosts: there is no state yet; apply one first")
	}
	rows, _, err := encode.Encode(h.state, l, h.index)
	if err != nil {
		return nil, err
	}
	h.setEpochs(rows.Hosts)
	report, err := table.Sync(hostsJob(h.tables, h.rows, rows))
	if err != nil {
		h.Reread()
		return nil, fmt.Errorf("reach other hosts: %w", advised(err))
	}
	h.rows.Hosts, h.local.NextHops, h.local.Outside, h.local.Ways = rows.Hosts, maps.Clone(l.NextHops), maps.Clone(l.Outside), maps.Clone(l.Ways)
	return report, nil
}

// Learn makes the programs know that an address is behind another host, as if
// a bouncer had answered: its packets go there directly. The host is one of the
// peers of the state held now. What the next state contradicts, it removes.
func (h *Holder) Learn(vni uint32, addr netip.Addr, host string) error {
	number, ok := h.index.Hosts[host]
	if !ok {
		return fmt.Errorf("learn that %s of VNI %d is behind host %s: the host is not among the peers", addr, vni, host)
	}
	row := bpf.RowPath{Host: number, State: uint8(bpf.RowPathStatePATH_LEARNED)}
	h.learned = true
	if err := h.tables.Paths.Put(bpf.RowAddrKey{Vni: vni, Addr: addr.As16()}, row); err != nil {
		return fmt.Errorf("learn that %s of VNI %d is behind host %s: %w", addr, vni, host, err)
	}
	return nil
}

// judgesPathsAlike says whether the rows that learned paths are judged by are the same.
func judgesPathsAlike(a, b encode.Rows) bool {
	return a.VPCs != nil && maps.Equal(a.VPCs, b.VPCs) && maps.Equal(a.Locals, b.Locals) && maps.Equal(a.Directory, b.Directory)
}

// complete are the prefixes, by VNI, of which the host knows all endpoints.
func complete(s state.Host) map[uint32][]netip.Prefix {
	all := map[uint32][]netip.Prefix{}
	for _, n := range s.Subnets {
		if n.Bouncer == state.Complete {
			all[n.VNI] = append(all[n.VNI], n.CIDRs...)
		}
	}
	return all
}

// uncontradicted returns what says whether a learned path may stay.
func uncontradicted(whole map[uint32][]netip.Prefix, r encode.Rows, index encode.Index) func(bpf.RowAddrKey, bpf.RowPath) bool {
	known := map[uint32]bool{}
	for _, number := range index.Hosts {
		known[number] = true
	}
	return func(key bpf.RowAddrKey, path bpf.RowPath) bool {
		vpc, served := r.VPCs[key.Vni]
		local, isLocal := r.Locals[key]
		if bpf.RowPathState(path.State) == bpf.RowPathStatePATH_LOCAL {
			return isLocal && local.Endpoint == path.Host
		}
		if !served || isLocal {
			return false
		}
		switch bpf.RowPathState(path.State) {
		case bpf.RowPathStatePATH_OUTSIDE:
			return vpc.Leaves != 0 && !within(whole[key.Vni], key.Addr)
		case bpf.RowPathStatePATH_ASKED:
			return true
		}
		if location, ok := r.Directory[key]; ok {
			return location.Host == path.Host && location.Generation == path.Generation
		}
		return known[path.Host] && !within(whole[key.Vni], key.Addr)
	}
}

// within says whether an address lies in any of the prefixes.
func within(prefixes []netip.Prefix, addr [16]byte) bool {
	a := netip.AddrFrom16(addr).Unmap()
	for _, p := range prefixes {
		if p.Contains(a) {
			return true
		}
	}
	return false
}
