// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"fmt"
	"net/netip"
	"sync"

	"github.com/cilium/ebpf"

	"github.com/mizar-net/mizar/bench/probe"
	"github.com/mizar-net/mizar/dataplane"
	"github.com/mizar-net/mizar/dataplane/encode"
	"github.com/mizar-net/mizar/dataplane/kernel"
	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/crowd"
	"github.com/mizar-net/mizar/sim/frame"
)

// Series is a case beside more and more rows that its packets do not meet. Its
// figures are called after it and the number: "growth/bouncer/endpoints/1000".
type Series struct {
	Name, What string
	// Axis is what there is more and more of, Sizes how many, and Base the
	// number that the others are compared with.
	Axis  string
	Sizes []int
	Base  int
	// Flows are the numbers of packets; many of them only from Base on.
	Flows []int

	axis *axis
	// cold packets are spread over all rows, not over those that a small
	// crowd has, too.
	cold bool
	// memory says what the hosts know when a run begins.
	memory memory
	// settle makes a host have the flows of packets before each run; nil: it has those
	// that packets have opened.
	settle  func(d *dataplane.Datapath, packets [][]byte) error
	program func(*dataplane.Datapath) *ebpf.Program
	// frames builds a packet that meets the n-th row.
	frames func(family, n int) (frame.Spec, error)
	want   want
}

// axis is what a host has more and more of. All series of an axis are measured
// side by side.
type axis struct {
	name  string
	sizes []int
	base  int
	crowd func(family, size int) (crowd.Crowd, error)
	// learned is how many ways are known.
	learned func(size int) int
	// limits are the most rows of maps that a state needs more of than the default;
	// nil: of none.
	limits func(state.Host) map[string]uint32
	series []Series
}

const (
	// someHosts, someEndpoints: where the axis is another one.
	someHosts, someEndpoints = 64, 256
	// mostEndpoints behind a host, mostPaths that are learned without that
	// the map has to forget any.
	mostEndpoints, mostPaths = 4095, 64000
)

// Growing are all series.
func Growing() []Series {
	var all []Series
	for _, a := range axes() {
		for _, s := range a.series {
			s.axis, s.Axis = &a, a.name
			if s.Sizes == nil {
				s.Sizes, s.Base = a.sizes, a.base
			}
			all = append(all, s)
		}
	}
	return all
}

func axes() []axis {
	return append([]axis{directoryAxis(), pathsAxis(), endpointsAxis(), vpcsAxis(), hostsAxis(), servicesAxis()}, policyAxes()...)
}

// many are 16,384 packets in turn; they meet as many rows as the base has.
var many = []int{1, probe.MaxFlows}

func directoryAxis() axis {
	bouncing := func(s Series) Series {
		s.program, s.frames, s.want = (*dataplane.Datapath).Uplink, bounce, relayed
		return s
	}
	return axis{
		name: "addresses in the bouncer's directory", sizes: []int{10, 1000, 100_000, 1_000_000}, base: 1000,
		crowd: func(family, size int) (crowd.Crowd, error) {
			return crowd.Crowd{Family: family, VPCs: 1, Hosts: someHosts, Endpoints: someEndpoints, Directory: size}, nil
		},
		series: []Series{
			bouncing(Series{Name: "growth/bouncer/endpoints", What: "a relayed packet; the same rows are met at any size", Flows: many}),
			bouncing(Series{
				Name: "growth/bouncer/cold-endpoints", What: "relayed packets that each meet another row, spread over all", Flows: cold, cold: true,
				Sizes: []int{probe.MaxFlows, 100_000, 1_000_000}, Base: probe.MaxFlows,
			}),
		},
	}
}

func pathsAxis() axis {
	return axis{
		name: "learned paths", sizes: []int{10, 1000, mostPaths}, base: 1000,
		crowd: func(family, _ int) (crowd.Crowd, error) {
			return crowd.Crowd{Family: family, VPCs: 1, Hosts: someHosts, Endpoints: someEndpoints}, nil
		},
		learned: func(size int) int { return size },
		series: []Series{{
			Name: "growth/established/paths", What: "an endpoint sends, the way is learned", Flows: many,
			program: (*dataplane.Datapath).Endpoint, frames: send, want: encapsulated,
		}},
	}
}

func endpointsAxis() axis {
	return axis{
		name: "endpoints behind the host", sizes: []int{10, 1000, mostEndpoints}, base: 1000,
		crowd: func(family, size int) (crowd.Crowd, error) {
			return crowd.Crowd{Family: family, VPCs: 1, Hosts: someHosts, Endpoints: size}, nil
		},
		learned: func(int) int { return 1 },
		series: []Series{
			{
				Name: "growth/established/endpoints", What: "one of the endpoints sends", Flows: hot,
				program: (*dataplane.Datapath).Endpoint, frames: send, want: encapsulated,
			},
			{
				Name: "growth/deliver/endpoints", What: "packets for endpoints behind the host", Flows: many,
				program: (*dataplane.Datapath).Uplink, frames: deliver, want: decapsulated,
			},
		},
	}
}

// vpcsAxis spreads one number of endpoints, of paths and of rows in the directory
// over more and more VPCs.
func vpcsAxis() axis {
	const endpoints = 4000
	uplink := (*dataplane.Datapath).Uplink
	return axis{
		name: "VPCs", sizes: []int{1, 100, 4000}, base: 1,
		crowd: func(family, size int) (crowd.Crowd, error) {
			return crowd.Crowd{Family: family, VPCs: size, Hosts: someHosts, Endpoints: endpoints, Directory: endpoints}, nil
		},
		learned: func(int) int { return endpoints },
		series: []Series{
			{
				Name: "growth/established/vpcs", What: "an endpoint sends, the way is learned", Flows: hot,
				program: (*dataplane.Datapath).Endpoint, frames: send, want: encapsulated,
			},
			{
				Name: "growth/deliver/vpcs", What: "a packet for an endpoint behind the host", Flows: hot,
				program: uplink, frames: deliver, want: decapsulated,
			},
			{
				Name: "growth/bouncer/vpcs", What: "a relayed packet", Flows: hot,
				program: uplink, frames: bounce, want: relayed,
			},
			{
				Name: "growth/divider/vpcs", What: "a packet for another subnet, of three in each VPC", Flows: hot,
				program: uplink, frames: divide, want: relayed,
			},
		},
	}
}

func hostsAxis() axis {
	uplink := (*dataplane.Datapath).Uplink
	return axis{
		name: "other hosts", sizes: []int{10, 1000, 16_000}, base: 10,
		crowd: func(family, size int) (crowd.Crowd, error) {
			s, err := stranger(family)
			return crowd.Crowd{
				Family: family, VPCs: 1, Hosts: size, Endpoints: someEndpoints, Directory: 1000, Strangers: []netip.Addr{s},
			}, err
		},
		learned: func(size int) int { return size },
		series: []Series{
			{
				Name: "growth/established/hosts", What: "an endpoint sends to other hosts", Flows: hot,
				program: (*dataplane.Datapath).Endpoint, frames: send, want: encapsulated,
			},
			{
				Name: "growth/deliver/hosts", What: "packets from other hosts", Flows: many,
				program: uplink, frames: deliver, want: decapsulated,
			},
			{
				Name: "growth/deliver/collided-hosts", What: "a packet from a host whose slot is another's: found in the hash", Flows: hot,
				program: uplink, frames: deliverCollided, want: decapsulated,
			},
			{
				Name: "growth/deliver/all-hosts", What: "packets from every other host in turn", Flows: cold, cold: true,
				Sizes: []int{1000, 16_000}, Base: 1000,
				program: uplink, frames: deliverAll, want: decapsulated,
			},
			{
				Name: "growth/bouncer/hosts", What: "a relayed packet", Flows: hot,
				program: uplink, frames: bounce, want: relayed,
			},
		},
	}
}

// What becomes of packets.
var (
	encapsulated = want{action: kernel.Redirect, verdict: "send", frame: tunnelled, resizing: probe.Resized}
	decapsulated = want{action: kernel.Redirect, verdict: "deliver", frame: delivered, resizing: probe.Resized}
	relayed      = want{action: kernel.Transmit, verdict: "relay", frame: tunnelled}
)

// send is a packet of endpoint 0, whose way is the n-th that was learned.
func send(family, n int) (frame.Spec, error) {
	return inner(crowd.Endpoint(family, 0), crowd.Elsewhere(family, n)), nil
}

// deliver is a packet for endpoint n.
func deliver(family, n int) (frame.Spec, error) {
	return outer(family, crowd.Peer(family, n%10), crowd.Endpoint(family, n), nil), nil
}

// deliverAll is a packet from host n.
func deliverAll(family, n int) (frame.Spec, error) {
	return outer(family, crowd.Peer(family, n), crowd.Endpoint(family, n%10), nil), nil
}

func deliverCollided(family, n int) (frame.Spec, error) {
	from, err := stranger(family)
	return outer(family, from, crowd.Endpoint(family, n), nil), err
}

// bounce is a packet for the n-th row of the directory, and divide for a subnet
// that others bounce.
func bounce(family, n int) (frame.Spec, error) {
	return asked(family, crowd.Located(family, n)), nil
}

func divide(family, n int) (frame.Spec, error) { return asked(family, crowd.Divided(family, n)), nil }

func asked(family int, to netip.Addr) frame.Spec {
	from := crowd.Peer(family, 1)
	return outer(family, from, to, &frame.Return{Limit: 4, Token: 1, Host: from})
}

func inner(from, to netip.Addr) frame.Spec {
	return frame.Spec{
		Kind: frame.UDP, SrcMAC: crowd.MAC(0), DstMAC: crowd.Gateway, Src: from, Dst: to,
		SrcPort: 1024, DstPort: 2000, Payload: make([]byte, payload),
	}
}

func outer(family int, from, to netip.Addr, question *frame.Return) frame.Spec {
	s := inner(crowd.Elsewhere(family, 0), to)
	s.Tunnel = &frame.Tunnel{
		SrcMAC: crowd.MAC(2), DstMAC: crowd.MAC(1), Src: from, Dst: crowd.Own(family), VNI: crowd.VNI,
		Options: frame.Options{Identity: &frame.Identity{}, Return: question},
	}
	return s
}

// stranger is the underlay address of a host whose slot in peer_slots is the
// first host's already. What the slots are is encode's business: it is asked.
var stranger = func() func(family int) (netip.Addr, error) {
	four := sync.OnceValues(func() (netip.Addr, error) { return findStranger(4) })
	six := sync.OnceValues(func() (netip.Addr, error) { return findStranger(6) })
	return func(family int) (netip.Addr, error) {
		if family == 4 {
			return four()
		}
		return six()
	}
}()

func findStranger(family int) (netip.Addr, error) {
	const from, to = 1 << 16, 1 << 18 // behind all other hosts
	for n := from; n < to; n++ {
		a := crowd.Peer(family, n)
		s, l := crowd.Crowd{Family: family, VPCs: 1, Hosts: 1, Strangers: []netip.Addr{a}}.State()
		rows, _, err := encode.Encode(s, l, encode.Index{})
		if err != nil {
			return netip.Addr{}, err
		}
		if len(rows.PeerSlots) == 1 {
			return a, nil
		}
	}
	return netip.Addr{}, fmt.Errorf("none of %d underlay addresses of IPv%d shares a slot with %s", to-from, family, crowd.Peer(family, 0))
}
