// SPDX-License-Identifier: Apache-2.0

package feature

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/features"

	"github.com/mizar-net/mizar/bpf"
)

// objects tries the kinds of maps and the helpers that the committed objects use,
// which are read off them.
func objects(ctx context.Context) ([]Feature, error) {
	rows, err := bpf.LoadRow()
	if err != nil {
		return nil, fmt.Errorf("read the object of the maps: %w", err)
	}
	kinds := map[ebpf.MapType][]string{}
	for name, m := range rows.Maps {
		if !strings.HasPrefix(name, ".") { // a data section
			kinds[m.Type] = append(kinds[m.Type], name)
		}
	}
	var all []Feature
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		slices.Sort(kinds[kind])
		f := Feature{Name: "map " + kind.String(), For: strings.Join(kinds[kind], " "), Need: Must}
		all = append(all, f.with(features.HaveMapType(kind)))
	}
	calls, err := helpers()
	if err != nil {
		return nil, err
	}
	for _, c := range slices.SortedFunc(maps.Keys(calls), call.compare) {
		f := Feature{Name: "helper " + strings.TrimPrefix(c.helper.String(), "Fn") + " of " + c.kind.String(), For: strings.Join(calls[c], " "), Need: Must}
		if c.kind != ebpf.XDP {
			f.Need = May
		}
		all = append(all, f.with(features.HaveProgramHelper(c.kind, c.helper)))
	}
	return all, ctx.Err()
}

// call is a helper that programs of a kind call.
type call struct {
	kind   ebpf.ProgramType
	helper asm.BuiltinFunc
}

func (c call) compare(other call) int {
	return cmp.Or(-cmp.Compare(c.kind, other.kind), cmp.Compare(c.helper, other.helper))
}

// helpers are all that the programs call, with the names of the programs.
func helpers() (map[call][]string, error) {
	calls := map[call][]string{}
	for _, read := range []func() (*ebpf.CollectionSpec, error){bpf.LoadUplink, bpf.LoadUplinkTCX, bpf.LoadEndpoint, bpf.LoadEndpointTCX} {
		spec, err := read()
		if err != nil {
			return nil, fmt.Errorf("read an object of programs: %w", err)
		}
		for _, name := range slices.Sorted(maps.Keys(spec.Programs)) {
			p := spec.Programs[name]
			for _, i := range p.Instructions {
				c := call{p.Type, asm.BuiltinFunc(i.Constant)}
				if i.IsBuiltinCall() && !slices.Contains(calls[c], name) {
					calls[c] = append(calls[c], name)
				}
			}
		}
	}
	return calls, nil
}
