// SPDX-License-Identifier: Apache-2.0

package frontend

import (
	"slices"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/controlplane/compile"
	"github.com/mizar-net/mizar/sim/wire"
)

// Chance gives shares like the first two; the others are as good as impossible.
func TestUnevenSharesAreTold(t *testing.T) {
	g := NewWithT(t)
	g.Expect(uneven(map[string]int{"a": 250, "b": 250, "c": 250, "d": 250})).To(BeEmpty())
	g.Expect(uneven(map[string]int{"a": 270, "b": 230, "c": 265, "d": 235})).To(BeEmpty())
	g.Expect(uneven(map[string]int{"a": 310, "b": 190, "c": 250, "d": 250})).To(ContainSubstring("chi-square"))
	g.Expect(uneven(map[string]int{"a": 334, "b": 333, "c": 333})).To(ContainSubstring("chi-square"), "one has none")
	g.Expect(uneven(nil)).NotTo(BeEmpty())
}

// One of ten backends has about a tenth of the flows; nobody else's choose anew, and all
// choose as before once it is back.
func TestFlowsThatMoveAreTold(t *testing.T) {
	g := NewWithT(t)
	before := make([]string, 100)
	with := func(moved int) []string {
		after := slices.Clone(before)
		for i := range moved {
			after[i] = "other"
		}
		return after
	}
	g.Expect(moved([3][]string{before, with(10), before})).To(BeEmpty())
	g.Expect(moved([3][]string{before, with(15), before})).To(BeEmpty())
	g.Expect(moved([3][]string{before, with(16), before})).To(ContainSubstring("16 of 100 flows"))
	g.Expect(moved([3][]string{before, before, before})).To(ContainSubstring("0 of 100 flows"), "the change has not been made")
	g.Expect(moved([3][]string{before, with(10), with(1)})).To(ContainSubstring("came back"))
}

// Every backend of many is chosen by a port, each by another, and has a name.
func TestEveryBackendIsChosenBySomePort(t *testing.T) {
	g := NewWithT(t)
	set, err := objects(many)
	g.Expect(err).NotTo(HaveOccurred())
	n := &network{states: compile.Hosts(set), behind: map[asked][]wire.Backend{}}
	for _, family := range []int{4, 6} {
		for _, p := range protocols {
			s, err := n.service(family, p.number)
			g.Expect(err).NotTo(HaveOccurred())
			ports, names := map[uint16]bool{}, map[string]bool{}
			for backend, port := range choosers(s, family) {
				ports[port], names[n.owner(backend, family, p.proto)] = true, true
			}
			g.Expect(ports).To(HaveLen(many))
			g.Expect(names).To(And(HaveLen(many), Not(HaveKey(""))))
		}
	}
	_, err = n.service(4, 47)
	g.Expect(err).To(MatchError(ContainSubstring("protocol 47")))
}
