// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"cmp"

	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/dataplane/encode"
	"github.com/mizar-net/mizar/dataplane/table"
)

// emptied are the jobs of emptying tables that are known to hold some rows.
func emptied(t Tables, held encode.Rows) []table.Job {
	none := func(bpf.RowFlowKey, bpf.RowFlow) bool { return false }
	return append(jobs(t, held, encode.Rows{}, func(bpf.RowAddrKey, bpf.RowPath) bool { return false }),
		table.Keep(t.Flows, none, encode.CompareFlow), table.Keep(t.Openings, none, encode.CompareFlow),
		table.Want(t.Shares, nil, cmp.Compare[uint32]))
}

// everyPath keeps all paths, without a look at them.
var everyPath func(bpf.RowAddrKey, bpf.RowPath) bool

// jobs stand in the order referents, referrers. Learned paths are looked at once
// nothing can be learned from a removed row any more, and before the hosts that
// they refer to go.
func jobs(t Tables, held, r encode.Rows, keep func(bpf.RowAddrKey, bpf.RowPath) bool) []table.Job {
	all := []table.Job{hostsJob(t, held, r)}
	if keep != nil {
		all = append(all, table.Keep(t.Paths, keep, encode.CompareAddr))
	}
	all = append(all,
		table.WantFrom(t.VPCs, held.VPCs, r.VPCs, cmp.Compare[uint32]),
		table.WantFrom(t.Subnets, held.Subnets, r.Subnets, cmp.Compare[uint32]),
		// A set that says something else has another number: all of its rows are
		// there before an endpoint names it, and go after the last one did.
		table.WantFrom(t.PolicyPorts, held.PolicyPorts, r.PolicyPorts, encode.ComparePort),
		table.WantFrom(t.PolicyPrefixes, held.PolicyPrefixes, r.PolicyPrefixes, encode.ComparePolicyPrefix),
		table.WantFrom(t.PolicyPeers, held.PolicyPeers, r.PolicyPeers, encode.ComparePeer),
		table.WantFrom(t.PolicySets, held.PolicySets, r.PolicySets, cmp.Compare[uint32]),
	)
	all = append(all, blockJobs(t, held, r)...) // so has a service other places
	return append(all,
		servicesJob(t, held, r),
		table.WantFrom(t.Endpoints, held.Endpoints, r.Endpoints, cmp.Compare[uint32]),
		table.WantFrom(t.Uplinks, held.Uplinks, r.Uplinks, cmp.Compare[uint32]),
		table.WantFrom(t.Peers, held.Peers, r.Peers, encode.CompareUnderlay),
		table.WantFrom(t.PeerSlots, held.PeerSlots, r.PeerSlots, cmp.Compare[uint32]),
		table.WantFrom(t.Locals, held.Locals, r.Locals, encode.CompareAddr),
		table.WantFrom(t.Ports, held.Ports, r.Ports, cmp.Compare[uint32]),
		table.WantFrom(t.Directory, held.Directory, r.Directory, encode.CompareAddr),
		table.WantFrom(t.Routes, held.Routes, r.Routes, encode.ComparePrefix),
	)
}

func hostsJob(t Tables, held, r encode.Rows) table.Job {
	return table.WantMerged(t.Hosts, held.Hosts, r.Hosts, withFound, cmp.Compare[uint32])
}

// servicesJob is of the rows that differ, where those that are held are known: they are
// those of the index that the others were made after.
func servicesJob(t Tables, held, r encode.Rows) table.Job {
	if !held.Services.Known() || r.Change == nil {
		return table.WantFrom(t.Services, held.Services.Map(), r.Services.Map(), encode.CompareService)
	}
	return table.Replace(t.Services, held.Services.Len(), r.Change.Gone, r.Change.Come, encode.CompareService)
}

// blockJobs are of the backends and places of the blocks that differ, where those that are
// held are known.
func blockJobs(t Tables, held, r encode.Rows) []table.Job {
	if !held.Blocks.Known() {
		all := encode.Blocks(r.Blocks.Map())
		return []table.Job{
			table.Want(t.Backends, table.Keyed(all.Backends()), cmp.Compare[uint32]),
			table.Want(t.Choices, table.Keyed(all.Choices()), cmp.Compare[uint32]),
		}
	}
	var gone, come encode.Blocks
	if r.Change != nil {
		gone, come = r.Change.GoneBlocks, r.Change.ComeBlocks
	} else {
		gone, come = held.Blocks.Map(), r.Blocks.Map()
	}
	return []table.Job{
		table.Replace(t.Backends, 0, gone.Backends(), come.Backends(), cmp.Compare[uint32]),
		table.Replace(t.Choices, 0, gone.Choices(), come.Choices(), cmp.Compare[uint32]),
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
