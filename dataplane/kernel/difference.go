// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// Difference is something that a program does otherwise, or cannot do, in one
// of the modes of XDP.
type Difference struct {
	// Feature is what it is about, Native and Generic what holds there.
	Feature, Native, Generic string
}

// Differences are all that people should know before they take the generic
// mode for the native one. Those that a veth shows are held against the kernel
// by the tests of topology/netns.
func Differences() []Difference {
	return []Difference{
		{"devices", "those whose driver has the hook; veth, virtio and most NICs from 10 Gbit/s", "all"},
		{"where", "in the driver, before the packet has an sk_buff", "in the stack, after the sk_buff was allocated and GRO has run"},
		{"jumbo frames", "refused on a large MTU unless the program is of the kind xdp.frags", "any program; one without frags has every packet copied into one piece first"},
		{"packets in pieces", "xdp.frags programs see the first piece", "from kernel 6.9 likewise; before, every packet is copied into one piece"},
		{"head room", "256 bytes that the driver has kept free", "what the sk_buff has; below 256 bytes the packet is copied"},
		{"redirect to a veth", "lost unless the peer has GRO on or a program", "arrives: it is an ordinary transmission"},
		{"redirect between modes", "works to a device of either mode", "works to a device of either mode"},
		{"XDP_TX on a veth", "stuck until something wakes the peer, if that has no program", "arrives"},
		{"both at one device", "refused while there is a generic program", "refused while there is a native program"},
		{"checksum and GSO offload of the sender", "unfinished packets come through and stay unfinished: keep them off", "likewise, in packets of up to 64 KB: keep them off"},
		{"performance", "an sk_buff is allocated for delivered packets alone", "an sk_buff is allocated for every packet, dropped ones included"},
	}
}

// WriteDifferences prints the table.
func WriteDifferences(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "FEATURE\tNATIVE\tGENERIC")
	for _, d := range Differences() {
		fmt.Fprintf(t, "%s\t%s\t%s\n", d.Feature, d.Native, d.Generic)
	}
	return t.Flush()
}
