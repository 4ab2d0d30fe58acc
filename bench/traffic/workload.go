// SPDX-License-Identifier: Apache-2.0

package traffic

import (
	"fmt"
	"net/netip"

	"github.com/mizar-net/mizar/bench/probe"
	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/capture"
	"github.com/mizar-net/mizar/sim/corpus"
)

// Roles say who sends a capture's packets, and to whom.
type Roles struct {
	From capture.Endpoint
	// To is who takes the place of the n-th destination of the capture.
	To      func(n int) capture.Endpoint
	Gateway state.MAC
}

// Workload is a capture as what one endpoint sends.
type Workload struct {
	Frames [][]byte
	// Destinations is how many different ones there are.
	Destinations int
	// Forced frames are too broken for more than the bytes of their
	// addresses to be replaced. TooLong and TooMany ones are left out:
	// longer than a full frame, or beyond what the instruments hold.
	Forced, TooLong, TooMany int
}

// Sent makes a workload of a capture. Every packet has its length and what stands
// behind its addresses.
func Sent(c capture.Capture, r Roles) (Workload, error) {
	var w Workload
	numbers := map[netip.Addr]int{}
	for _, p := range c.Packets {
		switch {
		case len(p.Frame) > probe.MostFrame:
			w.TooLong++
			continue
		case len(w.Frames) == probe.MaxFlows:
			w.TooMany++
			continue
		}
		to := corpus.Destination(p.Frame)
		n, ok := numbers[to]
		if !ok {
			n = len(numbers)
			numbers[to] = n
		}
		b, forced := corpus.Sent(p.Frame, r.From, r.To(n), r.Gateway)
		if forced {
			w.Forced++
		}
		w.Frames = append(w.Frames, b)
	}
	w.Destinations = len(numbers)
	if len(w.Frames) == 0 {
		return w, fmt.Errorf("%s: none of its %d packets can be sent: want at least one of at most %d bytes (record with segmentation offloads off)",
			c.File, len(c.Packets), probe.MostFrame)
	}
	return w, nil
}

// Lengths are those of the frames.
func (w Workload) Lengths() []int {
	all := make([]int, len(w.Frames))
	for i, f := range w.Frames {
		all[i] = len(f)
	}
	return all
}
