// SPDX-License-Identifier: Apache-2.0

package dataplane_test

import (
	"net/netip"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/dataplane"
	"github.com/mizar-net/mizar/dataplane/encode"
	"github.com/mizar-net/mizar/dataplane/kernel"
	"github.com/mizar-net/mizar/dataplane/state"
)

func load(t *testing.T) *dataplane.Datapath {
	t.Helper()
	d, err := dataplane.Load(dataplane.Options{Mode: dataplane.Simulated, TokenSecret: 1})
	if err != nil {
		t.Fatalf("load (root is needed): %+v", err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// host is a host with one endpoint, that bounces its subnet and divides its VPC.
func host() (state.Host, state.Local) {
	gateway := state.MAC{2, 0x4d, 0x5a, 0, 0, 7}
	at := netip.MustParseAddr
	s := state.Host{
		Name: "h1", Addresses: []netip.Addr{at("192.0.2.1")}, MTU: 1500,
		Peers: []state.Peer{
			{Name: "h2", Addresses: []netip.Addr{at("192.0.2.2")}},
			{Name: "h3", Addresses: []netip.Addr{at("192.0.2.3")}},
		},
		VPCs: []state.VPC{{Name: "red", VNI: 7, Dividers: []string{"h1"}, Divider: true}},
		Subnets: []state.Subnet{{
			Name: "a", VNI: 7, CIDRs: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/24")},
			Gateways: []netip.Addr{at("10.0.0.1")}, GatewayMAC: gateway,
			Bouncers: []string{"h1", "h2"}, Bouncer: state.Complete,
		}},
		Endpoints: []state.Endpoint{{
			Name: "ns/one", VNI: 7, Subnet: "a", Addresses: []netip.Addr{at("10.0.0.2")},
			MAC: state.MAC{2, 0, 0, 0, 0, 2}, MTU: 1400,
		}},
		Directory: []state.Location{
			{VNI: 7, Address: at("10.0.0.2"), Subnet: "a", Host: "h1"},
			{VNI: 7, Address: at("10.0.0.3"), Subnet: "a", Host: "h2"},
		},
	}
	l := state.Local{
		UplinkIndex: 1, UplinkMAC: state.MAC{2, 1, 0, 0, 0, 1},
		Ports: map[string]uint32{"ns/one": 100},
		NextHops: map[netip.Addr]state.MAC{
			at("192.0.2.2"): {2, 1, 0, 0, 0, 2}, at("192.0.2.3"): {2, 1, 0, 0, 0, 3},
		},
	}
	return s, l
}

func TestKernelHoldsTheState(t *testing.T) {
	g := NewWithT(t)
	d := load(t)
	s, l := host()
	first, err := d.Apply(s, l)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(first).To(Equal(dataplane.Report{
		"hosts": {Puts: 3}, "peers": {Puts: 2}, "uplinks": {Puts: 1}, "vpcs": {Puts: 1}, "subnets": {Puts: 1},
		"endpoints": {Puts: 1}, "ports": {Puts: 1}, "locals": {Puts: 1}, "directory": {Puts: 2}, "routes": {Puts: 1},
		"peer_slots": {Puts: 2},
	}))

	again, err := d.Apply(s, l)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(again).To(BeEmpty(), "a second Apply writes nothing")

	s.Endpoints, s.Directory, l.Ports = nil, nil, nil
	gone, err := d.Apply(s, l)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(gone).To(Equal(dataplane.Report{
		"endpoints": {Deletes: 1}, "ports": {Deletes: 1}, "locals": {Deletes: 1}, "directory": {Deletes: 2},
	}))
}

func TestProgramsRunOverTheHostsOwnMaps(t *testing.T) {
	g := NewWithT(t)
	d := load(t)
	s, l := host()
	_, err := d.Apply(s, l)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(d.SetNow(time.Hour)).To(Succeed())

	for _, p := range []struct {
		name string
		run  func() (kernel.Result, error)
	}{
		{"uplink", func() (kernel.Result, error) {
			return kernel.System{}.Run(d.Uplink(), make([]byte, 60), kernel.RunOptions{Port: 1})
		}},
		{"endpoint", func() (kernel.Result, error) {
			return kernel.System{}.Run(d.Endpoint(), make([]byte, 60), kernel.RunOptions{Port: 100})
		}},
	} {
		_, err := p.run()
		g.Expect(err).NotTo(HaveOccurred(), p.name)
		_, err = d.TakeRecord()
		g.Expect(err).NotTo(HaveOccurred(), p.name)
		empty, err := d.TakeRecord()
		g.Expect(err).NotTo(HaveOccurred(), p.name)
		g.Expect(empty).To(Equal(bpf.RowRecord{}), "a record is taken once")
	}
	_, err = d.Drops()
	g.Expect(err).NotTo(HaveOccurred())
	_, err = d.Verdicts()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(d.Forget()).To(Succeed())
	g.Expect(d.Paths()).To(BeEmpty())
}

func TestLimitsAreKeptAndSaid(t *testing.T) {
	g := NewWithT(t)
	d, err := dataplane.Load(dataplane.Options{Limits: map[string]uint32{"directory": 1, "paths": 64}})
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { d.Close() })
	s, l := host()
	_, err = d.Apply(s, l)
	g.Expect(err).To(MatchError(And(ContainSubstring("directory"), ContainSubstring("room for 1 rows"))))

	s.Directory = s.Directory[:1]
	report, err := d.Apply(s, l)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(report["hosts"].Puts).To(Equal(3), "the failed Apply was undone")

	_, err = dataplane.Load(dataplane.Options{Limits: map[string]uint32{"sessions": 1}})
	g.Expect(err).To(MatchError(ContainSubstring(`limit of map "sessions": there is no such map`)))
}

func TestKeysLieInMemoryAsTheProgramsReadThem(t *testing.T) {
	g := NewWithT(t)
	k := encode.Prefix(7, netip.MustParsePrefix("10.0.0.0/24"))
	g.Expect(k.Prefixlen).To(BeEquivalentTo(32 + 96 + 24))
	g.Expect(k.Vni).To(BeEquivalentTo(7 << 24))
}
