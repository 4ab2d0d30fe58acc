// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/frame"
	"github.com/mizar-net/mizar/sim/wire"
)

// eachService changes a copy of every service, whose backends and table are its own.
func eachService(change func(*state.Service)) func([]state.Host) {
	return func(hosts []state.Host) {
		for i := range hosts {
			hosts[i].Services = slices.Clone(hosts[i].Services)
			for j := range hosts[i].Services {
				s := &hosts[i].Services[j]
				s.Backends, s.Table = slices.Clone(s.Backends), slices.Clone(s.Table)
				change(s)
			}
		}
	}
}

// samePort leads to the backends' port of the frontend's number.
func samePort(s *state.Service) {
	for i, b := range s.Backends {
		s.Backends[i] = netip.AddrPortFrom(b.Addr(), s.Frontends[0].Port())
	}
}

// eachGate changes a copy of every service for the outside, with the host that serves it.
func eachGate(change func(host string, s *state.OutsideService)) func([]state.Host) {
	return func(hosts []state.Host) {
		for i := range hosts {
			hosts[i].Outside = slices.Clone(hosts[i].Outside)
			for j := range hosts[i].Outside {
				s := &hosts[i].Outside[j]
				s.Backends = slices.Clone(s.Backends)
				change(hosts[i].Name, s)
			}
		}
	}
}

// sameGate leads to the backends' port of the frontend's number.
func sameGate(_ string, s *state.OutsideService) {
	for i, b := range s.Backends {
		s.Backends[i].At = netip.AddrPortFrom(b.At.Addr(), s.Frontends[0].Port())
	}
}

// homely serves nobody where there is no backend.
func homely(host string, s *state.OutsideService) {
	if !slices.ContainsFunc(s.Backends, func(b state.OutsideBackend) bool { return b.Host == host }) {
		s.Backends, s.Table = nil, nil
	}
}

// shutIn lets nobody leave a VPC.
func shutIn(hosts []state.Host) {
	for i := range hosts {
		hosts[i].VPCs = slices.Clone(hosts[i].VPCs)
		for j := range hosts[i].VPCs {
			hosts[i].VPCs[j].Leaves = false
		}
	}
}

// halvePorts takes half of the ports away that flows leave by.
func halvePorts(hosts []state.Host) {
	for i := range hosts {
		if p := &hosts[i].MasqueradePorts; *p != (state.Ports{}) {
			p.Last -= (p.Last - p.First + 1) / 2
		}
	}
}

// openRanges is for everybody.
func openRanges(_ string, s *state.OutsideService) { s.Ranges = nil }

// onePort leads to the port that the first backend has, at all of them.
func onePort(s *state.Service) {
	for i, b := range s.Backends {
		s.Backends[i] = netip.AddrPortFrom(b.Addr(), s.Backends[0].Port())
	}
}

// choosing lets flows choose from the first few backends.
func choosing(few uint16) func(*state.Service) {
	return func(s *state.Service) {
		for i := range s.Table {
			s.Table[i] %= few
		}
	}
}

// byRemainder gives places to backends in turn, whoever they are.
func byRemainder(s *state.Service) {
	for i := range s.Table {
		s.Table[i] = uint16(i % len(s.Backends))
	}
}

const day = 24 * time.Hour

// keeping lets clients keep their backend for that long, where they keep one.
func keeping(d time.Duration) func(*state.Service) {
	return func(s *state.Service) {
		if s.Affinity > 0 {
			s.Affinity = d
		}
	}
}

// sharedServices leads flows to a frontend to the backends that somebody of the lowest VNI
// has behind the same.
func sharedServices(hosts []state.Host) {
	for i := range hosts {
		all := hosts[i].Services
		eachService(func(s *state.Service) {
			for _, other := range all {
				if other.VNI < s.VNI && other.Protocol == s.Protocol && slices.Equal(other.Frontends, s.Frontends) {
					s.Backends, s.Table = other.Backends, other.Table
				}
			}
		})(hosts[i : i+1])
	}
}

// firstServices leaves hosts with the services that they were given at first.
func firstServices() func([]state.Host) {
	had := map[string][]state.Service{}
	return func(hosts []state.Host) {
		for i, h := range hosts {
			if _, found := had[h.Name]; !found {
				had[h.Name] = h.Services
			}
			hosts[i].Services = had[h.Name]
		}
	}
}

// frailServices takes all services from hosts that are given others than at first.
func frailServices() func([]state.Host) {
	first := map[string]int{}
	return func(hosts []state.Host) {
		for i, h := range hosts {
			if _, found := first[h.Name]; !found {
				first[h.Name] = len(h.Services)
			}
			if len(h.Services) != first[h.Name] {
				hosts[i].Services = nil
			}
		}
	}
}

// bareReplies lets the answers of backends come from their own addresses, where who asked
// a frontend knows nothing of them.
func bareReplies(*planted) func(wire.Probe, *wire.Outcome) {
	return func(probe wire.Probe, o *wire.Outcome) {
		for i := range o.Replies {
			if p := &o.Replies[i]; len(probe.Backends) > 0 && p.Delivered {
				lose(p)
				p.Reason = fmt.Sprintf("endpoint %s discards it", probe.From)
			}
		}
	}
}

// restless lets each packet of a flow to a frontend come out at another backend.
func restless(*planted) func(wire.Probe, *wire.Outcome) {
	return func(probe wire.Probe, o *wire.Outcome) {
		for i := range o.Requests {
			if p := &o.Requests[i]; p.Delivered && len(probe.Backends) > 1 {
				p.To = probe.Backends[i%len(probe.Backends)].Endpoint
			}
		}
	}
}

// loseToSelf loses what comes back to its own sender.
func loseToSelf(*planted) func(wire.Probe, *wire.Outcome) {
	return func(probe wire.Probe, o *wire.Outcome) {
		for i := range o.Requests {
			if p := &o.Requests[i]; p.To == probe.From && len(probe.Backends) > 0 {
				lose(p)
				o.Replies = nil
			}
		}
	}
}

// addUp gives UDP datagrams that have no checksum one.
func addUp(_ wire.Port, _ [][]byte, out []wire.Emission) []wire.Emission {
	const firstOfUDP = 14 + 20
	for i := range out {
		p, err := frame.Decode(out[i].Frame)
		if err != nil || p.Inner.Proto != frame.ProtoUDP || !p.Inner.Src.Is4() || out[i].At.Endpoint == "" {
			continue
		}
		out[i].Frame = slices.Clone(out[i].Frame)
		sum := out[i].Frame[firstOfUDP+6 : firstOfUDP+8]
		sum[1] = cmp.Or(sum[1], 1)
	}
	return out
}

// keepCRC gives SCTP packets the checksum that they were sent with, whatever their ports are
// where they come out.
func keepCRC(_ wire.Port, frames [][]byte, out []wire.Emission) []wire.Emission {
	const before, sum = 8, 4 // bytes of SCTP's header before its checksum, and of that
	for i := range out {
		transport, ok := sctpAt(out[i].Frame)
		sent, same := sctpAt(frames[0])
		if !ok || !same || out[i].At.Endpoint == "" {
			continue
		}
		out[i].Frame = slices.Clone(out[i].Frame)
		copy(out[i].Frame[transport+before:][:sum], frames[0][sent+before:])
	}
	return out
}

// sctpAt says where the header of SCTP stands in a frame that has no tunnel.
func sctpAt(b []byte) (at int, ok bool) {
	p, err := frame.Decode(b)
	if err != nil || p.Tunnel || p.Inner.Proto != frame.ProtoSCTP {
		return 0, false
	}
	if p.Inner.Src.Is4() {
		return 14 + 20, true
	}
	return 14 + 40, true
}
