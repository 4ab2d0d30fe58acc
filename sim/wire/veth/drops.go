// SPDX-License-Identifier: Apache-2.0

package veth

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mizar-net/mizar/sim/wire"
)

// Drops implements wire.Wire.
func (w *Wire) Drops(ctx context.Context) (wire.Drops, error) {
	all := wire.Drops{}
	for name, d := range w.paths {
		some, err := d.Drops()
		if err != nil {
			return nil, fmt.Errorf("host %s: %w", name, err)
		}
		all[name] = some
	}
	if err := w.addLost(all); err != nil {
		return nil, err
	}
	return all, ctx.Err()
}

// drop is a reason that counted up on a host.
type drop struct{ host, reason string }

// background says that the stacks of endpoints cause such drops without being
// asked, so that they explain a packet's death only if nothing else does.
func (d drop) background() bool {
	return d.reason == "nd_other" || d.reason == "multicast" || d.reason == "arp_other"
}

// newDrops are the reasons that counted up, likeliest first.
func newDrops(before, after wire.Drops) []drop {
	var all []drop
	for host, reasons := range after {
		for reason, n := range reasons {
			if n > before[host][reason] {
				all = append(all, drop{host, reason})
			}
		}
	}
	slices.SortFunc(all, func(a, b drop) int {
		return cmp.Or(cmp.Compare(number(a.background()), number(b.background())),
			strings.Compare(a.host, b.host), strings.Compare(a.reason, b.reason))
	})
	return all
}

func number(b bool) int {
	if b {
		return 1
	}
	return 0
}

// ended counts the packets whose way came to an end in a program: every packet
// comes to exactly one of these verdicts.
func (w *Wire) ended() (uint64, error) {
	var sum uint64
	for name, d := range w.paths {
		verdicts, err := d.Verdicts()
		if err != nil {
			return 0, fmt.Errorf("host %s: %w", name, err)
		}
		for _, v := range []string{"drop", "pass", "answer", "deliver"} {
			sum += verdicts[v]
		}
	}
	return sum, nil
}

const (
	// tick is how long one look at the ears waits.
	tick = 3 * time.Millisecond
	// patience bounds the wait for something that may not come.
	patience = 250 * time.Millisecond
)

// settle listens until nothing has been heard for a tick and done, if given,
// says so; at most for patience.
func (w *Wire) settle(ctx context.Context, done func() (bool, error)) ([]sighting, error) {
	var all []sighting
	for end := time.Now().Add(patience); ; {
		some, err := w.ears.listen(tick)
		if err != nil {
			return all, err
		}
		all = append(all, some...)
		if err := ctx.Err(); err != nil {
			return all, err
		}
		if len(some) > 0 {
			continue
		}
		if done == nil || !time.Now().Before(end) {
			return all, nil
		}
		if ok, err := done(); err != nil {
			return all, err
		} else if ok {
			last, err := w.ears.listen(0) // what came between the last look at the ears and the end
			return append(all, last...), err
		}
	}
}
