// SPDX-License-Identifier: Apache-2.0

package clock_test

import (
	"errors"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/dataplane/clock"
)

func TestVirtualMovesOnlyWhenTold(t *testing.T) {
	g := NewWithT(t)
	var c clock.Virtual
	var told []time.Duration
	g.Expect(c.Follow(func(now time.Duration) error { told = append(told, now); return nil })).To(Succeed())
	g.Expect(c.Advance(time.Second)).To(Succeed())
	g.Expect(c.Advance(0)).NotTo(Succeed())
	g.Expect(c.Advance(-time.Second)).NotTo(Succeed())
	g.Expect(c.Now()).To(Equal(clock.Start + time.Second))
	g.Expect(told).To(Equal([]time.Duration{clock.Start, clock.Start + time.Second}))

	broken := errors.New("broken")
	g.Expect(c.Follow(func(time.Duration) error { return broken })).To(MatchError(broken))
}

func TestKernelNeverGoesBack(t *testing.T) {
	g := NewWithT(t)
	first, err := clock.Kernel{}.Now()
	g.Expect(err).NotTo(HaveOccurred())
	second, err := clock.Kernel{}.Now()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(first).To(BeNumerically(">", 0))
	g.Expect(second).To(BeNumerically(">=", first))
}
