// SPDX-License-Identifier: Apache-2.0

package cut

import (
	"fmt"
	"net/netip"

	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/mizar-net/mizar/controlplane/compile"
	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/oracle"
)

const vni = 100

// The subject's addresses, and the hosts'.
var (
	subject = map[int]netip.Addr{4: netip.MustParseAddr("10.0.0.10"), 6: netip.MustParseAddr("fd00::a")}
	here    = netip.MustParseAddr("192.0.2.1")
	there   = netip.MustParseAddr("192.0.2.2")
)

// network is a subject behind one host that bounces the subnet, and its peers behind
// another one.
type network struct {
	set   object.Set
	state state.Host
}

func makeNetwork() (network, error) {
	roles := object.Placement{Hosts: []string{"h1"}}
	draft := object.Draft{
		VPCs: []object.VPC{{Meta: object.Meta{Name: "red"}, VNI: vni, Dividers: roles}},
		Subnets: []object.Subnet{{
			Meta: object.Meta{Name: "s"}, VPC: "red", Bouncers: roles,
			CIDRs: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/24"), netip.MustParsePrefix("fd00::/64")},
		}},
		Hosts: []object.Host{
			{Meta: object.Meta{Name: "h1"}, Addresses: []netip.Addr{here}}, {Meta: object.Meta{Name: "h2"}, Addresses: []netip.Addr{there}},
		},
		Endpoints: []object.Endpoint{{
			Meta: object.Meta{Name: "subject", Namespace: "x"}, Subnet: "s", Host: "h1", Addresses: []netip.Addr{subject[4], subject[6]},
		}},
		Policies: []object.NetworkPolicy{policy()},
	}
	for _, p := range peers[:2] {
		draft.Endpoints = append(draft.Endpoints, object.Endpoint{
			Meta: object.Meta{Name: fmt.Sprintf("peer-%d", p.last), Namespace: "y"}, Subnet: "s", Host: "h2",
			Addresses: []netip.Addr{p.address(4), p.address(6)},
		})
	}
	set, err := object.New(draft)
	if err != nil {
		return network{}, fmt.Errorf("make a network: %w", err)
	}
	return network{set, compile.Hosts(set)[0]}, nil
}

// policy opens all to the friend, and a port to the client, in both directions.
func policy() object.NetworkPolicy {
	blocks := func(p peer) (all []networking.NetworkPolicyPeer) {
		for _, family := range []int{4, 6} {
			a := p.address(family)
			block := networking.IPBlock{CIDR: netip.PrefixFrom(a, a.BitLen()).String()}
			all = append(all, networking.NetworkPolicyPeer{IPBlock: &block})
		}
		return all
	}
	var ports []networking.NetworkPolicyPort
	for _, protocol := range []core.Protocol{core.ProtocolTCP, core.ProtocolUDP, core.ProtocolSCTP} {
		number := intstr.FromInt32(int32(peers[1].port))
		ports = append(ports, networking.NetworkPolicyPort{Protocol: &protocol, Port: &number})
	}
	friend, client := blocks(peers[0]), blocks(peers[1])
	return object.NetworkPolicy{Meta: object.Meta{Name: "p", Namespace: "x"}, Spec: networking.NetworkPolicySpec{
		PodSelector: meta.LabelSelector{},
		PolicyTypes: []networking.PolicyType{networking.PolicyTypeIngress, networking.PolicyTypeEgress},
		Ingress:     []networking.NetworkPolicyIngressRule{{From: friend}, {From: client, Ports: ports}},
		Egress:      []networking.NetworkPolicyEgressRule{{To: friend}, {To: client, Ports: ports}},
	}}
}

// accepts is what the oracle says of a whole packet.
func (n network) accepts(c packet) bool {
	var asked, other object.Endpoint
	for _, e := range n.set.Endpoints {
		switch {
		case e.Name == "subject":
			asked = e
		case e.Name == fmt.Sprintf("peer-%d", c.peer.last):
			other = e
		}
	}
	said := oracle.Say(n.set, oracle.Question{
		Subject: asked, Peer: &other, Addr: c.peer.address(c.family), Direction: c.direction,
		Protocol: c.protocol.number[c.family], Port: c.peer.port,
	})
	return said.Verdict == state.Accept
}
