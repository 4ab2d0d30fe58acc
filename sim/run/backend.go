// SPDX-License-Identifier: Apache-2.0

package run

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/mizar-net/mizar/sim/scenario"
	"github.com/mizar-net/mizar/sim/wire"
)

// serve tells a probe to a frontend what stands behind it. Its port is chosen here, where
// none is given: it is one of the things that a backend is chosen by, on every wire.
func (r *runner) serve(p *wire.Probe) {
	p.Backends = wire.Backends(r.states, *p)
	if (len(p.Backends) > 0 || p.Visit.IsSet()) && p.SourcePort == 0 {
		r.servicePort = max(r.servicePort, firstServicePort-1) + 1
		p.SourcePort = r.servicePort
	}
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
