// SPDX-License-Identifier: Apache-2.0

package testrun_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/wire/testrun"
)

// plan is a network of three hosts (h1, h2, h3, dual-stack underlay) and two VPCs
// with the same addresses. Each has the subnets "a" (bounced by h2) and "b" (by
// h3), and is divided by h3. Endpoints are "vpc/host-subnet-number".
type plan struct {
	endpoints []string
}

var pool testrun.Pool

func TestMain(m *testing.M) {
	m.Run()
	if err := pool.Close(); err != nil {
		panic(err)
	}
}

func network(t *testing.T, p plan) *testrun.Wire {
	t.Helper()
	w := testrun.New(pool.Make)
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := w.Apply(t.Context(), p.states()); err != nil {
		t.Fatalf("apply (root is needed): %+v", err)
	}
	return w
}

func underlay(n int) []netip.Addr {
	return []netip.Addr{
		netip.MustParseAddr(fmt.Sprintf("192.0.2.%d", n)), netip.MustParseAddr(fmt.Sprintf("2001:db8::%d", n)),
	}
}

func (p plan) states() []state.Host {
	var all []state.Host
	for n := 1; n <= 3; n++ {
		h := state.Host{Name: fmt.Sprintf("h%d", n), Addresses: underlay(n), MTU: 1500}
		for m := 1; m <= 3; m++ {
			if m != n {
				h.Peers = append(h.Peers, state.Peer{Name: fmt.Sprintf("h%d", m), Addresses: underlay(m)})
			}
		}
		for vni, vpc := range map[uint32]string{100: "blue", 200: "red"} {
			h.VPCs = append(h.VPCs, state.VPC{Name: vpc, VNI: vni, Dividers: []string{"h3"}, Divider: n == 3})
			h.Subnets = append(h.Subnets, subnet(vpc, "a", vni, "h2", h.Name), subnet(vpc, "b", vni, "h3", h.Name))
		}
		p.place(&h)
		all = append(all, h)
	}
	return all
}

func subnet(vpc, name string, vni uint32, bouncer, here string) state.Subnet {
	third := map[string]int{"a": 0, "b": 1}[name]
	s := state.Subnet{
		Name: vpc + "-" + name, VNI: vni,
		CIDRs: []netip.Prefix{
			netip.MustParsePrefix(fmt.Sprintf("10.0.%d.0/24", third)), netip.MustParsePrefix(fmt.Sprintf("fd00:%d::/64", third)),
		},
		Gateways: []netip.Addr{
			netip.MustParseAddr(fmt.Sprintf("10.0.%d.1", third)), netip.MustParseAddr(fmt.Sprintf("fd00:%d::1", third)),
		},
		GatewayMAC: state.MAC{2, 0x4d, 0x5a, 0, 0, byte(vni)},
		Bouncers:   []string{bouncer},
	}
	if bouncer == here {
		s.Bouncer = state.Complete
	}
	return s
}

// place puts endpoints and locations into a host's state.
func (p plan) place(h *state.Host) {
	for i, name := range slices.Sorted(slices.Values(p.endpoints)) {
		vpc, rest, _ := strings.Cut(name, "/")
		f := strings.Split(rest, "-")
		at, inSubnet, number := f[0], vpc+"-"+f[1], f[2]
		vni := map[string]uint32{"blue": 100, "red": 200}[vpc]
		third := map[string]int{"a": 0, "b": 1}[f[1]]
		addresses := []netip.Addr{
			netip.MustParseAddr(fmt.Sprintf("10.0.%d.%s", third, number)), netip.MustParseAddr(fmt.Sprintf("fd00:%d::%s", third, number)),
		}
		if at == h.Name {
			h.Endpoints = append(h.Endpoints, state.Endpoint{
				Name: name, VNI: vni, Subnet: inSubnet, Addresses: addresses,
				MAC: state.MAC{2, 0, 0, 0, byte(vni), byte(i + 1)}, MTU: 1500 - 40 - 8 - 8 - 8 - 14 - 28,
			})
		}
		s := slices.IndexFunc(h.Subnets, func(s state.Subnet) bool { return s.Name == inSubnet })
		if h.Subnets[s].Bouncer != state.NoBouncer {
			for _, a := range addresses {
				h.Directory = append(h.Directory, state.Location{VNI: vni, Address: a, Subnet: inSubnet, Host: at})
			}
		}
	}
}

func address(s string) netip.Addr { return netip.MustParseAddr(s) }

func expectTold(g Gomega, hosts []string, want string) {
	g.ExpectWithOffset(1, strings.Join(hosts, " ")).To(Equal(want))
}

// endpoint is an endpoint of the plan by name.
func (p plan) endpoint(name string) state.Endpoint {
	for _, h := range p.states() {
		for _, e := range h.Endpoints {
			if e.Name == name {
				return e
			}
		}
	}
	panic("no endpoint " + name)
}
