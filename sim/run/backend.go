// SPDX-License-Identifier: Apache-2.0

package run

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/mizar-net/mizar/sim/oracle/judge"
	"github.com/mizar-net/mizar/sim/scenario"
	"github.com/mizar-net/mizar/sim/wire"
)

// serve tells a probe to a frontend what stands behind it. Its port is chosen here, where
// none is given: it is one of the things that a backend is chosen by, on every wire.
func (r *runner) serve(p *wire.Probe, vni uint32) {
	number := map[wire.Proto]uint8{wire.TCP: judge.TCP, wire.UDP: judge.UDP}[p.Proto]
	for _, at := range r.backends(vni, netip.AddrPortFrom(p.To, p.Port), number) {
		if e := r.world.at(vni, at.Addr()); e != nil {
			p.Backends = append(p.Backends, wire.Backend{Endpoint: e.Key(), At: at})
		}
	}
	if len(p.Backends) > 0 && p.SourcePort == 0 {
		r.servicePort = max(r.servicePort, firstServicePort-1) + 1
		p.SourcePort = r.servicePort
	}
}

// backends are what stands behind a frontend of a VPC, at any host.
func (r *runner) backends(vni uint32, frontend netip.AddrPort, protocol uint8) (all []netip.AddrPort) {
	for _, h := range r.states {
		for _, s := range h.Services {
			if s.VNI == vni && s.Protocol == protocol && slices.Contains(s.Frontends, frontend) {
				all = append(all, s.Backends...)
			}
		}
	}
	slices.SortFunc(all, netip.AddrPort.Compare)
	return slices.Compact(all)
}

// firstServicePort is the first that a probe to a frontend comes from: no wire's stack
// chooses it by itself.
const firstServicePort = 45000

// oneBackend holds that all packets of a flow to a service reach one endpoint.
func oneBackend(t conversation, a answer) []Failure {
	if !t.service || len(a.requests)%len(t.flows) != 0 {
		return nil
	}
	for packets := range slices.Chunk(a.requests, max(len(a.requests)/len(t.flows), 1)) {
		if all := reached(packets); len(all) > 1 {
			return []Failure{{Field: "backends of one flow", Got: strings.Join(all, ", "), Want: "one"}}
		}
	}
	return nil
}

// backends counts the endpoints that the flows of a conversation reached.
func backends(t conversation, a answer) []Failure {
	all := reached(a.requests)
	if t.expect.Backends == 0 || len(all) == t.expect.Backends {
		return nil
	}
	return []Failure{{Field: "backends", Got: fmt.Sprintf("%d (%s)", len(all), strings.Join(all, ", ")), Want: fmt.Sprint(t.expect.Backends)}}
}

// reached are the endpoints that packets were delivered to, in order of names.
func reached(packets []wire.Packet) []string {
	names := map[string]bool{}
	for _, p := range packets {
		if p.Delivered {
			names[scenario.Short(p.To)] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}
