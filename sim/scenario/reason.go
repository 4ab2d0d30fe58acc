// SPDX-License-Identifier: Apache-2.0

package scenario

import (
	"fmt"
	"strings"
	"sync"

	"github.com/cilium/ebpf/btf"

	"github.com/mizar-net/mizar/bpf"
)

// Reasons returns the names of all drop reasons as people write them, read
// from the one enum in the committed object.
var Reasons = sync.OnceValue(func() []string {
	spec, err := bpf.LoadRow()
	if err != nil {
		panic(fmt.Sprintf("the embedded BPF object is broken: %v", err))
	}
	var enum *btf.Enum
	if err := spec.Types.TypeByName("drop_reason", &enum); err != nil {
		panic(fmt.Sprintf("the embedded BPF object has no drop reasons: %v", err))
	}
	var names []string
	for _, v := range enum.Values {
		if v.Value != uint64(bpf.RowDropReasonDROP_NONE) && v.Value != uint64(bpf.RowDropReasonDROP_MAX) {
			names = append(names, strings.ToLower(strings.TrimPrefix(v.Name, "DROP_")))
		}
	}
	return names
})
