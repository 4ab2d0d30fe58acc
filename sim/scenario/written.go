// SPDX-License-Identifier: Apache-2.0

package scenario

import (
	"slices"

	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/controlplane/object/strict"
	"github.com/mizar-net/mizar/sim/wire"
)

// writable are the maps that states write to, and the word for those of policy.
var writable = []string{
	wire.PolicyRows, bpf.RowMapPolicySets, bpf.RowMapPolicyPeers, bpf.RowMapPolicyPrefixes, bpf.RowMapPolicyPorts,
	bpf.RowMapHosts, bpf.RowMapVpcs, bpf.RowMapSubnets, bpf.RowMapEndpoints, bpf.RowMapUplinks, bpf.RowMapPeers,
	bpf.RowMapPeerSlots, bpf.RowMapLocals, bpf.RowMapPorts, bpf.RowMapDirectory, bpf.RowMapRoutes,
}

// rowsWritten reads how many rows hosts may have written: {h1: {policy: 0, locals: {least: 1}}}.
func (d *decoder) rowsWritten(v strict.Value) map[string]map[string]Bounds[int] {
	if !v.Present() && d.shape == nil {
		return nil
	}
	all := map[string]map[string]Bounds[int]{}
	for _, host := range v.Entries() {
		d.hostKey(host)
		all[host.Key] = map[string]Bounds[int]{}
		for _, name := range host.Value.Entries() {
			if !slices.Contains(writable, name.Key) {
				unknown(name.Value, "map", name.Key, writable)
			}
			all[host.Key][name.Key] = d.number(name.Value)
		}
	}
	return all
}
