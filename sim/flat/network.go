// SPDX-License-Identifier: Apache-2.0

package flat

import (
	"fmt"
	"net/netip"
	"time"

	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/mizar-net/mizar/controlplane/compile"
	"github.com/mizar-net/mizar/controlplane/identity"
	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/dataplane/state"
)

// Amount is how much policy there is of one endpoint, in each direction.
type Amount struct {
	// Policies each have so many Rules, and each rule so many CIDRs.
	Policies, Rules, CIDRs int
}

// rules are all rules of an amount.
func (a Amount) rules() int { return a.Policies * a.Rules }

// The names and numbers of the network: the subject is behind the host under test, the
// client behind another one.
const (
	here, there = "h1", "h2"
	vni         = 100
	openPort    = 80
	closedPort  = 79
	morePorts   = 1000
)

// ends are the addresses of subject and client by family.
var ends = map[int][2]netip.Addr{
	4: {netip.MustParseAddr("10.0.0.10"), netip.MustParseAddr("10.0.0.11")},
	6: {netip.MustParseAddr("fd00::10"), netip.MustParseAddr("fd00::11")},
}

var underlay = map[string]netip.Addr{here: netip.MustParseAddr("192.0.2.1"), there: netip.MustParseAddr("192.0.2.2")}

// state is what the host under test holds. It bounces the subnet, so that it knows where
// the client is, and who.
func (a Amount) state() (state.Host, error) {
	draft := object.Draft{
		VPCs: []object.VPC{{Meta: object.Meta{Name: "red"}, VNI: vni, Dividers: object.Placement{Hosts: []string{here}}}},
		Subnets: []object.Subnet{{
			Meta: object.Meta{Name: "s"}, VPC: "red", Bouncers: object.Placement{Hosts: []string{here}},
			CIDRs: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/16"), netip.MustParsePrefix("fd00::/64")},
		}},
	}
	for _, name := range []string{here, there} {
		draft.Hosts = append(draft.Hosts, object.Host{Meta: object.Meta{Name: name}, Addresses: []netip.Addr{underlay[name]}})
	}
	for i, e := range []struct{ name, host string }{{"subject", here}, {"client", there}} {
		draft.Endpoints = append(draft.Endpoints, object.Endpoint{
			Meta:   object.Meta{Name: e.name, Namespace: "x", Labels: map[string]string{"app": e.name}},
			Subnet: "s", Host: e.host, Addresses: []netip.Addr{ends[4][i], ends[6][i]},
		})
	}
	for n := range a.Policies {
		draft.Policies = append(draft.Policies, a.policy(n))
	}
	set, err := object.New(draft)
	if err != nil {
		return state.Host{}, fmt.Errorf("make a network: %w", err)
	}
	book, _, err := identity.Ledger{}.Step(set, time.Unix(0, 0))
	if err != nil {
		return state.Host{}, fmt.Errorf("make a network: %w", err)
	}
	return compile.View{Identities: &book}.Hosts(book.Give(set))[0], nil
}

// policy lets the client in and out, and blocks of addresses that nobody has: the first
// rule of all at the open port, each other one at a port of its own.
func (a Amount) policy(n int) object.NetworkPolicy {
	spec := networking.NetworkPolicySpec{
		PodSelector: meta.LabelSelector{MatchLabels: map[string]string{"app": "subject"}},
		PolicyTypes: []networking.PolicyType{networking.PolicyTypeIngress, networking.PolicyTypeEgress},
	}
	client := networking.NetworkPolicyPeer{PodSelector: &meta.LabelSelector{MatchLabels: map[string]string{"app": "client"}}}
	for rule := range a.Rules {
		number := n*a.Rules + rule
		peers := []networking.NetworkPolicyPeer{client}
		for c := range a.CIDRs {
			peers = append(peers, networking.NetworkPolicyPeer{IPBlock: &networking.IPBlock{CIDR: block(number*a.CIDRs + c)}})
		}
		udp, port := core.ProtocolUDP, intstr.FromInt32(openPort)
		if number > 0 {
			port = intstr.FromInt32(int32(morePorts + number))
		}
		ports := []networking.NetworkPolicyPort{{Protocol: &udp, Port: &port}}
		spec.Ingress = append(spec.Ingress, networking.NetworkPolicyIngressRule{From: peers, Ports: ports})
		spec.Egress = append(spec.Egress, networking.NetworkPolicyEgressRule{To: peers, Ports: ports})
	}
	return object.NetworkPolicy{Meta: object.Meta{Name: fmt.Sprintf("p%d", n), Namespace: "x"}, Spec: spec}
}

// block is the n-th of those that nobody is in.
func block(n int) string {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{172, byte(n >> 16), byte(n >> 8), byte(n)}), 32).String()
}

// identityOf is the number of who has an address, as the directory has it.
func identityOf(s state.Host, addr netip.Addr) uint32 {
	for _, l := range s.Directory {
		if l.Address == addr {
			return l.Identity
		}
	}
	return 0
}
