// SPDX-License-Identifier: Apache-2.0

package scenario

import "github.com/mizar-net/mizar/bpf"

// Reasons returns the names of all drop reasons as people write them.
func Reasons() []string {
	var names []string
	for r := bpf.RowDropReasonDROP_NONE + 1; r < bpf.RowDropReasonDROP_MAX; r++ {
		names = append(names, r.String())
	}
	return names
}
