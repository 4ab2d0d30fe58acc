// SPDX-License-Identifier: Apache-2.0

package testrun_test

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/mizar-net/mizar/controlplane/compile"
	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/sim/oracle"
	"github.com/mizar-net/mizar/sim/wire"
	"github.com/mizar-net/mizar/sim/wire/testrun"
)

// world draws a network: up to five hosts of one or two underlay families, two
// VPCs with the same addresses, subnets of one or two families, endpoints
// anywhere, roles anywhere.
func world(t *rapid.T) object.Set {
	var d object.Draft
	hosts := rapid.IntRange(1, 5).Draw(t, "hosts")
	underlay := rapid.SampledFrom([]string{"4", "6", "46"}).Draw(t, "underlay")
	names := make([]string, hosts)
	for i := range names {
		names[i] = fmt.Sprintf("h%d", i+1)
		d.Hosts = append(d.Hosts, object.Host{
			Meta:      object.Meta{Name: names[i]},
			Addresses: families(underlay, fmt.Sprintf("192.0.2.%d", i+1), fmt.Sprintf("2001:db8::%d", i+1)),
		})
	}
	for v, vpc := range []string{"blue", "red"} {
		d.VPCs = append(d.VPCs, object.VPC{
			Meta: object.Meta{Name: vpc}, VNI: uint32(100 * (v + 1)),
			Dividers: placement(t, names, "dividers of "+vpc),
		})
		for s := range rapid.IntRange(1, 3).Draw(t, "subnets of "+vpc) {
			drawSubnet(t, &d, vpc, s, names)
		}
	}
	set, err := object.New(d)
	if err != nil {
		t.Fatalf("the generator drew bad objects: %v", err)
	}
	return set
}

func drawSubnet(t *rapid.T, d *object.Draft, vpc string, s int, hosts []string) {
	name := fmt.Sprintf("%s-%d", vpc, s)
	inner := rapid.SampledFrom([]string{"4", "6", "46"}).Draw(t, "families of "+name)
	subnet := object.Subnet{Meta: object.Meta{Name: name}, VPC: vpc, Bouncers: placement(t, hosts, "bouncers of "+name)}
	for _, p := range families(inner, fmt.Sprintf("10.0.%d.0", s), fmt.Sprintf("fd00:0:0:%d::", s)) {
		bits := 24
		if p.Is6() {
			bits = 64
		}
		subnet.CIDRs = append(subnet.CIDRs, netip.PrefixFrom(p, bits))
	}
	d.Subnets = append(d.Subnets, subnet)
	least := 0
	if len(d.Subnets) == 1 {
		least = 1 // somebody lives here
	}
	for e := range rapid.IntRange(least, 3).Draw(t, "endpoints of "+name) {
		d.Endpoints = append(d.Endpoints, object.Endpoint{
			Meta:      object.Meta{Name: fmt.Sprintf("%s-%d", name, e), Namespace: "default"},
			Subnet:    name,
			Host:      rapid.SampledFrom(hosts).Draw(t, "host"),
			Addresses: families(inner, fmt.Sprintf("10.0.%d.%d", s, 10+e), fmt.Sprintf("fd00:0:0:%d::%d", s, 10+e)),
		})
	}
}

func families(which, v4, v6 string) (list []netip.Addr) {
	for _, f := range which {
		if f == '4' {
			list = append(list, netip.MustParseAddr(v4))
		} else {
			list = append(list, netip.MustParseAddr(v6))
		}
	}
	return list
}

func placement(t *rapid.T, hosts []string, label string) object.Placement {
	return object.Placement{Hosts: rapid.SliceOfNDistinct(rapid.SampledFrom(hosts), 1, -1, rapid.ID[string]).Draw(t, label)}
}

// drawProbe draws a conversation to an endpoint of the same VPC or the other,
// or to an address that nobody has.
func drawProbe(t *rapid.T, set object.Set) wire.Probe {
	from := rapid.SampledFrom(set.Endpoints).Draw(t, "from")
	family := rapid.SampledFrom(from.Addresses).Draw(t, "family")
	to := []netip.Addr{}
	for _, a := range []string{"10.0.0.99", "10.0.2.99", "10.9.0.1", "fd00::99", "fd00:0:0:9::1"} {
		to = append(to, netip.MustParseAddr(a))
	}
	for _, e := range set.Endpoints {
		to = append(to, e.Addresses...)
	}
	var same []netip.Addr
	for _, a := range to {
		if a.Is4() == family.Is4() && a != family {
			same = append(same, a)
		}
	}
	return wire.Probe{
		Proto: rapid.SampledFrom([]wire.Proto{wire.ICMP, wire.UDP, wire.TCP}).Draw(t, "proto"),
		From:  "default/" + from.Name,
		To:    rapid.SampledFrom(same).Draw(t, "to"),
		Port:  80, SourcePort: 40000,
		Count: rapid.IntRange(1, 4).Draw(t, "count"),
	}
}

// TestProgramsAgreeWithTheOracle holds what the programs do with every packet,
// its way from host to host included, against the oracle.
func TestProgramsAgreeWithTheOracle(t *testing.T) {
	var pool testrun.Pool
	t.Cleanup(func() { pool.Close() })
	ctx := context.Background()
	rapid.Check(t, func(t *rapid.T) {
		set := world(t)
		o, w := oracle.New(), testrun.New(pool.Make)
		defer w.Close()
		if err := o.Apply(set); err != nil {
			t.Fatal(err)
		}
		if err := w.Apply(ctx, compile.Hosts(set)); err != nil {
			t.Fatal(err)
		}
		for range rapid.IntRange(1, 8).Draw(t, "probes") {
			if rapid.IntRange(0, 4).Draw(t, "wait") == 0 {
				o.Advance(2 * time.Second)
				if err := w.Advance(ctx, 2*time.Second); err != nil {
					t.Fatal(err)
				}
			}
			p := drawProbe(t, set)
			want, err := o.Probe(p)
			if err != nil {
				t.Fatalf("oracle: %v", err)
			}
			got, err := w.Probe(ctx, p)
			if err != nil {
				t.Fatalf("testrun: %v", err)
			}
			diff := cmp.Diff(want, got, cmpopts.EquateEmpty(), cmpopts.IgnoreFields(wire.Packet{}, "Steps", "Frames"))
			if diff != "" {
				t.Fatalf("%+v\n(-oracle +programs)\n%s", p, diff)
			}
		}
	})
}
