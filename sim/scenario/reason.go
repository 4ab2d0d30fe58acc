// SPDX-License-Identifier: Apache-2.0

package scenario

import (
	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/sim/link"
	"github.com/mizar-net/mizar/sim/wire"
)

// Reasons returns the names of all drop reasons as people write them.
func Reasons() []string {
	var names []string
	for r := bpf.RowDropReasonDROP_NONE + 1; r < bpf.RowDropReasonDROP_MAX; r++ {
		names = append(names, r.String())
	}
	return names
}

// allReasons are those, and the reasons why packets are lost outside of programs.
func allReasons() []string { return append(append(Reasons(), link.Reasons()...), wire.StackMTU) }
