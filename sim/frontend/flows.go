// SPDX-License-Identifier: Apache-2.0

package frontend

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/mizar-net/mizar/controlplane/service"
	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/wire"
)

// flows are how many are spread over backends.
const flows = 1000

// firstPort is what the first flow comes from.
const firstPort = 10000

// chiLimit is what chi-square of three degrees of freedom exceeds once in ten thousand
// times by chance.
const chiLimit = 21.1

// spread sends flows from one port after the other, holds that each keeps one backend,
// and counts the flows of each.
func spread(ctx context.Context, n *network, family int, p wire.Proto, _ uint8) (wrong string, err error) {
	got := map[string]int{}
	for i := range flows {
		to, wrong, err := n.flow(ctx, family, p, uint16(firstPort+i))
		if wrong != "" || err != nil {
			return wrong, err
		}
		got[to]++
	}
	return uneven(got), nil
}

// uneven says that chance would hardly have given backends as many flows as each got.
func uneven(got map[string]int) string {
	const expected = float64(flows) / few
	chi := float64(few-len(got)) * expected // of those that got none
	for _, count := range got {
		d := float64(count) - expected
		chi += d * d / expected
	}
	if chi > chiLimit {
		return fmt.Sprintf("chi-square of %v is %.1f, at most %.1f", got, chi, chiLimit)
	}
	return ""
}

// reachAll sends a flow to each backend, from a port that chooses it.
func reachAll(ctx context.Context, n *network, family int, p wire.Proto, number uint8) (wrong string, err error) {
	s, err := n.service(family, number)
	if err != nil {
		return "", err
	}
	reached := map[string]bool{}
	for backend, source := range choosers(s, family) {
		to, wrong, err := n.flow(ctx, family, p, source)
		if wrong != "" || err != nil {
			return wrong, err
		}
		if want := n.owner(backend, family, p); to != want {
			return fmt.Sprintf("the flow from port %d reached %s, want %s", source, to, want), nil
		}
		reached[to] = true
	}
	if len(reached) != many {
		return fmt.Sprintf("%d backends were reached, want all of %d", len(reached), many), nil
	}
	return "", nil
}

// choosers has the client's port for each backend that some port chooses.
func choosers(s state.Service, family int) map[netip.AddrPort]uint16 {
	all := map[netip.AddrPort]uint16{}
	for source := firstPort; source < 1<<16 && len(all) < len(s.Backends); source++ {
		i := service.Choose(s.Table, service.Tuple{
			Source: netip.AddrPortFrom(client[family], uint16(source)), Destination: s.Frontends[0], Protocol: s.Protocol,
		})
		if _, found := all[s.Backends[i]]; !found {
			all[s.Backends[i]] = uint16(source)
		}
	}
	return all
}

// Hosts remember some flows of an endpoint, and forget them when they have been silent
// for a while.
const (
	remembered = 200
	silence    = 10 * time.Minute
)

// flow sends a flow of some packets, and returns who got them all; wrong says that
// somebody else did, or that there was no answer.
func (n *network) flow(ctx context.Context, family int, p wire.Proto, source uint16) (to, wrong string, err error) {
	if n.sent++; n.sent%remembered == 0 {
		if err := n.Advance(ctx, silence); err != nil {
			return "", "", fmt.Errorf("let hosts forget flows: %w", err)
		}
	}
	probe := wire.Probe{Proto: p, From: clientName, To: frontend[family], Port: port, SourcePort: source}
	if p == wire.UDP {
		probe.Count = 2
	}
	probe.Backends = n.backends(family, p)
	o, err := n.Probe(ctx, probe)
	if err != nil {
		return "", "", fmt.Errorf("a flow from port %d: %w", source, err)
	}
	for _, r := range o.Requests {
		if !r.Delivered {
			return "", fmt.Sprintf("a packet from port %d was lost: %s", source, r.Reason), nil
		}
		if to != "" && r.To != to {
			return "", fmt.Sprintf("packets from port %d reached %s and %s", source, to, r.To), nil
		}
		to = r.To
	}
	for _, r := range o.Replies {
		if !r.Delivered {
			return "", fmt.Sprintf("the answer to port %d was lost: %s", source, r.Reason), nil
		}
	}
	if len(o.Replies) == 0 || len(o.Replies) != len(o.Requests) {
		return "", fmt.Sprintf("%d packets from port %d had %d answers", len(o.Requests), source, len(o.Replies)), nil
	}
	return to, "", nil
}

// backends are what stands behind the service of a family and a protocol.
func (n *network) backends(family int, p wire.Proto) []wire.Backend {
	of := asked{family, p}
	if n.behind[of] == nil {
		n.behind[of] = wire.Backends(n.states, wire.Probe{Proto: p, From: clientName, To: frontend[family], Port: port})
	}
	return n.behind[of]
}

// owner is the name of the backend that has an address.
func (n *network) owner(at netip.AddrPort, family int, p wire.Proto) string {
	for _, b := range n.backends(family, p) {
		if b.At == at {
			return b.Endpoint
		}
	}
	return ""
}
