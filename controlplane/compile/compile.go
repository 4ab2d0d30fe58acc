// SPDX-License-Identifier: Apache-2.0

// Package compile makes the state of each host from the objects alone. It is
// pure: equal sets give deeply equal states.
//
// The network is partitioned. Where an endpoint is stands only in the state of
// its own host and of its subnet's bouncers; every other host learns it from a
// packet, when it needs it.
package compile

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/controlplane/overlay"
	"github.com/mizar-net/mizar/dataplane/state"
)

// Hosts returns the states of all hosts, in order of names.
func Hosts(set object.Set) []state.Host {
	n := newNetwork(set)
	states := make([]state.Host, len(set.Hosts))
	for i, h := range set.Hosts {
		states[i] = n.host(h)
	}
	return states
}

// Host returns the state of the host of that name.
func Host(set object.Set, name string) (state.Host, error) {
	h, ok := set.Host(name)
	if !ok {
		return state.Host{}, fmt.Errorf("compile the state of host %q: there is no such host", name)
	}
	return newNetwork(set).host(h), nil
}

// Live says what hosts believe of each other: whether host takes peer to be
// alive. Two hosts may believe otherwise. nil: everybody is alive.
type Live func(host, peer string) bool

// HostLive is [Host] for a host that believes the peers alive that alive names.
func HostLive(set object.Set, name string, alive func(peer string) bool) (state.Host, error) {
	h, err := Host(set, name)
	if err != nil {
		return state.Host{}, err
	}
	Mark([]state.Host{h}, func(_, peer string) bool { return alive(peer) })
	return h, nil
}

// Mark notes in the states of hosts which of their peers each believes to be
// down. The states must be those of one compilation, and be nobody else's.
func Mark(hosts []state.Host, live Live) {
	if live == nil {
		return
	}
	for _, h := range hosts {
		for i := range h.Peers {
			h.Peers[i].Down = !live(h.Name, h.Peers[i].Name)
		}
	}
}

// network is a set with its roles placed, indexed by what a host asks for.
type network struct {
	set object.Set
	mtu int // of every endpoint

	vpcs         map[string]vpc
	subnets      map[string]state.Subnet
	onHost       map[string][]object.Endpoint
	inSubnet     map[string][]object.Endpoint
	bouncedHere  map[string][]string // subnets by host
	dividedHere  map[string][]string // VPCs by host
	subnetsOfVPC map[string][]string
}

// vpc is what all hosts that serve a VPC know of it.
type vpc struct {
	vni      uint32
	dividers []string
}

func newNetwork(set object.Set) *network {
	n := &network{
		set: set, mtu: endpointMTU(set.Hosts),
		vpcs: map[string]vpc{}, subnets: map[string]state.Subnet{},
		onHost: map[string][]object.Endpoint{}, inSubnet: map[string][]object.Endpoint{},
		bouncedHere: map[string][]string{}, dividedHere: map[string][]string{},
		subnetsOfVPC: map[string][]string{},
	}
	live := make([]string, len(set.Hosts))
	for i, h := range set.Hosts {
		live[i] = h.Name
	}
	for _, v := range set.VPCs {
		dividers := overlay.Dividers(v, live)
		n.vpcs[v.Name] = vpc{vni: v.VNI, dividers: dividers}
		for _, host := range dividers {
			n.dividedHere[host] = append(n.dividedHere[host], v.Name)
		}
	}
	for _, s := range set.Subnets {
		n.addSubnet(s, overlay.Bouncers(s, live))
	}
	for _, e := range set.Endpoints {
		n.onHost[e.Host] = append(n.onHost[e.Host], e)
		n.inSubnet[e.Subnet] = append(n.inSubnet[e.Subnet], e)
	}
	return n
}

func (n *network) addSubnet(s object.Subnet, bouncers []string) {
	vni := n.vpcs[s.VPC].vni
	n.subnets[s.Name] = state.Subnet{
		Name: s.Name, VNI: vni,
		CIDRs: s.CIDRs, Gateways: s.Gateways,
		GatewayMAC: object.GatewayMAC(vni),
		Bouncers:   bouncers,
	}
	n.subnetsOfVPC[s.VPC] = append(n.subnetsOfVPC[s.VPC], s.Name)
	for _, host := range bouncers {
		n.bouncedHere[host] = append(n.bouncedHere[host], s.Name)
	}
}

func (n *network) host(h object.Host) state.Host {
	out := state.Host{Name: h.Name, Addresses: h.Addresses, MTU: h.MTU, VLAN: h.VLAN, XDP: h.XDP}
	for _, peer := range n.set.Hosts {
		if peer.Name != h.Name {
			out.Peers = append(out.Peers, state.Peer{Name: peer.Name, Addresses: peer.Addresses})
		}
	}
	subnets := n.served(h.Name)
	vpcs := map[string]bool{}
	for _, name := range n.dividedHere[h.Name] {
		vpcs[name] = true
	}
	for _, s := range n.set.Subnets {
		if subnets[s.Name] {
			known := n.subnets[s.Name]
			if slices.Contains(known.Bouncers, h.Name) {
				known.Bouncer = state.Complete
			}
			out.Subnets = append(out.Subnets, known)
			vpcs[s.VPC] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(vpcs)) {
		v := n.vpcs[name]
		out.VPCs = append(out.VPCs, state.VPC{
			Name: name, VNI: v.vni, Dividers: v.dividers,
			Divider: slices.Contains(v.dividers, h.Name),
		})
	}
	out.Endpoints = n.endpoints(h.Name)
	out.Directory = n.directory(h.Name)
	return out
}

// served returns the subnets that a host knows in any role.
func (n *network) served(host string) map[string]bool {
	subnets := map[string]bool{}
	for _, e := range n.onHost[host] {
		subnets[e.Subnet] = true
	}
	for _, name := range n.bouncedHere[host] {
		subnets[name] = true
	}
	for _, v := range n.dividedHere[host] {
		for _, name := range n.subnetsOfVPC[v] {
			subnets[name] = true
		}
	}
	return subnets
}

func (n *network) endpoints(host string) []state.Endpoint {
	var out []state.Endpoint
	for _, e := range n.onHost[host] {
		out = append(out, state.Endpoint{
			Name: e.Key(), VNI: n.subnets[e.Subnet].VNI, Subnet: e.Subnet,
			Addresses: e.Addresses, MAC: e.MAC, MTU: n.mtu, Form: e.Form, XDP: e.XDP,
			Generation: e.Generation,
		})
	}
	return out
}

func (n *network) directory(host string) []state.Location {
	var out []state.Location
	for _, subnet := range n.bouncedHere[host] {
		for _, e := range n.inSubnet[subnet] {
			for _, addr := range e.Addresses {
				out = append(out, state.Location{VNI: n.subnets[subnet].VNI, Address: addr, Subnet: subnet, Host: e.Host, Generation: e.Generation})
			}
		}
	}
	slices.SortFunc(out, func(a, b state.Location) int {
		return cmp.Or(cmp.Compare(a.VNI, b.VNI), a.Address.Compare(b.Address))
	})
	return out
}

// What a tunnelled packet carries before its IP packet, in bytes.
const (
	ipv4Header     = 20
	ipv6Header     = 40
	udpHeader      = 8
	geneveHeader   = 8
	identityOption = 8
	innerEthernet  = 14
	// largestOption is the longest that may stand beside the identity.
	largestOption = 28
)

// endpointMTU is the largest IP packet that an endpoint may send so that it
// fits into the smallest underlay with all options: endpoints may move, and
// packets go to every host.
func endpointMTU(hosts []object.Host) int {
	mtu, outer := object.MaxMTU, ipv4Header
	for _, h := range hosts {
		mtu = min(mtu, h.MTU)
		if slices.ContainsFunc(h.Addresses, netip.Addr.Is6) {
			outer = ipv6Header
		}
	}
	return mtu - outer - udpHeader - geneveHeader - identityOption - innerEthernet - largestOption
}
