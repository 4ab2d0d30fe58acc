// SPDX-License-Identifier: Apache-2.0

package veth

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mizar-net/mizar/sim/wire"
)

var _ wire.Flooder = (*Wire)(nil)

// burst is how many frames are sent before the ears are emptied.
const burst = 64

// Flood implements wire.Flooder. Stacks hear what comes out.
func (w *Wire) Flood(ctx context.Context, at wire.Port, frames [][]byte) error {
	send, err := w.sender(at)
	if err != nil {
		return err
	}
	for i, f := range frames {
		if err := w.push(ctx, send, f); err != nil {
			return fmt.Errorf("frame %d of a flood at %s%s: %w", i, at.Endpoint, at.Uplink, err)
		}
		if i%burst != 0 {
			continue
		}
		if _, err := w.ears.listen(0); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	_, err = w.settle(ctx, nil)
	return err
}

// push sends a frame, and waits where the device has no room for it right now.
func (w *Wire) push(ctx context.Context, send func([]byte) error, frame []byte) error {
	for {
		err := send(frame)
		if !errors.Is(err, unix.ENOBUFS) {
			return err
		}
		if _, err := w.ears.listen(time.Millisecond); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

// Learned implements wire.Flooder.
func (w *Wire) Learned(ctx context.Context) (map[string]map[uint32]int, error) {
	all := map[string]map[uint32]int{}
	for name, d := range w.paths {
		paths, err := d.Paths()
		if err != nil {
			return nil, fmt.Errorf("host %s: %w", name, err)
		}
		all[name] = wire.ByVNI(paths)
	}
	return all, ctx.Err()
}
