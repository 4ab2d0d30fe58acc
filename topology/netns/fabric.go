// SPDX-License-Identifier: Apache-2.0

package netns

import (
	"errors"
	"fmt"

	"github.com/vishvananda/netlink"
)

// bridgeDevice is the switch between all uplinks, in the fabric's namespace.
const bridgeDevice = "bridge"

// fabric is the underlay: a namespace with a bridge.
type fabric struct {
	*space
	bridge int
}

// newFabric makes an underlay that nobody is plugged into.
func newFabric() (*fabric, error) {
	s, err := newSpace("")
	if err != nil {
		return nil, err
	}
	f := &fabric{space: s}
	if err := f.build(); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return f, nil
}

func (f *fabric) build() error {
	if err := f.in(func() error { return set(quiet, speechless) }); err != nil {
		return err
	}
	off := new(bool)
	attrs := netlink.NewLinkAttrs()
	attrs.Name = bridgeDevice
	// Groups are flooded as a plain switch does it, never learned.
	bridge := &netlink.Bridge{LinkAttrs: attrs, MulticastSnooping: off}
	if err := f.links.LinkAdd(bridge); err != nil {
		return fmt.Errorf("add the bridge: %w", err)
	}
	f.bridge = bridge.Index
	if err := f.links.LinkSetUp(bridge); err != nil {
		return fmt.Errorf("set the bridge up: %w", err)
	}
	return nil
}
