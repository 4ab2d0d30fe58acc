// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"context"

	"github.com/mizar-net/mizar/bpf"
)

// Flooder is a wire that takes more frames than anybody can follow. Both wires
// are one.
type Flooder interface {
	// Flood puts frames on a port, one right behind the other.
	Flood(ctx context.Context, at Port, frames [][]byte) error
	// Learned counts the rows that each host has learned, by VNI.
	Learned(ctx context.Context) (map[string]map[uint32]int, error)
}

// ByVNI counts rows of learned paths.
func ByVNI(paths map[bpf.RowAddrKey]bpf.RowPath) map[uint32]int {
	all := map[uint32]int{}
	for key := range paths {
		all[key.Vni]++
	}
	return all
}
