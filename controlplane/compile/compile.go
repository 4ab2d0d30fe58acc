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
	"maps"
	"net/netip"
	"slices"

	"github.com/mizar-net/mizar/controlplane/identity"
	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/controlplane/overlay"
	"github.com/mizar-net/mizar/controlplane/policy"
	"github.com/mizar-net/mizar/controlplane/service"
	"github.com/mizar-net/mizar/dataplane/state"
)

// Hosts returns the states of all hosts, in order of names, when all is well.
func Hosts(set object.Set) []state.Host { return View{}.Hosts(set) }

// Host returns the state of the host of that name, when all is well.
func Host(set object.Set, name string) (state.Host, error) { return View{}.Host(set, name) }

// Live says what hosts believe of each other: whether host takes peer to be
// alive. Two hosts may believe otherwise. nil: everybody is alive.
type Live func(host, peer string) bool

// HostLive is [Host] for a host that believes the peers alive that alive names.
func HostLive(set object.Set, name string, alive func(peer string) bool) (state.Host, error) {
	return View{Live: func(_, peer string) bool { return alive(peer) }}.Host(set, name)
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

	view         View
	book         *identity.Book
	policies     *policy.Compiler
	services     *service.Compiler
	vpcs         map[string]vpc
	subnets      map[string]state.Subnet
	onHost       map[string][]object.Endpoint
	inSubnet     map[string][]object.Endpoint
	bouncedHere  map[string][]string // subnets by host that holds the role
	dividedHere  map[string][]string // VPCs by host that holds the role
	subnetsOfVPC map[string][]string
}

// vpc is what all hosts that serve a VPC know of it.
type vpc struct {
	vni      uint32
	leaves   bool
	dividers []string
}

func newNetwork(set object.Set, view View) *network {
	n := &network{
		set: set, mtu: endpointMTU(set.Hosts), view: view,
		vpcs: map[string]vpc{}, subnets: map[string]state.Subnet{},
		onHost: map[string][]object.Endpoint{}, inSubnet: map[string][]object.Endpoint{},
		bouncedHere: map[string][]string{}, dividedHere: map[string][]string{},
		subnetsOfVPC: map[string][]string{},
	}
	if n.book = view.Identities; n.book == nil {
		n.book = identity.Fresh(set)
	}
	roles := view.roles(set)
	for _, v := range set.VPCs {
		holders := roles[overlay.Role{Kind: overlay.Divider, Of: v.Name}]
		n.vpcs[v.Name] = vpc{vni: v.VNI, dividers: holders.Asked, leaves: v.Masquerade}
		for _, host := range holders.All() {
			n.dividedHere[host] = append(n.dividedHere[host], v.Name)
		}
	}
	for _, s := range set.Subnets {
		n.addSubnet(s, roles[overlay.Role{Kind: overlay.Bouncer, Of: s.Name}])
	}
	for _, e := range set.Endpoints {
		n.onHost[e.Host] = append(n.onHost[e.Host], e)
		n.inSubnet[e.Subnet] = append(n.inSubnet[e.Subnet], e)
	}
	return n
}

// judge compiles the services, and the policies for one host alone or, when nil, for
// all.
func (n *network) judge(only *object.Host) {
	set := n.set
	n.services = service.Compile(set)
	if only != nil {
		set.Endpoints = n.onHost[only.Name]
	}
	n.policies = policy.Compile(set, n.book)
}

func (n *network) addSubnet(s object.Subnet, bouncers overlay.Holders) {
	vni := n.vpcs[s.VPC].vni
	n.subnets[s.Name] = state.Subnet{
		Name: s.Name, VNI: vni,
		CIDRs: s.CIDRs, Gateways: s.Gateways,
		GatewayMAC: object.GatewayMAC(vni),
		Bouncers:   bouncers.Asked,
	}
	n.subnetsOfVPC[s.VPC] = append(n.subnetsOfVPC[s.VPC], s.Name)
	for _, host := range bouncers.All() {
		n.bouncedHere[host] = append(n.bouncedHere[host], s.Name)
	}
}

func (n *network) host(h object.Host) state.Host {
	out := state.Host{Name: h.Name, Addresses: h.Addresses, MTU: h.MTU, VLAN: h.VLAN, Form: h.Form, XDP: h.XDP, MasqueradePorts: h.MasqueradePorts}
	for _, peer := range n.set.Hosts {
		if peer.Name != h.Name {
			out.Peers = append(out.Peers, state.Peer{Name: peer.Name, Addresses: peer.Addresses})
		}
	}
	subnets, bounced := n.served(h.Name), map[string]bool{}
	for _, name := range n.bouncedHere[h.Name] {
		bounced[name] = true
	}
	vpcs, divided := map[string]bool{}, map[string]bool{}
	for _, name := range n.dividedHere[h.Name] {
		vpcs[name], divided[name] = true, true
	}
	for _, s := range n.set.Subnets {
		if subnets[s.Name] {
			known := n.subnets[s.Name]
			if bounced[s.Name] {
				known.Bouncer, _ = n.view.part(h.Name, s.Name)
			}
			out.Subnets = append(out.Subnets, known)
			vpcs[s.VPC] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(vpcs)) {
		v := n.vpcs[name]
		out.VPCs = append(out.VPCs, state.VPC{
			Name: name, VNI: v.vni, Dividers: v.dividers,
			Divider: divided[name], Leaves: v.leaves,
		})
	}
	out.Services = n.services.Host(h.Name, n.lived(h.Name)...)
	out.Outside = n.services.Outside(h)
	out.Endpoints = n.endpoints(h.Name, out.Services)
	out.Directory = n.directory(h.Name)
	out.Policy = n.policies.Host(h.Name)
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

// lived are the VPCs that a host has endpoints in.
func (n *network) lived(host string) []uint32 {
	var all []uint32
	for _, e := range n.onHost[host] {
		all = append(all, n.subnets[e.Subnet].VNI)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func (n *network) endpoints(host string, services []state.Service) []state.Endpoint {
	var out []state.Endpoint
	for _, e := range n.onHost[host] {
		ingress, egress := n.policies.Sets(e.Key())
		out = append(out, state.Endpoint{
			Name: e.Key(), VNI: n.subnets[e.Subnet].VNI, Subnet: e.Subnet,
			Addresses: e.Addresses, MAC: e.MAC, MTU: n.mtu, Form: e.Form, XDP: e.XDP,
			Identity: n.identity(e), Generation: e.Generation, Routes: n.routes(e, services),
			Ingress: ingress, Egress: egress, KeepEstablished: n.set.Namespace(e.Namespace).KeepEstablished(),
		})
	}
	return out
}

func (n *network) directory(host string) []state.Location {
	var out []state.Location
	for _, subnet := range n.bouncedHere[host] {
		_, heard := n.view.part(host, subnet)
		for _, e := range n.inSubnet[subnet] {
			if !heard(e) {
				continue
			}
			for _, addr := range e.Addresses {
				out = append(out, state.Location{
					VNI: n.subnets[subnet].VNI, Address: addr, Subnet: subnet, Host: e.Host,
					Identity: n.identity(e), Generation: e.Generation,
				})
			}
		}
	}
	slices.SortFunc(out, func(a, b state.Location) int {
		return cmp.Or(cmp.Compare(a.VNI, b.VNI), a.Address.Compare(b.Address))
	})
	return out
}

// identity is an endpoint's; 0: it has none.
func (n *network) identity(e object.Endpoint) uint32 {
	if e.Self {
		return state.IdentityHost
	}
	return n.book.Numbers[e.Key()]
}

// routes are what a host's own endpoint reaches: all subnets of its VPC, and the
// frontends of its services.
func (n *network) routes(e object.Endpoint, services []state.Service) []netip.Prefix {
	if !e.Self {
		return nil
	}
	own, _ := n.set.Subnet(e.Subnet)
	var all []netip.Prefix
	for _, s := range n.set.Subnets {
		if s.VPC == own.VPC {
			all = append(all, s.CIDRs...)
		}
	}
	for _, s := range services {
		for _, f := range s.Frontends {
			if s.VNI == n.vpcs[own.VPC].vni {
				all = append(all, netip.PrefixFrom(f.Addr(), f.Addr().BitLen()))
			}
		}
	}
	slices.SortFunc(all, func(a, b netip.Prefix) int {
		return cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Bits(), b.Bits()))
	})
	return slices.Compact(all)
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
