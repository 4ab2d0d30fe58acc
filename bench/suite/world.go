// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/mizar-net/mizar/dataplane"
	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/crowd"
)

const (
	vni = crowd.VNI
	// endpoints is how many live behind the host under test.
	endpoints = 256
	// peers is how many other hosts there are.
	peers = 64
	// port is where the endpoint under test sends from, and the uplink: the
	// device that TEST_RUN says frames came from is the loopback.
	port = 1
)

// Places in the address plan. Every subnet has room for 16,384 addresses at
// each of its places.
//
//	home     the subnet of the host's endpoints; bounced by others
//	bounced  the host has the directory of this one
//	divided  the host knows only who bounces this one
type place struct {
	v4, v6 netip.Addr
}

var (
	locals   = place{netip.MustParseAddr("10.0.0.16"), netip.MustParseAddr("fd00:a::10")}
	learned  = place{netip.MustParseAddr("10.1.0.0"), netip.MustParseAddr("fd00:a::1:0")}
	unknown  = place{netip.MustParseAddr("10.2.0.0"), netip.MustParseAddr("fd00:a::2:0")}
	bounced  = place{netip.MustParseAddr("10.8.0.0"), netip.MustParseAddr("fd00:b::1:0")}
	divided  = place{netip.MustParseAddr("10.16.0.0"), netip.MustParseAddr("fd00:c::1:0")}
	underlay = place{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")}

	gateway = crowd.Gateway
)

// at is the n-th address of a place.
func (p place) at(family, n int) netip.Addr {
	if family == 4 {
		b := p.v4.As4()
		v := uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
		v += uint32(n)
		return netip.AddrFrom4([4]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)})
	}
	b := p.v6.As16()
	v := uint32(b[13])<<16 | uint32(b[14])<<8 | uint32(b[15])
	v += uint32(n)
	b[13], b[14], b[15] = byte(v>>16), byte(v>>8), byte(v)
	return netip.AddrFrom16(b)
}

func peerName(n int) string { return fmt.Sprintf("p%02d", n%peers) }

// peer is the underlay address of a peer.
func peer(family, n int) netip.Addr { return underlay.at(family, 1+n%peers) }

// own is the MAC of an endpoint behind the host.
func own(n int) state.MAC { return state.MAC{0x02, 0, 0, 0, byte(n >> 8), byte(n)} }

// setting is what cases that share a datapath have in common.
type setting struct {
	family, flows int
	guard         crowd.Guard
	services      int
	gated         bool
}

// settingOf is what a case's datapath holds.
func settingOf(c Case, k Key) setting {
	return setting{k.Family, k.Flows, c.guard, c.services, c.gated}
}

// state is what the host under test holds.
func (w setting) state() (state.Host, state.Local) {
	h := state.Host{
		Name: "h1", Addresses: []netip.Addr{underlay.at(w.family, 0)}, MTU: 1500,
		VPCs: []state.VPC{{Name: "red", VNI: vni, Dividers: []string{"h1"}, Divider: true}},
		Subnets: []state.Subnet{
			subnet("bounced", "10.8.0.0/14", "fd00:b::/64", "h1"),
			subnet("divided", "10.16.0.0/14", "fd00:c::/64", peerName(3), peerName(4)),
			subnet("home", "10.0.0.0/14", "fd00:a::/64", peerName(1), peerName(2)),
		},
	}
	h.Subnets[0].Bouncer = state.Complete
	l := state.Local{UplinkIndex: port, UplinkMAC: state.MAC{2, 1}, Ports: map[string]uint32{}, NextHops: map[netip.Addr]state.MAC{}}
	for n := range peers {
		h.Peers = append(h.Peers, state.Peer{Name: peerName(n), Addresses: []netip.Addr{peer(w.family, n)}})
		l.NextHops[peer(w.family, n)] = state.MAC{2, 1, 0, 0, 0, byte(n + 1)}
	}
	for n := range endpoints {
		name := fmt.Sprintf("default/e%03d", n)
		h.Endpoints = append(h.Endpoints, state.Endpoint{
			Name: name, VNI: vni, Subnet: "home", MAC: own(n), MTU: 1400,
			Addresses: []netip.Addr{locals.at(4, n), locals.at(6, n)},
		})
		l.Ports[name] = uint32(port + n)
	}
	w.guard.Fill(&h)
	h.Services = servicesOf(w.family, w.services)
	if w.gated {
		h.Outside = []state.OutsideService{gateOf(w.family)}
		l.Outside = map[netip.Addr]state.MAC{netip.IPv4Unspecified(): {2, 7}, netip.IPv6Unspecified(): {2, 7}}
	}
	for n := range w.flows {
		h.Directory = append(h.Directory, state.Location{
			VNI: vni, Address: bounced.at(w.family, n), Subnet: "bounced", Host: peerName(n),
		})
	}
	return h, l
}

func subnet(name, v4, v6 string, bouncers ...string) state.Subnet {
	return state.Subnet{
		Name: name, VNI: vni, GatewayMAC: gateway, Bouncers: bouncers,
		CIDRs:    []netip.Prefix{netip.MustParsePrefix(v4), netip.MustParsePrefix(v6)},
		Gateways: []netip.Addr{netip.MustParsePrefix(v4).Addr().Next(), netip.MustParsePrefix(v6).Addr().Next()},
	}
}

// load makes a datapath in which the setting holds.
func (w setting) load() (*dataplane.Datapath, error) {
	d, err := dataplane.Load(dataplane.Options{Mode: dataplane.Repeated, Uplink: dataplane.Transmits, TokenSecret: 1})
	if err != nil {
		return nil, err
	}
	if err := w.fill(d); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

func (w setting) fill(d *dataplane.Datapath) error {
	if _, err := d.Apply(w.state()); err != nil {
		return err
	}
	for n := range max(w.flows, w.services*crowd.Backends) {
		if err := d.Learn(vni, learned.at(w.family, n), peerName(n)); err != nil {
			return err
		}
	}
	return nil
}
