// SPDX-License-Identifier: Apache-2.0

package encode_test

import (
	"encoding/binary"
	"fmt"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/dataplane/encode"
	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/dataplane/table"
)

// drawServices are some of a few, which share addresses and backends.
func drawServices(t *rapid.T) (all []state.Service) {
	at := func(n int, port uint16) netip.AddrPort {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(n)}), port)
	}
	for n := range 5 {
		if rapid.IntRange(0, 3).Draw(t, "absent") == 0 {
			continue
		}
		s := state.Service{Name: fmt.Sprint("s", n), VNI: 7, Protocol: 17, Affinity: time.Duration(rapid.IntRange(0, 1).Draw(t, "affinity")) * time.Second}
		s.Frontends = []netip.AddrPort{at(rapid.IntRange(100, 101).Draw(t, "address"), uint16(53+n))}
		for b := range rapid.IntRange(0, 3).Draw(t, "backends") {
			s.Backends = append(s.Backends, at(b+1, 53))
			s.Table = slices.Concat(s.Table, slices.Repeat([]uint16{uint16(b)}, 20))
		}
		all = append(all, s)
	}
	if rapid.Bool().Draw(t, "backwards") {
		slices.Reverse(all)
	}
	return all
}

// drawGates are services for the outside, whose backends are here or behind some of the
// other hosts.
func drawGates(t *rapid.T, peers []state.Peer) (all []state.OutsideService) {
	for n := range rapid.IntRange(0, 4).Draw(t, "gates") {
		s := state.OutsideService{
			Name: fmt.Sprint("g", n), VNI: 7, Protocol: 17, Alike: rapid.Bool().Draw(t, "alike"),
			Frontends: []netip.AddrPort{netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, 1}), uint16(30000+n))},
		}
		for range rapid.IntRange(0, 2).Draw(t, "ranges") {
			s.Ranges = append(s.Ranges, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(rapid.IntRange(1, 3).Draw(t, "range"))}), 16))
		}
		for b := range rapid.IntRange(0, 2).Draw(t, "backends") {
			host := "h"
			if len(peers) > 0 && rapid.Bool().Draw(t, "elsewhere") {
				host = rapid.SampledFrom(peers).Draw(t, "host").Name
			}
			at := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(b + 1)}), 53)
			s.Backends = append(s.Backends, state.OutsideBackend{At: at, Host: host, Generation: uint8(rapid.IntRange(1, 2).Draw(t, "generation"))})
			s.Table = append(s.Table, uint16(b))
		}
		all = append(all, s)
	}
	return all
}

// drawPeers are some other hosts: one that has gone may come back as another number.
func drawPeers(t *rapid.T) (all []state.Peer) {
	for n := range 3 {
		if rapid.IntRange(0, 3).Draw(t, "peer") > 0 {
			all = append(all, state.Peer{Name: fmt.Sprint("p", n), Addresses: []netip.Addr{netip.AddrFrom4([4]byte{192, 0, 2, byte(n + 2)})}})
		}
	}
	return all
}

// What an Encode makes of what the last one has is what one makes that begins anew, but
// for where it stands; the change leads from the one to the other, and what was given up
// is not written over by it.
func TestServicesThatDifferAreEnough(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := state.Host{Name: "h", MTU: 1500, Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.1")}, VPCs: []state.VPC{{Name: "red", VNI: 7}}}
		l := state.Local{UplinkIndex: 1, UplinkMAC: state.MAC{2, 1}}
		var before encode.Index
		held := encode.None()
		for range rapid.IntRange(2, 8).Draw(t, "states") {
			s.Services = drawServices(t)
			s.Peers = drawPeers(t)
			s.Outside = drawGates(t, s.Peers)
			rows, index, err := encode.Encode(s, l, before)
			if err != nil {
				t.Fatal(err)
			}
			fresh, first, err := encode.Encode(s, l, encode.Index{})
			if err != nil {
				t.Fatal(err)
			}
			if got, want := read(rows, index), read(fresh, first); rows.Services.Len() != fresh.Services.Len() || !reflect.DeepEqual(got, want) {
				t.Fatalf("it has %v in %d rows, want %v in %d", got, rows.Services.Len(), want, fresh.Services.Len())
			}
			checkChange(t, held, rows)
			before, held = index, rows
		}
	})
}

// read is what frontends lead to.
func read(r encode.Rows, index encode.Index) map[bpf.RowServiceKey]string {
	blocks := encode.Blocks(r.Blocks.Map())
	choices, backends := table.Keyed(blocks.Choices()), table.Keyed(blocks.Backends())
	hosts := map[uint16]string{}
	for name, number := range index.Hosts {
		hosts[uint16(number)] = name
	}
	all := map[bpf.RowServiceKey]string{}
	for key, row := range r.Services.Map() {
		if key.Vni>>31 == 1 {
			continue // by a number that others have elsewhere
		}
		text := fmt.Sprint(row.Places, row.Affinity)
		if key.Vni == 0 {
			text += fmt.Sprint(clients(r, row.Number))
		}
		for p := range row.Places {
			b := backends[row.Backends+uint32(choices[row.First+p/32].Backend[p%32])]
			text += fmt.Sprint(b.Addr, b.Port, hosts[b.Host], b.Generation)
		}
		all[key] = text
	}
	return all
}

// clients are the ends of prefixes that are in a set.
func clients(r encode.Rows, set uint32) (all []byte) {
	for key := range r.PolicyPrefixes {
		if binary.BigEndian.Uint32(binary.NativeEndian.AppendUint32(nil, key.Set)) == set && set != 0 {
			all = append(all, key.Addr[13])
		}
	}
	slices.Sort(all)
	return all
}

func checkChange(t *rapid.T, held, now encode.Rows) {
	rows := held.Services.Map()
	for _, r := range now.Change.Gone {
		if was, ok := held.Services.Get(r.Key); !ok || was != r.Value {
			t.Fatalf("row %v goes, and was not there", r)
		}
		delete(rows, r.Key)
	}
	maps.Copy(rows, table.Keyed(now.Change.Come))
	if want := now.Services.Map(); !maps.Equal(rows, want) {
		t.Fatalf("the change leads to %v, want %v", rows, want)
	}
	blocks := held.Blocks.Map()
	for name := range now.Change.GoneBlocks {
		delete(blocks, name)
	}
	maps.Copy(blocks, now.Change.ComeBlocks)
	if want := now.Blocks.Map(); !reflect.DeepEqual(blocks, want) {
		t.Fatalf("the change leads to blocks %v, want %v", blocks, want)
	}
	used := table.Keyed(encode.Blocks(held.Blocks.Map()).Backends())
	for _, r := range now.Change.ComeBlocks.Backends() {
		if _, ok := used[r.Key]; ok {
			t.Fatalf("row %d of backends is written while the last state leads there", r.Key)
		}
	}
}
