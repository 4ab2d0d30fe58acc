// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"context"
	"fmt"
	"time"
)

// Traffic is a conversation in the background: a request every so often, while
// other things happen. icmp and udp: an echo or a datagram that is echoed; tcp: a
// stream of Size bytes each time, echoed.
type Traffic struct {
	// Name tells it from others that run at the same time.
	Name  string
	Probe Probe
	// Every is the time between two requests.
	Every time.Duration
}

// Carrier is a wire that traffic can run on. Both wires are one.
type Carrier interface {
	// Start begins traffic; it runs while the wire advances.
	Start(ctx context.Context, t Traffic) error
	// Stop ends it, waits for what is on its way, and says what became of it.
	Stop(ctx context.Context, name string) (Series, error)
}

// Series is what became of traffic.
type Series struct {
	// Sent counts requests, Answered those whose reply came back whole.
	Sent, Answered int
	// Resent counts segments of a tcp stream that had to be sent again.
	Resent int
	// Gap is the longest time without an answer, from the start to the last
	// request.
	Gap time.Duration
	// Shortest and Longest are times from a request to its reply.
	Shortest, Longest time.Duration
	// Wrong says what broke a stream, or was not as it was sent; "": nothing.
	Wrong string
}

// Lost is how many requests had no answer. What a stream has not delivered at
// its end is lost.
func (s Series) Lost() int { return s.Sent - s.Answered }

// Survived says that there was traffic and, at the end, nothing was broken: a
// stream has delivered all that was written to it.
func (s Series) Survived(p Proto) bool {
	return s.Answered > 0 && s.Wrong == "" && (p != TCP || s.Lost() == 0)
}

// String is the series in a few words.
func (s Series) String() string {
	text := fmt.Sprintf("%d sent, %d lost, longest gap %v, %v to %v each", s.Sent, s.Lost(),
		s.Gap.Round(time.Millisecond), s.Shortest.Round(time.Microsecond), s.Longest.Round(time.Microsecond))
	if s.Resent > 0 {
		text += fmt.Sprintf(", %d segments sent again", s.Resent)
	}
	if s.Wrong != "" {
		text += ", broken: " + s.Wrong
	}
	return text
}

// Tally counts a series while it runs.
type Tally struct {
	Series Series
	// start is when the series began, last when the last answer came.
	last time.Duration
}

// Began notes the beginning.
func (t *Tally) Began(now time.Duration) { t.last = now }

// Answer notes the answer to a request that was sent at a time.
func (t *Tally) Answer(sent, now time.Duration) {
	took := now - sent
	if t.Series.Answered == 0 || took < t.Series.Shortest {
		t.Series.Shortest = took
	}
	t.Series.Longest = max(t.Series.Longest, took)
	t.Series.Gap = max(t.Series.Gap, now-t.last)
	t.Series.Answered++
	t.last = now
}

// Ended notes the time of the last request: a silence before it is a gap, too.
func (t *Tally) Ended(now time.Duration) { t.Series.Gap = max(t.Series.Gap, now-t.last) }
