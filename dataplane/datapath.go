// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/cilium/ebpf"

	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/dataplane/encode"
	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/dataplane/table"
)

// Datapath is one host's programs and maps in the kernel. Close it. It is safe
// for concurrent use.
type Datapath struct {
	loaded loader

	mu      sync.Mutex
	holder  *Holder
	paths   table.Table[bpf.RowAddrKey, bpf.RowPath]
	records table.Table[uint32, bpf.RowRecord]
	// fragments and affinities are known by the programs alone.
	fragments  table.Table[bpf.RowFragmentKey, bpf.RowFragmented]
	affinities table.Table[bpf.RowAffinityKey, bpf.RowAffinity]
	now        table.Table[uint32, bpf.RowVirtualClock]
}

// Load makes a host's maps and loads its programs with them. They are attached
// to nothing yet.
func Load(o Options) (*Datapath, error) {
	l := loader{options: o}
	if err := l.load(); err != nil {
		return nil, errors.Join(err, l.close())
	}
	t := tablesOf(l.maps)
	h := NewHolder(t)
	if o.Mode == Simulated {
		h.rows = encode.None() // nobody else writes to these
	}
	return &Datapath{
		loaded:     l,
		holder:     h,
		paths:      t.Paths,
		records:    table.NewMap[uint32, bpf.RowRecord](bpf.RowMapRecords, l.maps[bpf.RowMapRecords]),
		fragments:  table.NewMap[bpf.RowFragmentKey, bpf.RowFragmented](bpf.RowMapFragments, l.maps[bpf.RowMapFragments]),
		affinities: table.NewMap[bpf.RowAffinityKey, bpf.RowAffinity](bpf.RowMapAffinities, l.maps[bpf.RowMapAffinities]),
		now:        table.NewMap[uint32, bpf.RowVirtualClock](bpf.RowMapVirtuals, l.maps[bpf.RowMapVirtuals]),
	}, nil
}

func tablesOf(m map[string]*ebpf.Map) Tables {
	return Tables{
		Hosts:     table.NewMap[uint32, bpf.RowHost](bpf.RowMapHosts, m[bpf.RowMapHosts]),
		VPCs:      table.NewMap[uint32, bpf.RowVpc](bpf.RowMapVpcs, m[bpf.RowMapVpcs]),
		Subnets:   table.NewMap[uint32, bpf.RowSubnet](bpf.RowMapSubnets, m[bpf.RowMapSubnets]),
		Endpoints: table.NewMap[uint32, bpf.RowEndpoint](bpf.RowMapEndpoints, m[bpf.RowMapEndpoints]),
		Uplinks:   table.NewMap[uint32, bpf.RowUplink](bpf.RowMapUplinks, m[bpf.RowMapUplinks]),
		Peers:     table.NewMap[bpf.RowUnderlayKey, bpf.RowPeer](bpf.RowMapPeers, m[bpf.RowMapPeers]),
		PeerSlots: table.NewMap[uint32, bpf.RowPeerSlot](bpf.RowMapPeerSlots, m[bpf.RowMapPeerSlots]),
		Locals:    table.NewMap[bpf.RowAddrKey, bpf.RowLocal](bpf.RowMapLocals, m[bpf.RowMapLocals]),
		Ports:     table.NewMap[uint32, bpf.RowPort](bpf.RowMapPorts, m[bpf.RowMapPorts]),
		Directory: table.NewMap[bpf.RowAddrKey, bpf.RowLocation](bpf.RowMapDirectory, m[bpf.RowMapDirectory]),
		Routes:    table.NewMap[bpf.RowPrefixKey, bpf.RowRoute](bpf.RowMapRoutes, m[bpf.RowMapRoutes]),
		Paths:     table.NewMap[bpf.RowAddrKey, bpf.RowPath](bpf.RowMapPaths, m[bpf.RowMapPaths]),

		PolicySets:     table.NewMap[uint32, bpf.RowPolicySet](bpf.RowMapPolicySets, m[bpf.RowMapPolicySets]),
		PolicyPeers:    table.NewMap[bpf.RowPolicyPeerKey, bpf.RowJudgement](bpf.RowMapPolicyPeers, m[bpf.RowMapPolicyPeers]),
		PolicyPrefixes: table.NewMap[bpf.RowPolicyPrefixKey, bpf.RowJudgement](bpf.RowMapPolicyPrefixes, m[bpf.RowMapPolicyPrefixes]),
		PolicyPorts:    table.NewMap[bpf.RowPolicyPortKey, bpf.RowJudgement](bpf.RowMapPolicyPorts, m[bpf.RowMapPolicyPorts]),
		Services:       table.NewMap[bpf.RowServiceKey, bpf.RowService](bpf.RowMapServices, m[bpf.RowMapServices]),
		Choices:        table.NewMap[uint32, bpf.RowChoices](bpf.RowMapChoices, m[bpf.RowMapChoices]),
		Backends:       table.NewMap[uint32, bpf.RowBackend](bpf.RowMapBackends, m[bpf.RowMapBackends]),
		Flows:          table.NewMap[bpf.RowFlowKey, bpf.RowFlow](bpf.RowMapFlows, m[bpf.RowMapFlows]),
		Openings:       table.NewMap[bpf.RowFlowKey, bpf.RowFlow](bpf.RowMapOpenings, m[bpf.RowMapOpenings]),
		Shares:         table.NewMap[uint32, bpf.RowShare](bpf.RowMapShares, m[bpf.RowMapShares]),
		RuleRoom:       int(m[bpf.RowMapRules].MaxEntries()),
	}
}

// Apply makes the maps hold s on the machine l; see [Holder.Apply].
func (d *Datapath) Apply(s state.Host, l state.Local) (Report, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.holder.Apply(s, l)
}

// Reach follows a change of how other hosts are reached; see [Holder.Reach].
func (d *Datapath) Reach(l state.Local) (Report, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.holder.Reach(l)
}

// Learn makes the programs know that an address is behind another host; see
// [Holder.Learn].
func (d *Datapath) Learn(vni uint32, addr netip.Addr, host string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.holder.Learn(vni, addr, host)
}

// Forget removes the paths that were learned to some places, or all of them when
// none is named; flows go on, and find their ways anew.
func (d *Datapath) Forget(places ...state.Place) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	meant := map[bpf.RowAddrKey]bool{}
	for _, at := range places {
		meant[bpf.RowAddrKey{Vni: at.VNI, Addr: at.Address.As16()}] = true
	}
	stale := staleHosts{}
	gone := func(key bpf.RowAddrKey, row bpf.RowPath) bool {
		if len(places) > 0 && !meant[key] {
			return false
		}
		stale.add(row)
		return true
	}
	_, err := sweep(d.paths, gone)
	if err != nil {
		err = fmt.Errorf("forget paths: %w", err)
	}
	d.holder.open.add(steps{stale: stale})
	return errors.Join(err, d.holder.settle())
}

// Tend does what is to be done of a datapath every few minutes, whatever happens; see
// [Holder.Tend].
func (d *Datapath) Tend(now time.Duration) (Tended, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.holder.Tend(now)
}

// Paths returns all that the programs have learned.
func (d *Datapath) Paths() (map[bpf.RowAddrKey]bpf.RowPath, error) {
	return d.paths.All()
}

// SetNow tells simulated programs the time.
func (d *Datapath) SetNow(now time.Duration) error {
	return d.now.Put(0, bpf.RowVirtualClock{Now: uint64(now)})
}

// TakeRecord returns what a simulated program recorded since the last call, and
// clears it: the zero record means that no program has run.
func (d *Datapath) TakeRecord() (bpf.RowRecord, error) {
	record, _, err := d.records.Lookup(0)
	if err != nil {
		return bpf.RowRecord{}, fmt.Errorf("read the record: %w", err)
	}
	if err := d.records.Delete(0); err != nil {
		return bpf.RowRecord{}, fmt.Errorf("clear the record: %w", err)
	}
	return record, nil
}

// Reset makes the datapath as it was when it was loaded: no rows, nothing
// learned, nothing counted.
func (d *Datapath) Reset() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	counted := map[string]uint32{bpf.RowMapDrops: everyRow, bpf.RowMapVerdicts: everyRow, bpf.RowMapRules: d.holder.counted}
	if err := d.Refund(); err != nil {
		return err
	}
	held := d.holder.rows
	if d.loaded.options.Mode != Simulated {
		held = encode.Rows{} // others may have written
	}
	if _, err := table.Sync(emptied(d.holder.tables, held)...); err != nil {
		d.holder.Reread()
		return fmt.Errorf("empty the maps: %w", err)
	}
	d.holder = NewHolder(d.holder.tables)
	d.holder.rows = encode.None()
	if _, err := table.Sync(table.Keep(d.fragments, noFragment, compareFragments), table.Keep(d.affinities, noAffinity, compareAffinities)); err != nil {
		return fmt.Errorf("empty what the programs remember: %w", err)
	}
	for name, rows := range counted {
		if err := d.zeroCounters(name, rows); err != nil {
			return err
		}
	}
	return errors.Join(d.records.Delete(0), d.now.Delete(0))
}

func noAffinity(bpf.RowAffinityKey, bpf.RowAffinity) bool { return false }

func compareAffinities(a, b bpf.RowAffinityKey) int {
	return cmp.Or(cmp.Compare(a.Service, b.Service), slices.Compare(a.Addr[:], b.Addr[:]))
}

// Close unloads programs and maps, unless they are attached or held elsewhere.
func (d *Datapath) Close() error { return d.loaded.close() }
