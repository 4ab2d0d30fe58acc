// SPDX-License-Identifier: Apache-2.0

package netns

import (
	"context"
	"fmt"
	"time"

	"github.com/vishvananda/netlink"
)

const (
	// look is how often a link is asked for its state, longest how long.
	look    = 2 * time.Millisecond
	longest = 5 * time.Second
)

// Ready waits until every endpoint's device sends, but for those of dead hosts and
// those that moved and have no program yet. The kernel activates a queue some time
// after its device is up; until then it loses what a stack sends.
func (n *Net) Ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	for _, e := range n.endpoints {
		if e.host.dead || e.dark {
			continue
		}
		if err := e.ready(ctx); err != nil {
			return fmt.Errorf("endpoint %s: %w", e.Name, err)
		}
	}
	return nil
}

func (e *endpoint) ready(ctx context.Context) error {
	for {
		link, err := e.links.LinkByIndex(e.device)
		if err != nil {
			return fmt.Errorf("look at %s: %w", e.Device(), err)
		}
		if link.Attrs().OperState == netlink.OperUp {
			return e.askAnew()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for %s, which is %s: %w", e.Device(), link.Attrs().OperState, ctx.Err())
		case <-time.After(look):
		}
	}
}
