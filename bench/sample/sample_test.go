// SPDX-License-Identifier: Apache-2.0

package sample_test

import (
	"math"
	"math/rand/v2"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/bench/sample"
)

func TestSpread(t *testing.T) {
	g := NewWithT(t)
	var all []float64
	for i := range 101 {
		all = append(all, float64(100-i))
	}
	g.Expect(sample.Of(all)).To(Equal(sample.Spread{P5: 5, Median: 50, P90: 90}))
	g.Expect(sample.Of(nil)).To(Equal(sample.Spread{}))
	g.Expect(sample.Median([]float64{4, 1, 2, 3})).To(Equal(2.5))
	g.Expect(sample.Spread{P5: 3, Median: 5, P90: 9}.Minus(sample.Spread{P5: 1, Median: 2, P90: 3})).
		To(Equal(sample.Spread{P5: 2, Median: 3, P90: 6}))
}

func TestIntervalNeedsFiveSamples(t *testing.T) {
	g := NewWithT(t)
	four := sample.MedianInterval([]float64{1, 2, 3, 4})
	g.Expect(math.IsInf(four.Low, -1)).To(BeTrue())
	g.Expect(math.IsInf(four.High, 1)).To(BeTrue())
	g.Expect(sample.MedianInterval([]float64{5, 1, 4, 2, 3})).To(Equal(sample.Interval{Low: 1, High: 5}))
	g.Expect(sample.MedianInterval([]float64{8, 1, 7, 2, 6, 3, 5, 4})).To(Equal(sample.Interval{Low: 2, High: 7}),
		"eight samples can spare one at each end")
}

func TestIntervalHoldsTheMedianNineTimesOfTen(t *testing.T) {
	dice := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{5, 8, 13} {
		held := 0
		for range 4000 {
			var drawn []float64
			for range n {
				drawn = append(drawn, dice.ExpFloat64())
			}
			if i := sample.MedianInterval(drawn); i.Low <= math.Ln2 && math.Ln2 <= i.High {
				held++
			}
		}
		NewWithT(t).Expect(held).To(BeNumerically(">", 3600*0.98), "of 4000 with %d samples", n)
	}
}
