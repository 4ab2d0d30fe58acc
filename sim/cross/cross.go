// SPDX-License-Identifier: Apache-2.0

// Package cross proves that each of many rules counts, and for itself alone: a rule grants
// one block of addresses one port, and a packet from every block comes to every port.
//
//	         port 0  port 1  port 2
//	block 0    .       X       X       . delivered, and counted by this rule
//	block 1    X       .       X       X dropped by policy
//	block 2    X       X       .
package cross

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/cilium/ebpf"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/mizar-net/mizar/controlplane/compile"
	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/dataplane"
	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/crowd"
	"github.com/mizar-net/mizar/sim/frame"
	"github.com/mizar-net/mizar/sim/run"
)

// RowID is the row of ACCEPTANCE that is proved.
const RowID = "E9"

// Table is so many policies of so many rules each, for one endpoint.
type Table struct{ Policies, Rules int }

// size is how many rules there are.
func (t Table) size() int { return t.Policies * t.Rules }

// String is the table's in cells: "33-rules", "65-policies".
func (t Table) String() string {
	if t.Policies > 1 {
		return fmt.Sprintf("%d-policies", t.Policies)
	}
	return fmt.Sprintf("%d-rules", t.Rules)
}

var tables = []Table{{1, 32}, {1, 33}, {1, 64}, {1, 65}, {65, 1}, {1, 500}}

const (
	vni       = 100
	firstPort = 1000
)

// The subject's addresses, and the hosts'.
var (
	subject  = map[int]netip.Addr{4: netip.MustParseAddr("10.0.0.10"), 6: netip.MustParseAddr("fd00::10")}
	here     = netip.MustParseAddr("192.0.2.1")
	there    = netip.MustParseAddr("192.0.2.2")
	families = []int{4, 6}
)

// client is the n-th address of those who ask, the only one of its block.
func client(family, n int) netip.Addr {
	if family == 4 {
		return netip.AddrFrom4([4]byte{10, 0, byte(1 + n>>8), byte(n)})
	}
	return netip.AddrFrom16([16]byte{0: 0xfd, 13: 1, 14: byte(n >> 8), 15: byte(n)})
}

// AsCompiled leaves states as they are.
func AsCompiled([]state.Host) {}

// Prove gives evidence for each table and family. change may break the states of the
// subject's host.
func Prove(ctx context.Context, change func([]state.Host)) []run.Evidence {
	d, err := dataplane.Load(dataplane.Options{TokenSecret: 1})
	var all []run.Evidence
	for _, t := range tables {
		for _, family := range families {
			e := run.Evidence{
				Test: fmt.Sprintf("%d blocks of addresses by %d ports", t.size(), t.size()), Rows: []string{RowID},
				Cell: run.Cell{Family: fmt.Sprintf("v%d", family), Proto: t.String(), Wire: "testrun", Verdict: "product"},
			}
			if err == nil {
				err = ctx.Err()
			}
			if err == nil {
				e.Failure, err = t.prove(d, family, change)
			}
			if err != nil {
				e.Failure = "the harness: " + err.Error()
			}
			all = append(all, e)
		}
	}
	if d != nil {
		if err := d.Close(); err != nil {
			all[0].Failure = "the harness: " + err.Error()
		}
	}
	return all
}

// prove says what is wrong with one table.
func (t Table) prove(d *dataplane.Datapath, family int, change func([]state.Host)) (wrong string, err error) {
	s, err := t.state(family)
	if err != nil {
		return "", err
	}
	hosts := []state.Host{s}
	change(hosts)
	if err := d.Reset(); err != nil {
		return "", err
	}
	if _, err := d.Apply(hosts[0], crowd.Machine(hosts[0])); err != nil {
		return "", err
	}
	for from := range t.size() {
		for port := range t.size() {
			delivered, err := deliver(d, s, family, from, port)
			if err != nil {
				return "", err
			}
			if delivered != (from == port) {
				return fmt.Sprintf("from the block of rule %d to the port of rule %d: delivered is %t", from, port, delivered), nil
			}
		}
	}
	return t.counted(d)
}

// counted holds the counters of rules, and of drops, to one packet of each pair.
func (t Table) counted(d *dataplane.Datapath) (wrong string, err error) {
	rules, err := d.Rules()
	if err != nil {
		return "", err
	}
	for n := range t.size() {
		name := fmt.Sprintf("x/p%d ingress[%d]", n/t.Rules, n%t.Rules)
		if got := rules[name].Packets; got != 1 {
			return fmt.Sprintf("rule %s has counted %d packets, not the one of its pair", name, got), nil
		}
	}
	drops, err := d.Drops()
	if want := uint64(t.size() * (t.size() - 1)); err == nil && drops["policy_ingress"] != want {
		wrong = fmt.Sprintf("%d packets are counted as dropped by policy, not %d", drops["policy_ingress"], want)
	}
	return wrong, err
}

// What XDP programs return.
const (
	dropped    = 1
	redirected = 4
)

// deliver says whether the first packet of a flow arrives, as the other host sends it.
func deliver(d *dataplane.Datapath, s state.Host, family, from, port int) (bool, error) {
	packet, err := frame.Build(frame.Spec{
		Kind: frame.UDP, SrcMAC: state.MAC{2, 3}, DstMAC: s.Endpoints[0].MAC, Src: client(family, from), Dst: subject[family],
		SrcPort: 40000, DstPort: uint16(firstPort + port),
		Tunnel: &frame.Tunnel{
			SrcMAC: state.MAC{2, 2}, DstMAC: state.MAC{2, 1}, Src: there, Dst: here, VNI: vni,
			Options: frame.Options{Identity: &frame.Identity{Generation: s.Endpoints[0].Generation}},
		},
	})
	if err != nil {
		return false, err
	}
	action, err := d.Uplink().Run(&ebpf.RunOptions{Data: packet})
	if err == nil && !slices.Contains([]uint32{dropped, redirected}, action) {
		err = errors.New("the uplink's program took it for somebody else's")
	}
	return action == redirected, err
}

// state is what the subject's host holds.
func (t Table) state(family int) (state.Host, error) {
	draft := object.Draft{
		VPCs: []object.VPC{{Meta: object.Meta{Name: "red"}, VNI: vni}},
		Subnets: []object.Subnet{{
			Meta: object.Meta{Name: "s"}, VPC: "red",
			CIDRs: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/16"), netip.MustParsePrefix("fd00::/64")},
		}},
		Hosts: []object.Host{
			{Meta: object.Meta{Name: "h1"}, Addresses: []netip.Addr{here}}, {Meta: object.Meta{Name: "h2"}, Addresses: []netip.Addr{there}},
		},
		Endpoints: []object.Endpoint{{
			Meta: object.Meta{Name: "subject", Namespace: "x"}, Subnet: "s", Host: "h1", Addresses: []netip.Addr{subject[4], subject[6]},
		}},
	}
	for n := range t.Policies {
		draft.Policies = append(draft.Policies, t.policy(family, n))
	}
	set, err := object.New(draft)
	if err != nil {
		return state.Host{}, fmt.Errorf("make a network: %w", err)
	}
	return compile.Hosts(set)[0], nil
}

func (t Table) policy(family, n int) object.NetworkPolicy {
	spec := networking.NetworkPolicySpec{PodSelector: meta.LabelSelector{}, PolicyTypes: []networking.PolicyType{networking.PolicyTypeIngress}}
	udp := core.ProtocolUDP
	for rule := range t.Rules {
		number := n*t.Rules + rule
		who := client(family, number)
		block := networking.IPBlock{CIDR: netip.PrefixFrom(who, who.BitLen()).String()}
		port := intstr.FromInt32(int32(firstPort + number))
		spec.Ingress = append(spec.Ingress, networking.NetworkPolicyIngressRule{
			From:  []networking.NetworkPolicyPeer{{IPBlock: &block}},
			Ports: []networking.NetworkPolicyPort{{Protocol: &udp, Port: &port}},
		})
	}
	return object.NetworkPolicy{Meta: object.Meta{Name: fmt.Sprintf("p%d", n), Namespace: "x"}, Spec: spec}
}
