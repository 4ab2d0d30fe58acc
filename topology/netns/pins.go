// SPDX-License-Identifier: Apache-2.0

package netns

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// pinsDir has a BPF filesystem for each named machine room, at the room's name.
// It is mounted after the room's claim is made and unmounted before that is
// given back, so that whoever finds a claim finds the pins.
const pinsDir = "/run/mizar/rooms"

// pinsOf is where the pins of a machine room are; "" if it has no name.
func pinsOf(name string) string {
	if name == "" {
		return ""
	}
	return filepath.Join(pinsDir, name)
}

// mountPins makes an empty place for the pins of a machine room that the caller
// has the claim of; what somebody has left there is taken away. A room without
// a name gets none.
func mountPins(name string) error {
	dir := pinsOf(name)
	if dir == "" {
		return nil
	}
	if err := unpin(dir); err != nil {
		return fmt.Errorf("take away old pins: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if err := unix.Mount("bpf", dir, "bpf", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "mode=0700"); err != nil {
		return errors.Join(fmt.Errorf("mount a BPF filesystem on %s (needs root): %w", dir, err), os.Remove(dir))
	}
	return nil
}

// Pins makes a folder on a BPF filesystem for what a host's programs need when
// no process has it any more. It goes with the machine room, which needs a name:
// all others go with the process.
func (n *Net) Pins(name string) (string, error) {
	if _, ok := n.hosts[name]; !ok {
		return "", n.unknown("host", name)
	}
	if n.opts.Name == "" {
		return "", fmt.Errorf("pin what host %s has: the machine room has no name, so it goes with the process", name)
	}
	// The filesystem takes no dots, and hosts have no colons.
	dir := filepath.Join(pinsOf(n.opts.Name), strings.ReplaceAll(name, ".", ":"))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("make a folder for the pins of host %s: %w", name, err)
	}
	return dir, nil
}
