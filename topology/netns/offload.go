// SPDX-License-Identifier: Apache-2.0

package netns

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/safchain/ethtool"
)

// side is which end of a link a device is.
type side int

const (
	// sideProgram is a device that a program is attached to: a host's uplink
	// or port.
	sideProgram side = iota
	// sidePeer is its other end, where the program's redirects come out.
	sidePeer
	// sideWhole is such an end whose program is of TCX: TCP may leave its
	// checksums and its segmentation to the device.
	sideWhole
	// sideDelivery is a port that a program of TCX at the uplink delivers to:
	// parts and unfinished checksums pass. Segmentation stays off, since a veth
	// hands to GRO at its other end only what it would have cut.
	sideDelivery
)

// leaves says that a feature may leave work on what goes by a side of a link.
func (s side) leaves(feature string) bool {
	switch s {
	case sideWhole:
		return leftToTCX(feature)
	case sideDelivery:
		return feature == "tx-scatter-gather" || strings.HasPrefix(feature, "tx-checksum-ip")
	}
	return false
}

// leftToTCX says that a program of TCX lets a packet pass on which a feature has
// left work undone. The kernel can't put an outer header on those of others'
// segmentation (SCTP, fragment lists).
func leftToTCX(feature string) bool {
	kind, ok := strings.CutPrefix(feature, "tx-")
	return ok && (kind == "generic-segmentation" || kind == "scatter-gather" || kind == "udp-segmentation" ||
		strings.HasPrefix(kind, "tcp") && strings.HasSuffix(kind, "-segmentation") ||
		strings.HasPrefix(kind, "checksum-ip"))
}

// unfinished says that a feature leaves work on a frame to the device, merges
// what arrives, or keeps a tag beside the frame where the program on the other
// end can't see it. Names are the kernel's; new kinds of segmentation come with
// new kernels, hence no list.
func unfinished(feature string) bool {
	direction, kind, _ := strings.Cut(feature, "-")
	switch direction {
	case "tx":
		return slices.ContainsFunc([]string{"checksum", "scatter-gather", "segmentation", "gso", "vlan"},
			func(k string) bool { return strings.Contains(kind, k) })
	case "rx":
		return slices.ContainsFunc([]string{"gro-list", "udp-gro", "vlan"},
			func(k string) bool { return strings.Contains(kind, k) })
	}
	return false
}

// polling is the feature that makes a veth take the frames of a redirect.
const polling = "rx-gro"

// Offload is the state of one device's features.
type Offload struct {
	// Namespace is the host or the endpoint, or "fabric".
	Namespace, Device string
	// XDP is the mode of the program there, "native", "generic" or "generic
	// (fallback)", or "tcx" for a program of that form; "-" without one.
	XDP string
	// Features has each of the features that are switched deliberately.
	Features map[string]string
}

// switchOffloads sets the features of a device in the thread's namespace, as
// the side of its link needs, and reads back what the kernel made of it.
func switchOffloads(device string, s side) (map[string]string, error) {
	tool, err := ethtool.NewEthtool()
	if err != nil {
		return nil, fmt.Errorf("open ethtool: %w", err)
	}
	defer tool.Close()
	before, err := tool.FeaturesWithState(device)
	if err != nil {
		return nil, fmt.Errorf("read the features of %s: %w", device, err)
	}
	want := map[string]bool{}
	for f, st := range before {
		if unfinished(f) && st.Available && !st.NeverChanged {
			want[f] = s.leaves(f)
		}
	}
	want[polling] = s == sidePeer || s == sideWhole
	if err := tool.Change(device, want); err != nil {
		return nil, fmt.Errorf("switch the features of %s: %w", device, err)
	}
	after, err := tool.FeaturesWithState(device)
	if err != nil {
		return nil, fmt.Errorf("read the features of %s: %w", device, err)
	}
	got := map[string]string{}
	for f, on := range want {
		if after[f].Active != on {
			return nil, fmt.Errorf("%s: feature %s is %s, want %s", device, f, onOff(after[f].Active), onOff(on))
		}
		got[f] = onOff(on)
	}
	return got, nil
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

// WriteOffloads prints a table of offloads, for people who measure: a figure
// without it means nothing.
func WriteOffloads(w io.Writer, all []Offload) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "NAMESPACE\tDEVICE\tPROGRAM\tTX CHECKSUM\tTSO\tGSO\tGRO\tVLAN INSERT")
	for _, o := range all {
		cells := []string{o.Namespace, o.Device, o.XDP}
		for _, f := range []string{"tx-checksum-ip-generic", "tx-tcp-segmentation", "tx-generic-segmentation", polling, "tx-vlan-hw-insert"} {
			state, ok := o.Features[f]
			if !ok {
				state = "-"
			}
			cells = append(cells, state)
		}
		fmt.Fprintln(t, strings.Join(cells, "\t"))
	}
	return t.Flush()
}

// compareOffloads orders by namespace, then device.
func compareOffloads(a, b Offload) int {
	return cmp.Or(strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Device, b.Device))
}
