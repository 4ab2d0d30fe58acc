// SPDX-License-Identifier: Apache-2.0

package encode

import (
	"cmp"
	"fmt"
	"net/netip"

	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/dataplane/state"
)

// outsideNames are the ways to the outside among hosts, of IPv4 and of IPv6: names that no
// host has.
var outsideNames = [2]string{"outside/4", "outside/6"}

// unspecified are the addresses that stand for the outside of each family.
var unspecified = [2]netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()}

// outside makes the rows of what clients outside come to, and of the ways there.
// A way has its number whether its next hop is known by now or not. Of services it looks
// at those that have come or changed.
func (e *encoder) outside(come []state.OutsideService, d *difference) error {
	if !e.host.MeetsOutside() {
		return nil
	}
	uplink := e.rows.Uplinks[0]
	uplink.Serves = 1
	ports := cmp.Or(e.host.MasqueradePorts, state.MasqueradePorts)
	if ports.Last < ports.First {
		return fmt.Errorf("masquerade ports %d to %d: want the first before the last", ports.First, ports.Last)
	}
	uplink.Port, uplink.Ports = ports.First, ports.Last-ports.First+1
	for family, name := range outsideNames {
		number := e.index.Hosts[name]
		uplink.Outside[family] = uint16(number)
		if row, ok := e.wayOut(unspecified[family]); ok {
			e.rows.Hosts[number] = row
		}
	}
	e.rows.Uplinks[0] = uplink
	e.ranges()
	for _, s := range come {
		if err := e.outsideService(s, d); err != nil {
			return fmt.Errorf("service %s for the outside: %w", s.Name, err)
		}
	}
	return nil
}

// differingGates are the services for the outside that differ; all of them, where a host
// has gone that backends might be behind. A host that stays keeps its number.
func (e *encoder) differingGates(before Index) (gone, come []state.OutsideService) {
	for name := range before.Hosts {
		if _, stays := e.index.Hosts[name]; !stays {
			return before.outside, e.host.Outside
		}
	}
	return differing(before.outside, e.host.Outside, func(s *state.OutsideService) string { return s.Name }, sameGate)
}

func sameGate(a, b *state.OutsideService) bool {
	return a.VNI == b.VNI && a.Protocol == b.Protocol && a.Alike == b.Alike &&
		alike(a.Frontends, b.Frontends) && alike(a.Backends, b.Backends) && alike(a.Table, b.Table) &&
		alike(a.Ranges, b.Ranges)
}

// wayOut is the row of the way to the outside of a family, if its next hop is known.
func (e *encoder) wayOut(family netip.Addr) (bpf.RowHost, bool) {
	mac, ok := e.local.Outside[family]
	if !ok {
		return bpf.RowHost{}, false
	}
	row := e.hostRow(outsideNames[0], family, family)
	row.Seed, row.Checksum, row.NextHop.Octet = 0, 0, mac
	e.along(&row, family)
	return row, true
}

func (e *encoder) outsideService(s state.OutsideService, d *difference) error {
	if s.VNI == 0 || s.Protocol == 0 {
		return fmt.Errorf("VNI %d and protocol %d: it needs both", s.VNI, s.Protocol)
	}
	block := Block{Places: s.Table}
	for _, b := range s.Backends {
		host, err := e.hostNumber(b.Host)
		if err != nil {
			return fmt.Errorf("backend %s: %w", b.At, err)
		}
		block.Backends = append(block.Backends, b.At)
		block.Homes = append(block.Homes, Home{uint16(host), b.Generation})
	}
	b, err := e.place(s.Name, block, d)
	if err != nil {
		return err
	}
	e.index.Served[s.VNI] = true
	row := bpf.RowService{
		First: b.First, Places: uint32(len(b.Places)), Backends: b.FirstBackend, Affinity: uint32(flag(s.Alike)), Vni: s.VNI,
	}
	if name, _ := rangesOf(&s); name != "" {
		row.Number = RangeSet(e.index.Ranges[name])
	}
	for _, f := range s.Frontends {
		key := Service(0, f, s.Protocol)
		if _, ok := e.frontends.Get(key); ok {
			return fmt.Errorf("frontend %s is another service's already", f)
		}
		if f.Port() == 0 {
			return fmt.Errorf("frontend %s has no port", f)
		}
		d.rows[key] = true
		e.frontends.put(key, row)
	}
	return nil
}
