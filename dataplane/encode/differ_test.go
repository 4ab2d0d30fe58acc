// SPDX-License-Identifier: Apache-2.0

package encode_test

import (
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
			rows, index, err := encode.Encode(s, l, before)
			if err != nil {
				t.Fatal(err)
			}
			fresh, _, err := encode.Encode(s, l, encode.Index{})
			if err != nil {
				t.Fatal(err)
			}
			if got, want := read(rows, index.Affine), read(fresh, index.Affine); len(rows.Services) != len(fresh.Services) || !reflect.DeepEqual(got, want) {
				t.Fatalf("it has %v in %d rows, want %v in %d", got, len(rows.Services), want, len(fresh.Services))
			}
			checkChange(t, held, rows)
			before, held = index, rows
		}
	})
}

// read is what frontends lead to.
func read(r encode.Rows, affine map[string]uint32) map[bpf.RowServiceKey]string {
	choices, backends := table.Keyed(r.Blocks.Choices()), table.Keyed(r.Blocks.Backends())
	all := map[bpf.RowServiceKey]string{}
	for key, row := range r.Services {
		if key.Vni>>31 == 1 {
			continue // by a number that others have elsewhere
		}
		text := fmt.Sprint(row.Places, row.Affinity)
		for p := range row.Places {
			text += fmt.Sprint(backends[row.Backends+uint32(choices[row.First+p/32].Backend[p%32])])
		}
		all[key] = text
	}
	return all
}

func checkChange(t *rapid.T, held, now encode.Rows) {
	rows := maps.Clone(held.Services)
	for _, r := range now.Change.Gone {
		if held.Services[r.Key] != r.Value {
			t.Fatalf("row %v goes, and was not there", r)
		}
		delete(rows, r.Key)
	}
	maps.Copy(rows, table.Keyed(now.Change.Come))
	if !maps.Equal(rows, now.Services) {
		t.Fatalf("the change leads to %v, want %v", rows, now.Services)
	}
	blocks := maps.Clone(held.Blocks)
	for name := range now.Change.GoneBlocks {
		delete(blocks, name)
	}
	maps.Copy(blocks, now.Change.ComeBlocks)
	if !reflect.DeepEqual(blocks, now.Blocks) {
		t.Fatalf("the change leads to blocks %v, want %v", blocks, now.Blocks)
	}
	used := table.Keyed(held.Blocks.Backends())
	for _, r := range now.Change.ComeBlocks.Backends() {
		if _, ok := used[r.Key]; ok {
			t.Fatalf("row %d of backends is written while the last state leads there", r.Key)
		}
	}
}
