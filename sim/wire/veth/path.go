// SPDX-License-Identifier: Apache-2.0

package veth

import (
	"slices"

	"github.com/mizar-net/mizar/sim/frame"
	"github.com/mizar-net/mizar/sim/wire"
)

// match says whether an inner packet is the one that is looked for.
type match func(frame.Layer) bool

// follow reads a packet's way off sightings, in the order of time: ears are
// read one after the other, so a frame that arrived in between can be heard
// later than what came of it. It starts at a host and goes on with each frame that the last host on the way put on the
// underlay, until the packet came out at an endpoint.
func (k knowledge) follow(seen []sighting, start placed, is match) wire.Packet {
	p := wire.Packet{Hosts: []string{start.host}}
	for _, s := range inOrder(seen) {
		if !is(s.packet.Inner) {
			continue
		}
		switch {
		case s.at.Stack != "": // no packet of a probe ends there
		case s.at.Endpoint != "":
			if !p.Delivered {
				p.Delivered, p.To = true, s.at.Endpoint
			}
		case !p.Delivered && s.packet.Tunnel && s.packet.VNI == start.VNI && s.at.Uplink == p.Hosts[len(p.Hosts)-1]:
			p.Frames = append(p.Frames, s.frame)
			p.Hosts = append(p.Hosts, k.byAddress[s.packet.OuterDst])
		}
	}
	p.Hops = len(p.Hosts) - 1
	return p
}

// followAll is follow, and reads the ways of all fragments if the packet was cut.
func (k knowledge) followAll(seen []sighting, start placed, is match) wire.Packet {
	p := k.follow(seen, start, is)
	for _, whole := range wholes(seen, is) {
		for _, at := range whole.offsets {
			p.Parts = append(p.Parts, k.follow(seen, start, func(y frame.Layer) bool {
				return whole.has(y) && y.Offset == at
			}))
		}
	}
	return p
}

// cut is a packet in fragments: the first of them, and where each begins.
type cut struct {
	first   frame.Layer
	offsets []int
}

// wholes are the packets in fragments that a match finds by the first ones.
func wholes(seen []sighting, is match) []cut {
	var all []cut
	for _, s := range seen {
		y := s.packet.Inner
		if !y.Fragment || y.Offset > 0 || !is(y) || slices.ContainsFunc(all, func(c cut) bool { return c.has(y) }) {
			continue
		}
		c := cut{first: y}
		for _, s := range seen {
			if c.has(s.packet.Inner) && !slices.Contains(c.offsets, s.packet.Inner.Offset) {
				c.offsets = append(c.offsets, s.packet.Inner.Offset)
			}
		}
		slices.Sort(c.offsets)
		all = append(all, c)
	}
	return all
}

// has says whether a packet is one of the fragments.
func (c cut) has(y frame.Layer) bool {
	return y.Fragment && y.IPID == c.first.IPID && y.Src == c.first.Src && y.Dst == c.first.Dst && y.Proto == c.first.Proto
}

// inOrder are sightings in the order of time.
func inOrder(seen []sighting) []sighting {
	return slices.SortedStableFunc(slices.Values(seen), func(a, b sighting) int { return a.when.Compare(b.when) })
}

// carriedTo is the host that the underlay took a frame to, "" for nobody.
func (k knowledge) carriedTo(s sighting) string {
	if s.at.Uplink == "" {
		return ""
	}
	if s.packet.Tunnel {
		return k.byAddress[s.packet.OuterDst]
	}
	return k.byMAC[s.packet.Inner.DstMAC]
}
