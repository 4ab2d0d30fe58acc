// SPDX-License-Identifier: Apache-2.0

package veth

import (
	"errors"

	"github.com/mizar-net/mizar/topology/netns"
)

// OpenNamed is [Open] for a wire whose machine room has a name, so that [Wire.Keep]
// can leave it standing.
func OpenNamed(name string) (*Wire, error) { return open(netns.Options{Name: name}) }

// Keep lets go of the wire and leaves the machine room as it is: links, programs
// and all that they have learned, until somebody takes it down by its name. Next
// hops stay as they are.
func (w *Wire) Keep() error {
	errs := []error{w.endTraffic(), w.closeRelays(), w.hush.listen(), w.hush.close(), w.ears.close()}
	for name := range w.reach {
		errs = append(errs, w.unreach(name))
	}
	errs = append(errs, w.room.Release())
	for _, d := range w.paths {
		errs = append(errs, d.Close())
	}
	w.paths = nil
	return errors.Join(errs...)
}
