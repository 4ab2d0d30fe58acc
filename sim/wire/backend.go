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
	frontend, protocol := netip.AddrPortFrom(p.To, p.Port), map[Proto]uint8{TCP: 6, UDP: 17}[p.Proto]
	if p.Visit.IsSet() {
		return gates(hosts, p.Visit.Via, frontend, protocol)
	}
	vni := vniOf(hosts, p.From)
	var all []netip.AddrPort
	for _, h := range hosts {
		for _, s := range h.Services {
			if s.VNI == vni && s.Protocol == protocol && slices.Contains(s.Frontends, frontend) {
				all = append(all, s.Backends...)
			}
		}
	}
	return named(hosts, vni, all)
}

// gates are the backends of what clients outside come to at a host.
func gates(hosts []state.Host, host string, frontend netip.AddrPort, protocol uint8) []Backend {
	for _, h := range hosts {
		if h.Name != host {
			continue
		}
		for _, s := range h.Outside {
			if s.Protocol != protocol || !slices.Contains(s.Frontends, frontend) {
				continue
			}
			var all []netip.AddrPort
			for _, b := range s.Backends {
				all = append(all, b.At)
			}
			return named(hosts, s.VNI, all)
		}
	}
	return nil
}

// named are the endpoints of a VPC that have some addresses.
func named(hosts []state.Host, vni uint32, all []netip.AddrPort) (out []Backend) {
	names := map[netip.Addr]string{}
	for _, h := range hosts {
		for _, e := range h.Endpoints {
			for _, a := range e.Addresses {
				if e.VNI == vni {
					names[a] = e.Name
				}
			}
		}
	}
	slices.SortFunc(all, netip.AddrPort.Compare)
	for _, at := range slices.Compact(all) {
		if name := names[at.Addr()]; name != "" {
			out = append(out, Backend{Endpoint: name, At: at})
		}
	}
	return out
}

// vniOf is the number of the VPC that an endpoint is in.
func vniOf(hosts []state.Host, endpoint string) (vni uint32) {
	for _, h := range hosts {
		for _, e := range h.Endpoints {
			if e.Name == endpoint {
				vni = e.VNI
			}
		}
	}
	return vni
}
