// SPDX-License-Identifier: Apache-2.0

package scenarios_test

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/sim/scenarios"
)

func TestEveryScenarioLoads(t *testing.T) {
	g := NewWithT(t)
	g.Expect(scenarios.Names()).To(ContainElement("same-subnet"))
	for _, name := range scenarios.Names() {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			s, err := scenarios.Load(name)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(s.Name).To(Equal(name))
			for _, step := range s.Steps {
				g.Expect(step.Name).NotTo(Equal(step.Kind()), "line %d: a sentence that says what is shown", step.At.Line)
			}
		})
	}
}
