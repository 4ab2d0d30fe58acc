// SPDX-License-Identifier: Apache-2.0

package order

import (
	"net/netip"

	"github.com/mizar-net/mizar/dataplane/state"
)

// Foreign makes a guest speak Geneve with the kernel's own device, in the place of
// one that it made before. Method Foreign. There is an echo at its addresses, and
// Ask without an endpoint asks from there.
type Foreign struct {
	// MAC is that of the device on the underlay, Addresses are its addresses.
	MAC       state.MAC
	Addresses []netip.Prefix
	// Remote is the underlay address of the other host.
	Remote netip.Addr
	VNI    uint32
	// Inner are the addresses inside the VPC, Peers those of others there.
	Inner []netip.Prefix
	Peers []netip.Addr
	// InnerMAC is the Ethernet address that packets inside come for.
	InnerMAC state.MAC
	// MTU inside, in bytes.
	MTU int
	// Option, when there is one, is put into every packet by the routes to the
	// peers; the device then takes packets as they come ("external"). Otherwise
	// the device is for one VNI and one remote, and knows no options.
	Option *Option
}

// Option is one of a Geneve packet.
type Option struct {
	Class uint16
	Type  uint8
	Data  []byte
}

// Received is what the kernel's own device has taken, and what it has refused.
// Method Received.
type Received struct {
	Packets, Errors, FrameErrors uint64
	// Datagrams are those that the echo over UDP has read.
	Datagrams uint64
}
