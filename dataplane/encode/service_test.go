// SPDX-License-Identifier: Apache-2.0

package encode_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"pgregory.net/rapid"

	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/dataplane/encode"
	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/dataplane/table"
)

func port(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

// web is a service of two backends and forty places, more than a row has.
func web() state.Service {
	s := state.Service{
		Name: "ns/web:80/4", VNI: 100, Protocol: 6,
		Frontends: []netip.AddrPort{port("172.20.0.1:80"), port("172.20.0.2:80")},
		Backends:  []netip.AddrPort{port("10.0.0.2:8080"), port("10.0.0.3:8080")},
	}
	for i := range 40 {
		s.Table = append(s.Table, uint16(i%2))
	}
	return s
}

func served(services ...state.Service) (state.Host, state.Local, encode.Index) {
	s, l := sample()
	for i := range services {
		services[i].VNI = s.Endpoints[0].VNI
	}
	s.Services = services
	return s, l, encode.Index{}
}

func TestServicesBecomeRows(t *testing.T) {
	g := NewWithT(t)
	s, l, none := served(web())
	rows, index, err := encode.Encode(s, l, none)
	g.Expect(err).NotTo(HaveOccurred())
	vni := s.Endpoints[0].VNI
	row := bpf.RowService{First: 0, Places: 40, Backends: 0}
	g.Expect(rows.Services.Map()).To(Equal(map[bpf.RowServiceKey]bpf.RowService{
		encode.Service(vni, port("172.20.0.1:80"), 6): row, encode.Service(vni, port("172.20.0.2:80"), 6): row,
		encode.Service(vni, port("172.20.0.1:0"), 0): {}, encode.Service(vni, port("172.20.0.2:0"), 0): {},
	}))
	blocks := encode.Blocks(rows.Blocks.Map())
	choices, backends := table.Keyed(blocks.Choices()), table.Keyed(blocks.Backends())
	g.Expect(choices).To(HaveLen(2))
	second := choices[1].Backend
	g.Expect(second[:9]).To(Equal([]uint16{0, 1, 0, 1, 0, 1, 0, 1, 0}))
	g.Expect(backends).To(HaveLen(2))
	g.Expect(backends[1].Addr).To(Equal(netip.MustParseAddr("10.0.0.3").As16()))
	for _, e := range rows.Endpoints {
		g.Expect(e.Served).To(BeEquivalentTo(1))
	}

	// What changes is another block, and endpoints of a VPC that had services once still
	// look for flows to them.
	one := web()
	one.Backends, one.Table = one.Backends[:1], []uint16{0}
	s, l, _ = served(one)
	rows, index, err = encode.Encode(s, l, index)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(rows.Services.Map()).To(HaveKeyWithValue(encode.Service(vni, port("172.20.0.1:80"), 6), bpf.RowService{First: 2, Places: 1, Backends: 2}))
	s, l, _ = served()
	rows, _, err = encode.Encode(s, l, index)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(rows.Services.Map()).To(BeEmpty())
	for _, e := range rows.Endpoints {
		g.Expect(e.Served).To(BeEquivalentTo(1))
	}
}

func TestServicesThatContradictThemselvesAreRefused(t *testing.T) {
	for want, change := range map[string]func(*state.Service){
		"40 places for 0 backends":                 func(s *state.Service) { s.Backends = nil },
		"0 places for 2 backends":                  func(s *state.Service) { s.Table = nil },
		"backend 10.0.0.3:0 has no port":           func(s *state.Service) { s.Backends[1] = port("10.0.0.3:0") },
		"place 3 is of backend 2, and there are 2": func(s *state.Service) { s.Table[3] = 2 },
		"it needs a port and a protocol":           func(s *state.Service) { s.Protocol = 0 },
		"frontend 172.20.0.1:80 is another service's already": func(s *state.Service) {
			s.Frontends = append(s.Frontends, s.Frontends[0])
		},
	} {
		g := NewWithT(t)
		one := web()
		change(&one)
		s, l, none := served(one)
		_, _, err := encode.Encode(s, l, none)
		g.Expect(err).To(MatchError(ContainSubstring("service ns/web:80/4: ")))
		g.Expect(err).To(MatchError(ContainSubstring(want)))
	}
}

// Whatever services become, every place of each leads to a backend of its own, and what
// the state before has in rows stays where it is until the one after.
func TestServicesDoNotShareRows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var index encode.Index
		var before map[uint32]bpf.RowBackend
		for range 4 {
			var services []state.Service
			for n := range rapid.IntRange(0, 5).Draw(t, "services") {
				s := state.Service{Name: fmt.Sprint(n), Protocol: 17, Frontends: []netip.AddrPort{port(fmt.Sprintf("172.20.0.%d:53", n+1))}}
				for b := range rapid.IntRange(0, 5).Draw(t, "backends") {
					s.Backends = append(s.Backends, port(fmt.Sprintf("10.0.%d.%d:53", n, b+1)))
				}
				for range rapid.IntRange(1, 80).Draw(t, "places") {
					if len(s.Backends) > 0 {
						s.Table = append(s.Table, uint16(rapid.IntRange(0, len(s.Backends)-1).Draw(t, "place")))
					}
				}
				services = append(services, s)
			}
			s, l, _ := served(services...)
			rows, next, err := encode.Encode(s, l, index)
			if err != nil {
				t.Fatal(err)
			}
			blocks := encode.Blocks(rows.Blocks.Map())
			choices, backends := table.Keyed(blocks.Choices()), table.Keyed(blocks.Backends())
			for _, one := range s.Services {
				row, _ := rows.Services.Get(encode.Service(one.VNI, one.Frontends[0], 17))
				for place, want := range one.Table {
					c := choices[row.First+uint32(place/len(bpf.RowChoices{}.Backend))]
					got := backends[row.Backends+uint32(c.Backend[place%len(c.Backend)])]
					if got.Addr != one.Backends[want].Addr().As16() {
						t.Fatalf("place %d of service %s leads to %v, want %s", place, one.Name, got.Addr, one.Backends[want])
					}
				}
			}
			for number, was := range before {
				if is, ok := backends[number]; ok && is != was {
					t.Fatalf("row %d of backends is another one at once", number)
				}
			}
			index, before = next, backends
		}
	})
}

// A service with affinity has a number, and rows that say which backends are its own.
func TestServicesWithAffinity(t *testing.T) {
	g := NewWithT(t)
	one := web()
	one.Affinity = time.Minute
	s, l, none := served(one)
	rows, index, err := encode.Encode(s, l, none)
	g.Expect(err).NotTo(HaveOccurred())
	number := index.Affine["ns/web:80/4"]
	g.Expect(number).NotTo(BeZero())
	row, _ := rows.Services.Get(encode.Service(s.Endpoints[0].VNI, port("172.20.0.1:80"), 6))
	g.Expect(row.Number).To(Equal(number))
	g.Expect(row.Affinity).To(BeEquivalentTo(60))
	for _, b := range one.Backends {
		g.Expect(rows.Services.Map()).To(HaveKey(encode.BackendOf(number, b)))
	}
	one.Backends, one.Table = one.Backends[:1], []uint16{0}
	s, l, _ = served(one)
	rows, index, err = encode.Encode(s, l, index)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(index.Affine["ns/web:80/4"]).To(Equal(number))
	g.Expect(rows.Services.Map()).NotTo(HaveKey(encode.BackendOf(number, port("10.0.0.3:8080"))))
}
