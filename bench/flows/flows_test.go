// SPDX-License-Identifier: Apache-2.0

package flows_test

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/bench/flows"
	"github.com/mizar-net/mizar/bench/suite"
)

// Everything is measured, and what it did is what it should have done, or there would
// be an error.
func TestEverythingIsMeasured(t *testing.T) {
	g := NewWithT(t)
	figures, err := flows.Measure(t.Context(), suite.Plan{Loads: 1, Rounds: 1, Sample: time.Millisecond})
	g.Expect(err).NotTo(HaveOccurred(), "root is needed")
	var names []string
	for _, f := range figures {
		names = append(names, f.Name)
		g.Expect(f.Rate()).To(BeNumerically(">", 1000), "rows a second, %s", f.Name)
	}
	g.Expect(names).To(HaveLen(len(flows.Entering) + 2))
	for _, name := range flows.Entering {
		g.Expect(names).To(ContainElement("enter/" + name))
	}
}
