// SPDX-License-Identifier: Apache-2.0

package footprint

import (
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/bpf"
)

// TestEveryMapIsSomebodys: a new map is an endpoint's, a host's, or a bouncer's.
func TestEveryMapIsSomebodys(t *testing.T) {
	g := NewWithT(t)
	spec, err := bpf.LoadRow()
	g.Expect(err).NotTo(HaveOccurred())
	listed := slices.Concat(perEndpoint, perHost, []string{bpf.RowMapDirectory})
	for name := range spec.Maps {
		if !strings.HasPrefix(name, ".") {
			g.Expect(listed).To(ContainElement(name), "say in judge.go whose rows the map has")
		}
	}
	for _, name := range listed {
		g.Expect(spec.Maps).To(HaveKey(name))
	}
}
