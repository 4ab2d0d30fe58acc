// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"

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
	// state is what the tables hold, hosts its rows of that map.
	state state.Host
	hosts map[uint32]bpf.RowHost
	// applied is how many states the tables have held.
	applied uint32
	// leaving are endpoints that live elsewhere in the next state.
	leaving map[string]bool
	// counted are the first rows of rules, which may have counted something, budgeted
	// those of budgets, of which something may have been spent.
	counted, budgeted uint32
}

// NewHolder returns a holder of tables that hold no state yet.
func NewHolder(t Tables) *Holder { return &Holder{tables: t} }

// Apply makes the tables hold s on the machine l, and removes learned paths that
// s contradicts. What programs have found out of a host's MTU stays. Applied
// twice, it writes nothing the second time. When it fails, the tables hold what
// they held before, or the error says which do not; a state that some table has
// no room for is refused as a whole, with a [*table.TooSmall].
func (h *Holder) Apply(s state.Host, l state.Local) (Report, error) {
	rows, index, err := encode.Encode(s, l, h.index)
	if err != nil {
		return nil, err
	}
	if err := h.fitRules(index); err != nil {
		return nil, fmt.Errorf("apply the state of host %s: %w", s.Name, advised(err))
	}
	for number, row := range rows.Hosts {
		row.Epoch = h.applied // of hosts that are new, so that no flow takes one for another
		rows.Hosts[number] = row
	}
	stale := staleHosts{}
	keep := stale.note(uncontradicted(s, rows, index))
	gone := h.gone(s)
	report, err := table.Sync(append(jobs(h.tables, rows, keep), h.forgetting(gone)...)...)
	if err != nil {
		return nil, fmt.Errorf("apply the state of host %s: %w", s.Name, advised(err))
	}
	before := h.state.Services
	h.index, h.state, h.hosts, h.leaving = index, s, rows.Hosts, nil
	h.applied++
	for _, number := range index.Endpoints {
		h.budgeted = max(h.budgeted, number+1)
	}
	return report, errors.Join(stale.age(h.tables.Hosts), h.part(gone), h.forsake(before, s.Services))
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
	name, count := h.tables.Hosts.Name(), table.Count{}
	changes := table.Plan(h.hosts, rows.Hosts, cmp.Compare[uint32])
	for _, r := range changes.Puts {
		row, err := h.foundMTU(r.Key, r.Value)
		if err != nil {
			return nil, err
		}
		if err := h.tables.Hosts.Put(r.Key, row); err != nil {
			return nil, fmt.Errorf("write row %d of map %s: %w", r.Key, name, err)
		}
		h.hosts[r.Key] = r.Value
		count.Puts++
	}
	for _, r := range changes.Deletes {
		if err := h.tables.Hosts.Delete(r.Key); err != nil {
			return nil, fmt.Errorf("delete row %d of map %s: %w", r.Key, name, err)
		}
		delete(h.hosts, r.Key)
		count.Deletes++
	}
	if count == (table.Count{}) {
		return Report{}, nil
	}
	return Report{name: count}, nil
}

// foundMTU is a wanted row of a host with what the held one knows of its MTU.
func (h *Holder) foundMTU(number uint32, wanted bpf.RowHost) (bpf.RowHost, error) {
	held, _, err := h.tables.Hosts.Lookup(number)
	if err != nil {
		return bpf.RowHost{}, fmt.Errorf("read row %d of map %s: %w", number, h.tables.Hosts.Name(), err)
	}
	return withFound(held, wanted), nil
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
	if err := h.tables.Paths.Put(bpf.RowAddrKey{Vni: vni, Addr: addr.As16()}, row); err != nil {
		return fmt.Errorf("learn that %s of VNI %d is behind host %s: %w", addr, vni, host, err)
	}
	return nil
}

// emptied are the jobs of emptying the tables.
func emptied(t Tables) []table.Job {
	none := func(bpf.RowFlowKey, bpf.RowFlow) bool { return false }
	return append(jobs(t, encode.Rows{}, func(bpf.RowAddrKey, bpf.RowPath) bool { return false }),
		table.Keep(t.Flows, none, encode.CompareFlow), table.Keep(t.Openings, none, encode.CompareFlow),
		table.Want(t.Shares, nil, cmp.Compare[uint32]))
}

// jobs stand in the order referents, referrers. Learned paths are looked at once
// nothing can be learned from a removed row any more, and before the hosts that
// they refer to go.
func jobs(t Tables, r encode.Rows, keep func(bpf.RowAddrKey, bpf.RowPath) bool) []table.Job {
	return []table.Job{
		table.WantMerged(t.Hosts, r.Hosts, withFound, cmp.Compare[uint32]),
		table.Keep(t.Paths, keep, encode.CompareAddr),
		table.Want(t.VPCs, r.VPCs, cmp.Compare[uint32]),
		table.Want(t.Subnets, r.Subnets, cmp.Compare[uint32]),
		// A set that says something else has another number: all of its rows are
		// there before an endpoint names it, and go after the last one did.
		table.Want(t.PolicyPorts, r.PolicyPorts, encode.ComparePort),
		table.Want(t.PolicyPrefixes, r.PolicyPrefixes, encode.ComparePolicyPrefix),
		table.Want(t.PolicyPeers, r.PolicyPeers, encode.ComparePeer),
		table.Want(t.PolicySets, r.PolicySets, cmp.Compare[uint32]),
		// So has a service other places.
		table.Want(t.Backends, r.Backends, cmp.Compare[uint32]),
		table.Want(t.Choices, r.Choices, cmp.Compare[uint32]),
		table.Want(t.Services, r.Services, encode.CompareService),
		table.Want(t.Endpoints, r.Endpoints, cmp.Compare[uint32]),
		table.Want(t.Uplinks, r.Uplinks, cmp.Compare[uint32]),
		table.Want(t.Peers, r.Peers, encode.CompareUnderlay),
		table.Want(t.PeerSlots, r.PeerSlots, cmp.Compare[uint32]),
		table.Want(t.Locals, r.Locals, encode.CompareAddr),
		table.Want(t.Ports, r.Ports, cmp.Compare[uint32]),
		table.Want(t.Directory, r.Directory, encode.CompareAddr),
		table.Want(t.Routes, r.Routes, encode.ComparePrefix),
	}
}

// withFound is a wanted row of a host with the MTU that a program has found to be
// lower on the way there, as long as it is the same way, and with its epoch.
func withFound(held, wanted bpf.RowHost) bpf.RowHost {
	if held.Addr == wanted.Addr {
		wanted.Epoch = held.Epoch
	}
	if held.Addr == wanted.Addr && held.LinkMtu == wanted.LinkMtu && held.Mtu < wanted.Mtu {
		wanted.Mtu, wanted.Lowered = held.Mtu, held.Lowered
	}
	return wanted
}

// uncontradicted returns what says whether a learned path may stay.
func uncontradicted(s state.Host, r encode.Rows, index encode.Index) func(bpf.RowAddrKey, bpf.RowPath) bool {
	known := map[uint32]bool{}
	for _, number := range index.Hosts {
		known[number] = true
	}
	complete := map[uint32][]netip.Prefix{}
	for _, n := range s.Subnets {
		if n.Bouncer == state.Complete {
			complete[n.VNI] = append(complete[n.VNI], n.CIDRs...)
		}
	}
	return func(key bpf.RowAddrKey, path bpf.RowPath) bool {
		_, served := r.VPCs[key.Vni]
		local, isLocal := r.Locals[key]
		if bpf.RowPathState(path.State) == bpf.RowPathStatePATH_LOCAL {
			return isLocal && local.Endpoint == path.Host
		}
		if !served || isLocal {
			return false
		}
		if bpf.RowPathState(path.State) != bpf.RowPathStatePATH_LEARNED {
			return true
		}
		if location, ok := r.Directory[key]; ok {
			return location.Host == path.Host && location.Generation == path.Generation
		}
		return known[path.Host] && !within(complete[key.Vni], key.Addr)
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
