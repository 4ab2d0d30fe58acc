// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"encoding/binary"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/sim/scenario"
	"github.com/mizar-net/mizar/sim/wire"
)

// Row is a map's row with its fields by name, all as people read them. Fields
// that are empty are left out.
type Row map[string]string

// table says how the rows of a map are read.
type table struct {
	// row returns a pointer to a zero row, of the type that is generated
	// from the C.
	row func() any
	// first are the fields that one line has room for.
	first []string
}

func rowOf[T any]() any { return new(T) }

// tables are the maps by name. A test holds them against the enum in C.
var tables = map[string]table{
	bpf.RowMapPorts:     {rowOf[bpf.RowPort], []string{"endpoint"}},
	bpf.RowMapEndpoints: {rowOf[bpf.RowEndpoint], []string{"v4", "v6", "subnet", "mac"}},
	bpf.RowMapLocals:    {rowOf[bpf.RowLocal], []string{"endpoint"}},
	bpf.RowMapPaths:     {rowOf[bpf.RowPath], []string{"state", "host", "endpoint", "tell"}},
	bpf.RowMapHosts:     {rowOf[bpf.RowHost], []string{"addr", "nextHop"}},
	bpf.RowMapPeers:     {rowOf[bpf.RowPeer], []string{"host"}},
	bpf.RowMapPeerSlots: {rowOf[bpf.RowPeerSlot], []string{"host"}},
	bpf.RowMapUplinks:   {rowOf[bpf.RowUplink], []string{"v4", "v6", "vlan"}},
	bpf.RowMapSubnets:   {rowOf[bpf.RowSubnet], []string{"bouncer", "bouncers"}},
	bpf.RowMapVpcs:      {rowOf[bpf.RowVpc], []string{"divider", "dividers"}},
	bpf.RowMapDirectory: {rowOf[bpf.RowLocation], []string{"host"}},
	bpf.RowMapRoutes:    {rowOf[bpf.RowRoute], []string{"subnet"}},
	bpf.RowMapBudgets:   {rowOf[bpf.RowBudget], []string{"icmp", "question", "opening"}},

	bpf.RowMapFlows:          {rowOf[bpf.RowFlow], flowFirst},
	bpf.RowMapOpenings:       {rowOf[bpf.RowFlow], flowFirst},
	bpf.RowMapShares:         {rowOf[bpf.RowShare], []string{"flows"}},
	bpf.RowMapFragments:      {rowOf[bpf.RowFragmented], []string{"state", "host", "from", "to"}},
	bpf.RowMapPolicySets:     {rowOf[bpf.RowPolicySet], []string{"peers", "prefixes", "fallback"}},
	bpf.RowMapPolicyPeers:    {rowOf[bpf.RowJudgement], judgementFirst},
	bpf.RowMapPolicyPrefixes: {rowOf[bpf.RowJudgement], judgementFirst},
	bpf.RowMapPolicyPorts:    {rowOf[bpf.RowJudgement], judgementFirst},
	bpf.RowMapServices:       {rowOf[bpf.RowService], []string{"first", "places"}},
	bpf.RowMapChoices:        {rowOf[bpf.RowChoices], []string{"backend"}},
	bpf.RowMapBackends:       {rowOf[bpf.RowBackend], []string{"addr", "port"}},
	bpf.RowMapAffinities:     {rowOf[bpf.RowAffinity], []string{"addr", "port"}},
}

var (
	flowFirst      = []string{"state", "opener", "from", "to", "backend", "frontend", "egress", "ingress"}
	judgementFirst = []string{"verdict", "rule", "class"}
)

// flags are the fields that say yes or no.
var flags = []string{"tell", "bouncer", "divider", "peers", "prefixes"}

// Decode reads the bytes of a map's row. Numbers of hosts, subnets, endpoints
// and ports are told by their names.
func Decode(name string, row []byte, names *wire.Names) (Row, error) {
	t, ok := tables[name]
	if !ok {
		return nil, fmt.Errorf("decode a row of map %q: there is no such map", name)
	}
	into := t.row()
	if n, err := binary.Decode(row, binary.NativeEndian, into); err != nil || n != len(row) {
		return nil, fmt.Errorf("decode a row of map %s: got %d bytes, want %d", name, len(row), binary.Size(into))
	}
	if names == nil {
		names = &wire.Names{}
	}
	d := decoding{names: names, row: Row{}}
	v := reflect.ValueOf(into).Elem()
	switch row := into.(type) {
	case *bpf.RowFlow:
		d.flow(*row)
		return d.row, nil
	case *bpf.RowJudgement:
		d.judgement(*row)
		return d.row, nil
	case *bpf.RowFragmented:
		d.fragmented(*row)
		return d.row, nil
	case *bpf.RowPolicySet:
		d.policySet(*row)
		return d.row, nil
	}
	d.fields(v)
	if path, ok := into.(*bpf.RowPath); ok {
		d.path(*path)
	}
	return d.row, nil
}

// fragmented tells what the fragments of a packet have in common, as far as that is
// known.
func (d decoding) fragmented(f bpf.RowFragmented) {
	switch bpf.RowPathState(f.State) {
	case bpf.RowPathStatePATH_ASKED:
		d.set("state", "asked")
		d.set("host", named(d.names.Hosts, f.Host))
	case bpf.RowPathStatePATH_LEARNED:
		d.set("state", "learned")
		d.set("host", named(d.names.Hosts, f.Host))
	}
	if f.Begun != 0 {
		d.set("from", portText(f.From))
		d.set("to", portText(f.To))
	}
}

// path mends the number of a learned path, which is a host's in one state only.
func (d decoding) path(p bpf.RowPath) {
	state := bpf.RowPathState(p.State)
	if state != bpf.RowPathStatePATH_LEARNED {
		delete(d.row, "host")
	}
	if state == bpf.RowPathStatePATH_LOCAL {
		d.set("endpoint", named(d.names.Endpoints, p.Host))
	}
}

// Brief is the row in one line: "learned: host h2, tell".
func (r Row) Brief(name string) string {
	if len(r) == 0 {
		return "unused"
	}
	var parts []string
	for _, field := range tables[name].first {
		value, ok := r[field]
		switch {
		case !ok, field == "state":
		case slices.Contains(flags, field):
			parts = append(parts, field)
		default:
			parts = append(parts, words(field)+" "+value)
		}
	}
	text := strings.Join(parts, ", ")
	if state, ok := r["state"]; ok && text != "" {
		return state + ": " + text
	} else if ok {
		return state
	}
	return text
}

// words is a field's name as prose has it.
func words(field string) string {
	var b strings.Builder
	for _, c := range field {
		if c >= 'A' && c <= 'Z' {
			b.WriteByte(' ')
		}
		b.WriteRune(c)
	}
	return strings.ToLower(b.String())
}

// named is what a number stands for, or the number.
func named(names map[uint32]string, number uint32) string {
	if name, ok := names[number]; ok {
		return scenario.Short(name)
	}
	return fmt.Sprintf("number %d", number)
}
