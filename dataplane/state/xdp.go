// SPDX-License-Identifier: Apache-2.0

package state

import "slices"

// XDP is where at a device its program sits. The zero value means [Native].
type XDP string

// The modes of XDP.
const (
	// Native is the driver's own hook, before a packet has an sk_buff; a device
	// whose driver has none is refused.
	Native XDP = "native"
	// Generic is the stack's hook, slower, on any device.
	Generic XDP = "generic"
	// Offload is the NIC itself, where it runs programs; any other device
	// refuses, and nothing else is tried instead.
	Offload XDP = "offload"
	// Auto asks for the native hook and falls back to the generic one, which
	// is reported.
	Auto XDP = "auto"
)

// Tries are the hooks to try, in order.
func (x XDP) Tries() []XDP {
	switch x {
	case "":
		return []XDP{Native}
	case Auto:
		return []XDP{Native, Generic}
	}
	return []XDP{x}
}

// Allows says whether a program in a mode is what was asked for.
func (x XDP) Allows(mode XDP) bool { return slices.Contains(x.Tries(), mode) }
