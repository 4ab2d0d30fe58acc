// SPDX-License-Identifier: Apache-2.0

// Package order is what a test tells the program inside a virtual machine to do,
// and what that answers: the arguments of remote calls (net/rpc), plain values.
package order

import (
	"net/netip"
	"time"

	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/topology"
)

// Service is the name of the guest's service; its methods are named below.
const Service = "Guest"

const (
	// EchoPort is where every endpoint echoes, over TCP and UDP.
	EchoPort = 7
	// Patience bounds the wait for what takes no time when nothing is wrong.
	Patience = 20 * time.Second
)

// The protocols of a conversation.
const (
	ICMP = "icmp"
	UDP  = "udp"
	TCP  = "tcp"
)

// Nothing is an argument or an answer without content.
type Nothing struct{}

// Command is a command of the binary in the guest. Method Run.
type Command struct{ Arguments []string }

// Done is what became of it.
type Done struct {
	// Output is all that it wrote; Code its exit code.
	Output string
	Code   int
	Took   time.Duration
}

// Hold makes a guest be a host. Method Hold. By the host's name, method Reach waits
// until it has found all others, Count returns its [Counters], Forget empties what it
// has learned, and Leave ends it.
type Hold struct {
	State state.Host
	// Ground is the underlay, whose addresses the host asks for.
	Ground topology.Underlay
	// MAC is the Ethernet address that the device has now which becomes the
	// host's uplink.
	MAC state.MAC
}

// Held is how a host's devices are.
type Held struct {
	// Driver is that of the uplink, Mode how the program there sits.
	Driver string
	Mode   state.XDP
	// Report is the table of all devices.
	Report string
}

// Ask is a conversation between an endpoint's socket and whoever echoes: Count
// requests, each after the answer to the one before. Method Ask.
type Ask struct {
	// Endpoint asks; it is behind a host of this guest. Empty: the machine itself.
	Endpoint string
	Proto    string
	To       netip.Addr
	Count    int
	// Size of the payload, in bytes.
	Size int
	// Timeout is how long the answer to a request may take.
	Timeout time.Duration
}

// Answered is what came back.
type Answered struct {
	// Count is how many requests were answered, with what they had said.
	Count int
	// Why is what the sender's socket said of the first that was not.
	Why string
}

// Counters are those of one host's programs, by name.
type Counters struct{ Drops, Verdicts map[string]uint64 }
