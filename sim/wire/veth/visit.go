// SPDX-License-Identifier: Apache-2.0

package veth

import (
	"fmt"
	"net/netip"

	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/wire"
	"github.com/mizar-net/mizar/topology"
	"github.com/mizar-net/mizar/topology/netns"
)

// visitor is who is outside as if he were an endpoint behind the host that he comes to,
// in the VPC of the backends that he is led to.
func (w *Wire) visitor(p wire.Probe) placed {
	e := state.Endpoint{Name: p.From, Addresses: []netip.Addr{p.Visit.Address}, MAC: topology.OutsideMAC}
	if len(p.Backends) > 0 {
		e.VNI = w.know.endpoints[p.Backends[0].Endpoint].VNI
	}
	return placed{Endpoint: e, host: p.Visit.Via, gateways: []netip.Addr{p.To}}
}

// outsideEar is the name of the ear at the device of all who are outside.
const outsideEar = topology.OutsideMark

// followOutside listens at the outside's device, if there is one.
func (e *ears) followOutside(room *netns.Net, t topology.Topology) error {
	e.outsiders = map[netip.Addr]string{}
	for _, o := range t.Outside {
		for _, a := range o.Addresses {
			e.outsiders[a] = o.Name
		}
	}
	if _, ok := e.endpoints[outsideEar]; ok || len(t.Outside) == 0 || len(t.Hosts) == 0 {
		return nil
	}
	err := room.InOutside(func() (err error) {
		e.endpoints[outsideEar], err = newEar(netns.OutsideDevice, endpointRoom)
		return err
	})
	if err != nil {
		return fmt.Errorf("listen outside: %w", err)
	}
	return nil
}

// cameOut are sightings without what came out at who is outside: it was seen when it left
// its host, and goes nowhere else from there.
func cameOut(seen []sighting) []sighting {
	var all []sighting
	for _, s := range seen {
		if !s.outside {
			all = append(all, s)
		}
	}
	return all
}
