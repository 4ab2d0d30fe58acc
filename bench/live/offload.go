// SPDX-License-Identifier: Apache-2.0

package live

import (
	"fmt"
	"maps"
	"strings"

	"github.com/safchain/ethtool"
	"github.com/vishvananda/netlink"

	"github.com/mizar-net/mizar/bench/report"
	"github.com/mizar-net/mizar/topology/netns"
)

// offloads say which of a device's offloads are on; those that are not named
// are left alone.
type offloads map[string]bool

// The offloads that are switched and printed, as groups of the kernel's features:
// new kinds of segmentation come with new kernels.
const (
	checksum     = "tx-checksum"
	scatter      = "scatter-gather"
	segmentation = "tso-gso"
	gro          = "gro"
)

// group is the offload that a feature of the kernel belongs to; "" for others.
func group(feature string) string {
	switch {
	case feature == "rx-gro":
		return gro
	case strings.HasPrefix(feature, "tx-checksum"):
		return checksum
	case feature == "tx-scatter-gather":
		return scatter
	case strings.HasPrefix(feature, "tx-") && (strings.Contains(feature, "segmentation") || strings.Contains(feature, "gso")):
		return segmentation
	}
	return ""
}

// change sets features of a device in the thread's namespace.
func change(device string, features map[string]bool) error {
	tool, err := ethtool.NewEthtool()
	if err != nil {
		return fmt.Errorf("open ethtool: %w", err)
	}
	defer tool.Close()
	if err := tool.Change(device, features); err != nil {
		return fmt.Errorf("switch offloads of %s: %w", device, err)
	}
	return nil
}

// set switches a device's offloads and refuses it if the kernel did not.
func (o offloads) set(device string) error {
	features, err := featuresOf(device)
	if err != nil {
		return err
	}
	want := map[string]bool{}
	for name, f := range features {
		on, named := o[group(name)]
		if named && f.Available && !f.NeverChanged {
			want[name] = on
		}
	}
	if err := change(device, want); err != nil {
		return err
	}
	got, err := offloadsOf(device)
	if err != nil {
		return err
	}
	for name, on := range o {
		if got[name] != on {
			return fmt.Errorf("%s: the kernel leaves offload %s as it was (%v); it has %v", device, name, got[name], got)
		}
	}
	return nil
}

func featuresOf(device string) (map[string]ethtool.FeatureState, error) {
	tool, err := ethtool.NewEthtool()
	if err != nil {
		return nil, fmt.Errorf("open ethtool: %w", err)
	}
	defer tool.Close()
	features, err := tool.FeaturesWithState(device)
	if err != nil {
		return nil, fmt.Errorf("read the offloads of %s: %w", device, err)
	}
	return features, nil
}

// offloadsOf reads which offloads of a device are on: of a group, if any feature
// is.
func offloadsOf(device string) (offloads, error) {
	features, err := featuresOf(device)
	if err != nil {
		return nil, err
	}
	all := offloads{}
	for name, f := range features {
		if g := group(name); g != "" {
			all[g] = all[g] || f.Active
		}
	}
	return all, nil
}

// tune switches the offloads of both endpoints' devices, their ports, and the
// wire's ends.
func (r *rig) tune(endpoints, ports, wires offloads) error {
	for _, name := range []string{sender, receiver} {
		if err := r.room.InEndpoint(name, func() error { return endpoints.set(netns.Device) }); err != nil {
			return fmt.Errorf("endpoint %s: %w", name, err)
		}
	}
	return r.eachHost(func(n int) error {
		if err := ports.set(r.portName(n)); err != nil {
			return err
		}
		return wires.set(wire)
	})
}

// devices reads how the receiver's side is set; the sender's is the same.
func (r *rig) devices(contender string) ([]report.Device, error) {
	var all []report.Device
	look := func(role, device string) error {
		l, err := netlink.LinkByName(device)
		if err != nil {
			return err
		}
		o, err := offloadsOf(device)
		if err != nil {
			return err
		}
		all = append(all, report.Device{Contender: contender, Role: role, MTU: l.Attrs().MTU, Offloads: maps.Clone(o)})
		return nil
	}
	err := r.room.InEndpoint(receiver, func() error { return look("endpoint", netns.Device) })
	if err != nil {
		return nil, fmt.Errorf("endpoint %s: %w", receiver, err)
	}
	err = r.room.InHost(r.hosts[1].state.Name, func() error {
		if err := look("port", r.portName(1)); err != nil {
			return err
		}
		return look("underlay", wire)
	})
	if err != nil {
		return nil, fmt.Errorf("host %s: %w", r.hosts[1].state.Name, err)
	}
	return all, nil
}
