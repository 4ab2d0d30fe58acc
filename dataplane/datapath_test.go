// SPDX-License-Identifier: Apache-2.0

package dataplane_test

import (
	"bytes"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/dataplane"
	"github.com/mizar-net/mizar/dataplane/encode"
	"github.com/mizar-net/mizar/dataplane/kernel"
	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/dataplane/table"
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
		"uplinks": {Puts: 1}, // there is no endpoint any more whose packets would have to fit
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
	g.Expect(err).To(MatchError(And(
		ContainSubstring("apply the state of host h1: map directory has room for 1 rows and needs 2"), ContainSubstring(`Options.Limits["directory"]`))))

	s.Directory = s.Directory[:1]
	report, err := d.Apply(s, l)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(report["hosts"].Puts).To(Equal(3), "the refused Apply had written nothing")

	_, err = dataplane.Load(dataplane.Options{Limits: map[string]uint32{"sessions": 1}})
	g.Expect(err).To(MatchError(ContainSubstring(`limit of map "sessions": there is no such map`)))
}

func TestKeysLieInMemoryAsTheProgramsReadThem(t *testing.T) {
	g := NewWithT(t)
	k := encode.Prefix(7, netip.MustParsePrefix("10.0.0.0/24"))
	g.Expect(k.Prefixlen).To(BeEquivalentTo(32 + 96 + 24))
	g.Expect(k.Vni).To(BeEquivalentTo(7 << 24))
}

// Each map of a state is made one row too small in turn: nothing is written then,
// neither of a first state nor of a later one.
func TestAStateThatDoesNotFitIsRefusedAsAWhole(t *testing.T) {
	for _, limit := range []struct {
		name string
		rows uint32
	}{
		{"hosts", 2}, {"peers", 1}, {"subnets", 1}, {"endpoints", 1}, {"ports", 100}, {"directory", 1},
	} {
		t.Run(limit.name, func(t *testing.T) {
			g := NewWithT(t)
			d, err := dataplane.Load(dataplane.Options{Mode: dataplane.Simulated, Limits: map[string]uint32{limit.name: limit.rows}})
			g.Expect(err).NotTo(HaveOccurred(), "root is needed")
			t.Cleanup(func() { d.Close() })
			s, l := host()
			_, err = d.Apply(s, l)
			var small *table.TooSmall
			g.Expect(errors.As(err, &small)).To(BeTrue(), "%v", err)
			g.Expect(small.Map).To(Equal(limit.name))
			g.Expect(small.Room).To(BeEquivalentTo(limit.rows))
			for name, m := range kernelMaps(t, d) {
				g.Expect(written(g, m)).To(BeZero(), "rows of map %s", name)
			}
		})
	}
}

// kernelMaps are the maps that the programs hold, by name.
func kernelMaps(t *testing.T, d *dataplane.Datapath) map[string]*ebpf.Map {
	t.Helper()
	g := NewWithT(t)
	var all []ebpf.MapID
	for _, p := range []*ebpf.Program{d.Uplink(), d.Endpoint()} {
		info, err := p.Info()
		g.Expect(err).NotTo(HaveOccurred())
		ids, ok := info.MapIDs()
		g.Expect(ok).To(BeTrue())
		all = append(all, ids...)
	}
	maps := map[string]*ebpf.Map{}
	for _, id := range all {
		m, err := ebpf.NewMapFromID(id)
		g.Expect(err).NotTo(HaveOccurred())
		t.Cleanup(func() { m.Close() })
		info, err := m.Info()
		g.Expect(err).NotTo(HaveOccurred())
		maps[info.Name] = m
	}
	return maps
}

// written counts the rows of a map that are not zero. Counters and the data of
// programs have none to write.
func written(g Gomega, m *ebpf.Map) int {
	info, err := m.Info()
	g.Expect(err).NotTo(HaveOccurred())
	if m.Type() == ebpf.PerCPUArray || m.Type() == ebpf.ProgramArray || info.Name[0] == '.' || strings.Contains(info.Name, "rodata") {
		return 0
	}
	n := 0
	rows, key, value := m.Iterate(), []byte(nil), []byte(nil)
	for rows.Next(&key, &value) {
		if m.Type() != ebpf.Array || len(bytes.Trim(value, "\x00")) > 0 {
			n++
		}
	}
	g.Expect(rows.Err()).NotTo(HaveOccurred())
	return n
}

func TestWhatAProgramFoundOfAnMTUStaysInTheKernel(t *testing.T) {
	d := load(t)
	keepsFoundMTU(t, table.NewMap[uint32, bpf.RowHost]("hosts", kernelMaps(t, d)["hosts"]), d.Apply)
}

func TestThePathsOfTheKernelAreSwept(t *testing.T) {
	g := NewWithT(t)
	d := load(t)
	s, l := host()
	s.Subnets[0].Bouncer, s.Directory = state.NoBouncer, nil
	_, err := d.Apply(s, l)
	g.Expect(err).NotTo(HaveOccurred())
	const many = 3000
	for i := range many {
		g.Expect(d.Learn(7, netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}), "h2")).To(Succeed())
	}
	g.Expect(d.Tend(dataplane.PathAge)).To(Equal(dataplane.Tended{Mended: dataplane.Report{}}), "not older than an hour")
	g.Expect(d.Paths()).To(HaveLen(many))
	g.Expect(d.Tend(dataplane.PathAge + 1)).To(Equal(dataplane.Tended{Paths: many, Mended: dataplane.Report{}}))
	g.Expect(d.Paths()).To(BeEmpty())
}

// The oracle of the simulator has this figure in its own words.
func TestOneEndpointAsksForAQuarterOfAllPaths(t *testing.T) {
	g := NewWithT(t)
	g.Expect(dataplane.QuestionBurst(dataplane.SimulatedLimits()[bpf.RowMapPaths])).To(BeEquivalentTo(1024))
	g.Expect(dataplane.QuestionBurst(65536)).To(BeEquivalentTo(16384), "what the C declares")
	g.Expect(dataplane.QuestionBurst(2)).To(BeEquivalentTo(1))
}
