// SPDX-License-Identifier: Apache-2.0

package veth

import (
	"errors"
	"fmt"

	"github.com/mizar-net/mizar/dataplane"
	"github.com/mizar-net/mizar/dataplane/names"
	"github.com/mizar-net/mizar/topology/netns"
)

// OpenNamed is [Open] for a wire whose machine room has a name, so that [Wire.Keep]
// can leave it standing.
func OpenNamed(name string) (*Wire, error) { return open(netns.Options{Name: name}) }

// Leave makes what a host's programs need outlive the process, in a machine room
// with a name, and leaves the names of what is in the host's rows.
func Leave(room *netns.Net, host string, d *dataplane.Datapath) error {
	dir, err := room.Pins(host)
	if err != nil {
		return err
	}
	if err := d.Pin(dir); err != nil {
		return fmt.Errorf("host %s: %w", host, err)
	}
	return tell(room, host, d)
}

// tell leaves the names of what is in a host's rows, if others can find those.
func tell(room *netns.Net, host string, d *dataplane.Datapath) error {
	if room.Name() == "" {
		return nil
	}
	if err := d.LeaveNames(names.Dir, room.Name()); err != nil {
		return fmt.Errorf("host %s: %w", host, err)
	}
	return nil
}

// untell removes the names of a machine room that goes.
func untell(room *netns.Net) error {
	if room.Name() == "" {
		return nil
	}
	return names.RemoveNetwork(names.Dir, room.Name())
}

// Keep lets go of the wire and leaves the machine room as it is: links, programs
// and all that they have learned, until somebody takes it down by its name. Next
// hops stay as they are. After an error that kept programs from outliving the
// process, it is taken down.
func (w *Wire) Keep() error {
	for name, d := range w.paths {
		if err := Leave(w.room, name, d); err != nil {
			return errors.Join(err, w.Close())
		}
	}
	errs := []error{w.endTraffic(), w.closeRelays(), w.dismissAll(), w.hush.listen(), w.hush.close(), w.ears.close()}
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
