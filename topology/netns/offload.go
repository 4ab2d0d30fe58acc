// SPDX-License-Identifier: Apache-2.0

package netns

import (
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
)

// segmentation and checksums are what a sender may leave to a device. A veth
// would hand the unfinished frame to the program on the other end.
var transmitFeatures = []string{
	"tx-checksum-ip-generic",
	"tx-checksum-sctp",
	"tx-scatter-gather",
	"tx-tcp-segmentation",
	"tx-tcp6-segmentation",
	"tx-tcp-ecn-segmentation",
	"tx-tcp-mangleid-segmentation",
	"tx-generic-segmentation",
	"tx-udp-segmentation",
	"tx-gso-list",
	"tx-sctp-segmentation",
	// A tag that stays beside the frame is one that the program can't see.
	"tx-vlan-hw-insert",
	"tx-vlan-stag-hw-insert",
}

// receiveFeatures merge or strip what arrives, but for rx-gro, which also
// switches the polling on.
var receiveFeatures = []string{
	"rx-gro-list",
	"rx-udp-gro-forwarding",
	"rx-vlan-hw-parse",
	"rx-vlan-stag-hw-parse",
}

// polling is the feature that makes a veth take the frames of a redirect.
const polling = "rx-gro"

// Offload is the state of one device's features.
type Offload struct {
	// Namespace is the host or the endpoint, or "fabric".
	Namespace, Device string
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
	for _, f := range append(slices.Clone(transmitFeatures), receiveFeatures...) {
		if st, ok := before[f]; ok && st.Available && !st.NeverChanged {
			want[f] = false
		}
	}
	if _, ok := before[polling]; ok {
		want[polling] = s == sidePeer
	}
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
	fmt.Fprintln(t, "NAMESPACE\tDEVICE\tTX CHECKSUM\tTSO\tGSO\tGRO\tVLAN INSERT")
	for _, o := range all {
		cells := []string{o.Namespace, o.Device}
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
