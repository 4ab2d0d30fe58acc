// SPDX-License-Identifier: Apache-2.0

package crowd

import (
	"net/netip"

	"github.com/mizar-net/mizar/dataplane/state"
)

// Machine is one that has all that a state needs: a device for every endpoint, from
// [Port] on, and a next hop for every peer.
func Machine(s state.Host) state.Local {
	l := state.Local{UplinkIndex: Port, UplinkMAC: state.MAC{2, 1}, Ports: map[string]uint32{}, NextHops: map[netip.Addr]state.MAC{}}
	for n, e := range s.Endpoints {
		l.Ports[e.Name] = uint32(Port + n)
	}
	for _, p := range s.Peers {
		for _, a := range p.Addresses {
			l.NextHops[a] = state.MAC{2, 2}
		}
	}
	return l
}
