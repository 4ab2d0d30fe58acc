// SPDX-License-Identifier: Apache-2.0

package veth

import (
	"context"
	"errors"
	"fmt"

	"github.com/mizar-net/mizar/sim/wire"
)

// Inject implements wire.Wire. Frames go one by one, each after the network has
// come to rest, so that every emission has its input.
func (w *Wire) Inject(ctx context.Context, at wire.Port, frames [][]byte) (out []wire.Emission, err error) {
	send, err := w.sender(at)
	if err != nil {
		return nil, err
	}
	if _, err := w.settle(ctx, nil); err != nil {
		return nil, err
	}
	if err := w.hush.deafen(); err != nil {
		return nil, fmt.Errorf("deafen the stacks: %w", err)
	}
	defer func() {
		if again := w.hush.listen(); again != nil {
			err = errors.Join(err, fmt.Errorf("let the stacks hear again: %w", again))
		}
	}()
	for i, f := range frames {
		some, err := w.injectOne(ctx, i, func() error { return send(f) })
		if err != nil {
			return out, fmt.Errorf("frame %d at %s%s: %w", i, at.Endpoint, at.Uplink, err)
		}
		out = append(out, some...)
	}
	return out, nil
}

// sender is how frames enter a port.
func (w *Wire) sender(at wire.Port) (func([]byte) error, error) {
	switch {
	case at.Endpoint != "":
		ear, ok := w.ears.endpoints[at.Endpoint]
		if !ok {
			return nil, fmt.Errorf("inject at endpoint %q: there is none of that name", at.Endpoint)
		}
		return func(f []byte) error { return ear.send(ear.device, f) }, nil
	default:
		port, err := w.room.FabricPort(at.Uplink)
		if err != nil {
			return nil, fmt.Errorf("inject at an uplink: %w", err)
		}
		return func(f []byte) error { return w.ears.fabric.send(port, f) }, nil
	}
}

// injectOne sends a frame and returns what came out of it.
func (w *Wire) injectOne(ctx context.Context, input int, send func() error) ([]wire.Emission, error) {
	before, err := w.ended()
	if err != nil {
		return nil, err
	}
	if err := send(); err != nil {
		return nil, err
	}
	seen, err := w.settle(ctx, func() (bool, error) {
		after, err := w.ended()
		return after > before, err
	})
	var out []wire.Emission
	for _, s := range cameOut(seen) {
		out = append(out, wire.Emission{At: s.at, To: w.know.carriedTo(s), Frame: s.frame, Input: input})
	}
	return out, err
}
