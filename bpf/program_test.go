// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause

package bpf_test

import (
	"fmt"
	"path"
	"slices"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/bpf"
)

// wrapper is the one header that may call helpers on maps: its functions count
// what they do, so the counts of a packet's lookups and updates are complete.
const wrapper = "table.h"

// mapless are the helpers that touch no map and may be called anywhere. One that
// is not listed counts as a map helper.
// A tail call looks nothing up that a packet waits for.
var mapless = []asm.BuiltinFunc{
	asm.FnKtimeGetNs, asm.FnKtimeGetBootNs, asm.FnKtimeGetCoarseNs, asm.FnJiffies64,
	asm.FnGetSmpProcessorId, asm.FnGetPrandomU32, asm.FnRedirect, asm.FnRedirectPeer, asm.FnRedirectNeigh,
	asm.FnXdpAdjustHead, asm.FnXdpAdjustMeta, asm.FnXdpAdjustTail, asm.FnXdpLoadBytes, asm.FnXdpStoreBytes,
	asm.FnXdpGetBuffLen, asm.FnSkbAdjustRoom, asm.FnSkbVlanPop, asm.FnSkbChangeHead, asm.FnSkbPullData, asm.FnSkbLoadBytes, asm.FnSkbChangeTail,
	asm.FnSkbStoreBytes, asm.FnCsumDiff, asm.FnCsumUpdate, asm.FnL3CsumReplace, asm.FnL4CsumReplace,
	asm.FnFibLookup, asm.FnLoop, asm.FnTailCall,
}

// line is what instructions know of their source; *btf.Line is one.
type line interface {
	FileName() string
	LineNumber() uint32
	String() string
}

// walk counts the map helper calls inside the wrapper, and says file and line of
// each outside.
func walk(instructions asm.Instructions) (inside int, outside []string) {
	var at line
	for i := range instructions {
		ins := &instructions[i]
		if source, ok := ins.Source().(line); ok {
			at = source // holds for all that follow until the next
		}
		if !ins.IsKfuncCall() && (!ins.IsBuiltinCall() || slices.Contains(mapless, asm.BuiltinFunc(ins.Constant))) {
			continue
		}
		switch {
		case at == nil:
			outside = append(outside, fmt.Sprintf("%v without a source line", ins))
		case path.Base(at.FileName()) == wrapper:
			inside++
		default:
			outside = append(outside, fmt.Sprintf("%s:%d: %v", at.FileName(), at.LineNumber(), ins))
		}
	}
	return inside, outside
}

// Row I4: every lookup and update of the programs goes through the wrapper that
// counts it.
func TestMapHelpersAreCalledInTheWrapperOnly(t *testing.T) {
	for name, load := range map[string]func() (*ebpf.CollectionSpec, error){
		"uplink": bpf.LoadUplink, "uplink_tcx": bpf.LoadUplinkTCX, "endpoint": bpf.LoadEndpoint, "endpoint_tcx": bpf.LoadEndpointTCX,
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			spec, err := load()
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(spec.Programs).NotTo(BeEmpty())
			for each, program := range spec.Programs {
				inside, outside := walk(program.Instructions)
				g.Expect(inside).To(BeNumerically(">", 0), "the walk must see the wrapper's own calls in %s", each)
				for _, call := range outside {
					t.Errorf("%s\n\tcalls a map helper outside of include/%s: the call is not counted; use the wrapper", call, wrapper)
				}
			}
		})
	}
}

type plantedLine struct {
	file   string
	number uint32
}

func (l plantedLine) FileName() string   { return l.file }
func (l plantedLine) LineNumber() uint32 { return l.number }
func (l plantedLine) String() string     { return "bpf_map_lookup_elem(&paths, &key)" }

// The walk can fail: each of these calls is outside, and is told by file and line.
func TestMapHelpersOutsideTheWrapperAreFound(t *testing.T) {
	g := NewWithT(t)
	inWrapper := plantedLine{"include/table.h", 12}
	elsewhere := plantedLine{"include/locate.h", 34}
	inside, outside := walk(asm.Instructions{
		asm.FnMapLookupElem.Call().WithSource(inWrapper),
		asm.Mov.Imm(asm.R0, 0).WithSource(elsewhere),
		asm.FnMapUpdateElem.Call(), // of the line above
		asm.FnRedirectMap.Call().WithSource(elsewhere),
		asm.FnKtimeGetCoarseNs.Call().WithSource(elsewhere),
		asm.FnMapLookupPercpuElem.Call().WithSource(elsewhere),
	})
	g.Expect(inside).To(Equal(1))
	g.Expect(outside).To(HaveLen(3))
	g.Expect(outside).To(HaveEach(HavePrefix("include/locate.h:34: ")))

	_, outside = walk(asm.Instructions{asm.FnMapDeleteElem.Call()})
	g.Expect(outside).To(ConsistOf(ContainSubstring("without a source line")))
}
