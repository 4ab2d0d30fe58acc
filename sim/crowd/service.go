// SPDX-License-Identifier: Apache-2.0

package crowd

import (
	"fmt"
	"net/netip"

	"github.com/mizar-net/mizar/controlplane/service"
	"github.com/mizar-net/mizar/dataplane/state"
)

const (
	// Backends is how many each service has.
	Backends = 10
	// FrontendPort is the port of every service, BackendPort that of what stands
	// behind it; by UDP.
	FrontendPort, BackendPort = 80, 8080

	// places are where backends are: services share them, but no two neighbours do.
	places = 16384
	udp    = 17
)

// Frontend is the address of the n-th service.
func Frontend(family, n int) netip.Addr { return at(family, n, "172.16.0.0", "fd00:96::") }

// Services are so many of the first VPC, of one family. behind is the address of the
// n-th of 16,384 places, of which each service has ten.
func Services(family, services int, behind func(n int) netip.Addr) []state.Service {
	all := make([]state.Service, services)
	for n := range all {
		s := state.Service{
			Name: fmt.Sprintf("crowd/s%05d:%d/%d", n, FrontendPort, family), VNI: VNI, Protocol: udp,
			Frontends: []netip.AddrPort{netip.AddrPortFrom(Frontend(family, n), FrontendPort)},
		}
		first := n * Backends % (places - places%Backends)
		for b := range Backends {
			s.Backends = append(s.Backends, netip.AddrPortFrom(behind(first+b), BackendPort))
		}
		s.Table = service.Table(s.Backends)
		all[n] = s
	}
	return all
}
