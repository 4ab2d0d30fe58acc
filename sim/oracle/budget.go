// SPDX-License-Identifier: Apache-2.0

package oracle

import "time"

// What an endpoint may make its host do: 100 ICMP errors a second and 32 at once,
// 1,000 rows for questions a second and as many at once as are a quarter of those
// that a simulated host has room for.
const (
	errorEvery    = 10 * time.Millisecond
	errorAhead    = 320 * time.Millisecond
	questionEvery = time.Millisecond
	questionAhead = 1024 * time.Millisecond
)

// spend takes one from a budget; false when it is used up. due is when the next
// one would come at the steady rate, which may be ahead of the clock.
func spend(due map[string]time.Duration, who string, now, every, ahead time.Duration) bool {
	next := max(due[who], now) + every
	if next-now > ahead {
		return false
	}
	due[who] = next
	return true
}
