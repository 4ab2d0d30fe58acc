// SPDX-License-Identifier: Apache-2.0

// Package sample has the statistics of the benchmarks: what many samples of one
// thing say, and how sure that is. All of it is pure.
package sample

import (
	"math"
	"slices"
)

// Spread is what the samples of one load say, in the samples' unit.
type Spread struct {
	// P5 is the machine when quiet, Median as it usually is, P90 when busy.
	P5     float64 `json:"p5"`
	Median float64 `json:"median"`
	P90    float64 `json:"p90"`
}

// Of is the spread of samples; they need not be sorted.
func Of(samples []float64) Spread {
	sorted := slices.Sorted(slices.Values(samples))
	return Spread{P5: quantile(sorted, 0.05), Median: quantile(sorted, 0.5), P90: quantile(sorted, 0.9)}
}

// Minus subtracts quantile by quantile. That is not the spread of the
// differences, whose low end would be the rounds in which the subtrahend was
// disturbed.
func (s Spread) Minus(o Spread) Spread {
	return Spread{P5: s.P5 - o.P5, Median: s.Median - o.Median, P90: s.P90 - o.P90}
}

// Median is the middle of the samples; 0 of none.
func Median(samples []float64) float64 {
	return quantile(slices.Sorted(slices.Values(samples)), 0.5)
}

// Quantile is the value that a part q of the samples lies below; 0 of none.
func Quantile(samples []float64, q float64) float64 {
	return quantile(slices.Sorted(slices.Values(samples)), q)
}

// quantile interpolates between sorted samples.
func quantile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	at := q * float64(len(sorted)-1)
	low := int(math.Floor(at))
	high := min(low+1, len(sorted)-1)
	return sorted[low] + (at-float64(low))*(sorted[high]-sorted[low])
}

// Interval is where a figure lies.
type Interval struct {
	Low  float64 `json:"low"`
	High float64 `json:"high"`
}

// Sure is the least number of samples that [MedianInterval] can say anything
// from.
const Sure = 5

// MedianInterval is an interval that holds the median of what the samples were
// drawn from in at least 90 of 100 cases, whatever its distribution: between the
// k-th lowest and the k-th highest sample, with the largest k that will do. With
// fewer than [Sure] samples it is everything.
func MedianInterval(samples []float64) Interval {
	sorted := slices.Sorted(slices.Values(samples))
	n := len(sorted)
	k := 0
	for outside(n, k+1) <= 0.10 {
		k++
	}
	if k == 0 {
		return Interval{Low: math.Inf(-1), High: math.Inf(1)}
	}
	return Interval{Low: sorted[k-1], High: sorted[n-k]}
}

// outside is the probability that the median lies outside of the k-th lowest
// and k-th highest of n samples: of fewer than k heads, or fewer than k tails,
// in n tosses of a coin.
func outside(n, k int) float64 {
	if 2*k > n {
		return 1
	}
	sum, binomial := 0.0, 1.0
	for i := range k {
		sum += binomial
		binomial *= float64(n-i) / float64(i+1)
	}
	return 2 * sum / math.Pow(2, float64(n))
}
