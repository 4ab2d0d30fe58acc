// SPDX-License-Identifier: Apache-2.0

// Package capacity proves that a state for which a map is too small is refused as
// a whole: with a reason, and with nothing changed.
package capacity

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/mizar-net/mizar/dataplane"
	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/dataplane/table"
	"github.com/mizar-net/mizar/sim/run"
)

// RowID is the row of ACCEPTANCE that is proved.
const RowID = "K6"

// Host is what states are applied to.
type Host interface {
	Apply(state.Host, state.Local) (dataplane.Report, error)
	Close() error
}

// Load makes a host whose maps have these sizes.
type Load func(limits map[string]uint32) (Host, error)

// Kernel is the real thing.
func Kernel(limits map[string]uint32) (Host, error) {
	return dataplane.Load(dataplane.Options{Mode: dataplane.Simulated, Limits: limits})
}

// rooms are what the state of one endpoint needs of each map, which is one too few
// for two of everything. Arrays count from 0; ports by the index of the device.
var rooms = map[string]uint32{
	"hosts": 2, "peers": 1, "vpcs": 1, "subnets": 2, "endpoints": 2, "ports": 101, "locals": 1, "directory": 1, "routes": 1,
}

// Prove gives evidence for each map. The cells have the map for a protocol.
func Prove(load Load) []run.Evidence {
	var all []run.Evidence
	for _, name := range slices.Sorted(maps.Keys(rooms)) {
		e := run.Evidence{
			Test: "a state for which map " + name + " is too small", Rows: []string{RowID},
			Cell: run.Cell{Proto: name, Verdict: "refused"},
		}
		if err := prove(load, name, rooms[name]); err != nil {
			e.Failure = err.Error()
		}
		all = append(all, e)
	}
	return all
}

func prove(load Load, name string, room uint32) (err error) {
	h, err := load(map[string]uint32{name: room})
	if err != nil {
		return fmt.Errorf("load a host: %w", err)
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	if _, err := h.Apply(network(1)); err != nil {
		return fmt.Errorf("a state that just fits: %w", err)
	}
	_, refused := h.Apply(network(2))
	if err := judge(refused, name, int(room)); err != nil {
		return err
	}
	report, err := h.Apply(network(1))
	if err != nil {
		return fmt.Errorf("the state that was held before: %w", err)
	}
	if report.Rows() > 0 {
		return fmt.Errorf("the refused state changed rows: to have the one before again took %v", report)
	}
	return nil
}

// judge says what an operator misses in a refusal.
func judge(refused error, name string, room int) error {
	if refused == nil {
		return fmt.Errorf("map %s has room for %d rows, and a state that needs more was not refused", name, room)
	}
	var small *table.TooSmall
	if !errors.As(refused, &small) || small.Map != name || small.Room != room || small.Needs != room+1 {
		return fmt.Errorf("refused with %q: want map %s, its %d rows and the %d it needs", refused, name, room, room+1)
	}
	if !strings.Contains(refused.Error(), fmt.Sprintf("Options.Limits[%q]", name)) {
		return fmt.Errorf("refused with %q: want the setting that changes it", refused)
	}
	return nil
}

// network is a host with n of everything: peers, VPCs, subnets, endpoints.
func network(n int) (state.Host, state.Local) {
	s := state.Host{Name: "h0", Addresses: []netip.Addr{netip.AddrFrom4([4]byte{192, 0, 2, 100})}, MTU: 1500}
	l := state.Local{
		UplinkIndex: 1, UplinkMAC: state.MAC{2, 1}, Ports: map[string]uint32{}, NextHops: map[netip.Addr]state.MAC{},
	}
	for i := range n {
		b := byte(i + 1)
		peer := netip.AddrFrom4([4]byte{192, 0, 2, b})
		vni, subnet, endpoint := uint32(b), fmt.Sprintf("s%d", b), fmt.Sprintf("ns/e%d", b)
		cidr := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, b, 0, 0}), 24)
		own := netip.AddrFrom4([4]byte{10, b, 0, 2})
		s.Peers = append(s.Peers, state.Peer{Name: fmt.Sprintf("h%d", b), Addresses: []netip.Addr{peer}})
		s.VPCs = append(s.VPCs, state.VPC{Name: fmt.Sprintf("v%d", b), VNI: vni, Dividers: []string{"h0"}, Divider: true})
		s.Subnets = append(s.Subnets, state.Subnet{
			Name: subnet, VNI: vni, CIDRs: []netip.Prefix{cidr}, Gateways: []netip.Addr{cidr.Addr().Next()},
			GatewayMAC: state.MAC{2, 2}, Bouncers: []string{"h0"}, Bouncer: state.Complete,
		})
		s.Endpoints = append(s.Endpoints, state.Endpoint{
			Name: endpoint, VNI: vni, Subnet: subnet, Addresses: []netip.Addr{own}, MAC: state.MAC{2, 3, b}, Generation: 1, MTU: 1400,
		})
		s.Directory = append(s.Directory, state.Location{VNI: vni, Address: own, Subnet: subnet, Host: "h0", Generation: 1})
		l.NextHops[peer], l.Ports[endpoint] = state.MAC{2, 4, b}, 100+uint32(i)
	}
	return s, l
}
