// SPDX-License-Identifier: Apache-2.0

package run

import (
	"fmt"

	"github.com/mizar-net/mizar/sim/scenario"
	"github.com/mizar-net/mizar/sim/wire"
)

// visit is the conversation of somebody outside with what a host serves to him.
func (r *runner) visit(p *scenario.Probe, proto wire.Proto) ([]conversation, error) {
	client, _ := r.ground.Outsider(p.From)
	own, ok := client.Address(p.To.Addr)
	if !ok {
		return nil, fmt.Errorf("probe from %s to %s: he has no address of that family", p.From, p.To)
	}
	family := familyOf(own)
	talk := conversation{
		name:   fmt.Sprintf("%s %s → %s port %d at %s", proto, p.From, p.To, p.Port, p.Via),
		expect: p.Expect, unknown: r.narrow(), service: true,
	}
	for flow := range max(p.Flows, 1) {
		probe := wire.Probe{
			Proto: proto, From: p.From, Visit: wire.Visit{Address: own, Via: p.Via}, To: p.To.Addr, Port: p.Port, SourcePort: p.Source,
			Count: p.Count, Size: p.Size, TOS: p.TOS, TTL: p.TTL, DontFragment: p.Whole,
		}
		if p.Source != 0 {
			probe.SourcePort += uint16(flow)
		}
		r.serve(&probe)
		talk.flows = append(talk.flows, probe)
	}
	talk.backends = talk.flows[0].Backends
	talk.cell = r.world.visitCell(p.Via, talk.backends, family, string(proto))
	if len(talk.backends) > 0 {
		talk.vni = r.world.vni(r.world.endpoints[talk.backends[0].Endpoint])
	}
	return []conversation{talk}, nil
}

// visitCell is the cell of a packet from outside: where it goes from the host that it
// comes to, and what is the same whichever backend gets it.
func (w world) visitCell(via string, backends []wire.Backend, family int, proto string) Cell {
	h := w.hosts[via]
	c := Cell{
		Family: familyName(family), Proto: proto, Path: "outside", Form: forms(h.Form, ""),
		XDP: scenario.Modes{Uplinks: h.XDP, Endpoints: h.XDP}.String(),
	}
	for i, b := range backends {
		e := w.endpoints[b.Endpoint]
		placement, over := "two-hosts", w.underlay(via, e.Host)
		if e.Host == via {
			placement = "same-host"
		}
		if i == 0 {
			c.Placement, c.Underlay = placement, over
		}
		if placement != c.Placement {
			c.Placement = ""
		}
	}
	return c
}
