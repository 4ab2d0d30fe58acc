// SPDX-License-Identifier: Apache-2.0

package netns

import (
	"errors"
	"fmt"

	"github.com/vishvananda/netlink"

	"github.com/mizar-net/mizar/topology"
)

// bridgeDevice is the switch between all uplinks where there is one segment, in
// the fabric's namespace.
const bridgeDevice = "bridge"

// fabric is the underlay: a namespace with a bridge for each segment.
type fabric struct {
	*space
	// bridges are their indexes, by the segments' names.
	bridges map[string]int
}

// newFabric makes an underlay without segments.
func newFabric() (*fabric, error) {
	s, err := newSpace("")
	if err != nil {
		return nil, err
	}
	f := &fabric{space: s, bridges: map[string]int{}}
	if err := f.in(func() error { return set(quiet, speechless) }); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return f, nil
}

// addSegment makes a segment that nobody is plugged into.
func (f *fabric) addSegment(name string) error {
	off := new(bool)
	attrs := netlink.NewLinkAttrs()
	attrs.Name = bridgeDevice
	if name != topology.OneSegment {
		attrs.Name = topology.Device(topology.BridgePrefix, name)
	}
	// Groups are flooded as a plain switch does it, never learned.
	bridge := &netlink.Bridge{LinkAttrs: attrs, MulticastSnooping: off}
	if err := f.links.LinkAdd(bridge); err != nil {
		return fmt.Errorf("add the bridge: %w", err)
	}
	f.bridges[name] = bridge.Index
	if err := f.links.LinkSetUp(bridge); err != nil {
		return fmt.Errorf("set the bridge up: %w", err)
	}
	return nil
}

// removeSegment removes one that nobody is plugged into any more.
func (f *fabric) removeSegment(name string) error {
	if err := f.links.LinkDel(index(f.bridges[name])); err != nil {
		return fmt.Errorf("remove the bridge: %w", err)
	}
	delete(f.bridges, name)
	return nil
}

// plug puts a device of the fabric on a segment and returns its index.
func (f *fabric) plug(device, segment string) (int, error) {
	port, err := f.links.LinkByName(device)
	if err != nil {
		return 0, fmt.Errorf("find the other end: %w", err)
	}
	bridge, ok := f.bridges[segment]
	if !ok {
		return 0, fmt.Errorf("plug %s into segment %s: there is no such segment", device, segment)
	}
	if err := f.links.LinkSetMasterByIndex(port, bridge); err != nil {
		return 0, fmt.Errorf("plug %s into the bridge: %w", device, err)
	}
	return port.Attrs().Index, nil
}
