// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"net/netip"
	"slices"

	"github.com/mizar-net/mizar/dataplane/state"
)

// Backends are what stands behind the frontend that a probe goes to, in order of
// addresses, by the states of all hosts; none: it goes to no frontend, or nobody that
// lives is behind it.
func Backends(hosts []state.Host, p Probe) []Backend {
	vni, names := neighbours(hosts, p.From)
	frontend, protocol := netip.AddrPortFrom(p.To, p.Port), map[Proto]uint8{TCP: 6, UDP: 17}[p.Proto]
	var all []netip.AddrPort
	for _, h := range hosts {
		for _, s := range h.Services {
			if s.VNI == vni && s.Protocol == protocol && slices.Contains(s.Frontends, frontend) {
				all = append(all, s.Backends...)
			}
		}
	}
	slices.SortFunc(all, netip.AddrPort.Compare)
	var out []Backend
	for _, at := range slices.Compact(all) {
		if name := names[at.Addr()]; name != "" {
			out = append(out, Backend{Endpoint: name, At: at})
		}
	}
	return out
}

// neighbours are the names of the endpoints of the VPC that one is in, by address.
func neighbours(hosts []state.Host, of string) (vni uint32, names map[netip.Addr]string) {
	for _, h := range hosts {
		for _, e := range h.Endpoints {
			if e.Name == of {
				vni = e.VNI
			}
		}
	}
	names = map[netip.Addr]string{}
	for _, h := range hosts {
		for _, e := range h.Endpoints {
			for _, a := range e.Addresses {
				if e.VNI == vni {
					names[a] = e.Name
				}
			}
		}
	}
	return vni, names
}
