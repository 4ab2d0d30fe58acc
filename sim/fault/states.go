// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"slices"

	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/topology"
)

// wrongVNI sets the top bit of all VNIs at the first host that has endpoints.
func wrongVNI(hosts []state.Host) {
	const bit = 1 << 23
	at := slices.IndexFunc(hosts, func(h state.Host) bool { return len(h.Endpoints) > 0 })
	if at < 0 {
		return
	}
	h := &hosts[at]
	h.VPCs, h.Subnets = slices.Clone(h.VPCs), slices.Clone(h.Subnets)
	h.Endpoints, h.Directory = slices.Clone(h.Endpoints), slices.Clone(h.Directory)
	for i := range h.VPCs {
		h.VPCs[i].VNI ^= bit
	}
	for i := range h.Subnets {
		h.Subnets[i].VNI ^= bit
	}
	for i := range h.Endpoints {
		h.Endpoints[i].VNI ^= bit
	}
	for i := range h.Directory {
		h.Directory[i].VNI ^= bit
	}
}

// emptyDirectory leaves bouncers without rows.
func emptyDirectory(hosts []state.Host) {
	for i := range hosts {
		hosts[i].Directory = nil
	}
}

// emptyDirectory6 leaves bouncers without rows of IPv6.
func emptyDirectory6(hosts []state.Host) {
	for i := range hosts {
		hosts[i].Directory = slices.DeleteFunc(slices.Clone(hosts[i].Directory), func(l state.Location) bool { return l.Address.Is6() })
	}
}

// noDividers leaves no host with the name of a divider.
func noDividers(hosts []state.Host) {
	for i := range hosts {
		hosts[i].VPCs = slices.Clone(hosts[i].VPCs)
		for j := range hosts[i].VPCs {
			hosts[i].VPCs[j].Dividers, hosts[i].VPCs[j].Divider = nil, false
		}
	}
}

// askTheDead lets hosts that believe others to be dead ask just these, whatever
// roles they had.
func askTheDead(hosts []state.Host) {
	for i := range hosts {
		h := &hosts[i]
		var dead []string
		h.Peers = slices.Clone(h.Peers)
		for j := range h.Peers {
			if h.Peers[j].Down {
				dead, h.Peers[j].Down = append(dead, h.Peers[j].Name), false
			}
		}
		if dead == nil {
			continue
		}
		h.Subnets, h.VPCs = slices.Clone(h.Subnets), slices.Clone(h.VPCs)
		for j := range h.Subnets {
			h.Subnets[j].Bouncers = dead
		}
		for j := range h.VPCs {
			h.VPCs[j].Dividers = dead
		}
	}
}

// loneDirectory leaves the directory of each subnet with the first of its bouncers
// alone; all others answer as if they had it.
func loneDirectory(hosts []state.Host) {
	for i := range hosts {
		h := &hosts[i]
		h.Directory = slices.DeleteFunc(slices.Clone(h.Directory), func(l state.Location) bool {
			at := slices.IndexFunc(h.Subnets, func(s state.Subnet) bool { return s.Name == l.Subnet })
			return at >= 0 && slices.Index(h.Subnets[at].Bouncers, h.Name) > 0
		})
	}
}

// noRouters leaves segments by themselves.
func noRouters(u topology.Underlay) topology.Underlay {
	u.Routers = nil
	return u
}

// wrongMode exchanges the modes of XDP, native and generic.
func wrongMode(hosts []state.Host) {
	other := func(x state.XDP) state.XDP {
		if x.Allows(state.Native) {
			return state.Generic
		}
		return state.Native
	}
	for i := range hosts {
		hosts[i].XDP = other(hosts[i].XDP)
		hosts[i].Endpoints = slices.Clone(hosts[i].Endpoints)
		for j := range hosts[i].Endpoints {
			hosts[i].Endpoints[j].XDP = other(hosts[i].Endpoints[j].XDP)
		}
	}
}
