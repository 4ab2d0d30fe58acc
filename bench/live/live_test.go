// SPDX-License-Identifier: Apache-2.0

package live_test

import (
	"context"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/bench/live"
	"github.com/mizar-net/mizar/bench/machine"
	"github.com/mizar-net/mizar/bench/suite"
)

// TestFramesArrive runs both ways shortly.
func TestFramesArrive(t *testing.T) {
	g := NewWithT(t)
	cpu, err := machine.LastCPU()
	g.Expect(err).NotTo(HaveOccurred())
	figures, omitted, err := live.Run(context.Background(), suite.Filter{Families: []int{4, 6}}, cpu,
		suite.Plan{Loads: 1, Rounds: 1, Sample: 5 * time.Millisecond})
	g.Expect(err).NotTo(HaveOccurred(), "root is needed")
	ways := 6
	if len(omitted) == 0 {
		ways = 8 // with nft
	}
	g.Expect(figures).To(HaveLen(ways))
	for _, f := range figures {
		g.Expect(f.Net().P5).To(BeNumerically(">", 0), f.ID())
		g.Expect(f.FloorCost()).To(BeNumerically(">", 0), f.ID())
		g.Expect(f.Delivered()).To(BeNumerically(">", 0.5), f.ID())
		t.Logf("%s: %v, floor %.0f, delivered %.4f", f.ID(), f.Net(), f.FloorCost(), f.Delivered())
	}
}
