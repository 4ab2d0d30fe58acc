// SPDX-License-Identifier: Apache-2.0

// Package scenario has the scenario file: a topology, objects and steps, its
// strict decoding and its validation.
package scenario

import (
	"net/netip"
	"time"

	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/sim/wire"
)

// Scenario is one file, checked and with its defaults filled in.
type Scenario struct {
	// Name is the file's name without its ending; Title one line of prose.
	Name  string
	Title string
	// Wires it runs on; default: testrun and veth.
	Wires []string
	// Objects are the topology and the objects, together and valid.
	Objects object.Set
	Steps   []Step
	// File is where it was read from, Dir what relative names refer to.
	File string
}

// Step is one thing done or asserted. Exactly one of the pointers is set.
type Step struct {
	// Name is a sentence that says what is shown.
	Name string
	// Rows of ACCEPTANCE that the step is evidence for.
	Rows []string
	At   object.Position

	Probe   *Probe
	Table   *Table
	Send    *Send
	Replay  *Replay
	Change  *Change
	Forget  bool
	Advance time.Duration
	Assert  *Assert
}

// Probe sends one conversation and compares what became of it.
type Probe struct {
	Proto wire.Proto
	From  string
	// To is an endpoint's name, or an address.
	To     string
	ToAddr netip.Addr
	Family int // 4 or 6; a probe without a family is run in both
	Port   uint16
	Source uint16
	Count  int
	Size   int
	TOS    uint8
	Expect Expect
}

// Expect is what should become of a probe's packets.
type Expect struct {
	// Deliver, or drop with Reason (empty: any reason).
	Deliver bool
	Reason  string
	// Hops of the successive requests; the last number holds for all that
	// follow. Empty: as the oracle says.
	Hops []int
	// ReplyHops likewise.
	ReplyHops []int
}

// Table is a truth table: who reaches whom.
type Table struct {
	Proto  wire.Proto
	Port   uint16
	Family int
	// Endpoints name the rows and columns, in order.
	Endpoints []string
	// Rows hold one verdict for each of Endpoints: true is deliver.
	Rows [][]bool
}

// Send puts frames of the scenario's own making on a port, to see forged or
// odd traffic die (or not).
type Send struct {
	At wire.Port
	// Frames are built from fields, over the defaults of an honest frame of
	// endpoint At to endpoint To.
	Frames []FrameSpec
	// Expect says what becomes of each.
	Expect Expect
	// Receives, when set, is the number of frames that must come back at
	// the sending port (answers to ARP and ND).
	Answers *int
}

// FrameSpec is a frame by its fields; an empty field is honest.
type FrameSpec struct {
	Kind             string // "udp", "tcp-syn", "icmp", "arp-request", "arp-reply", "arp-announce", "arp-probe", "ns", "na", "dad", "rs", "geneve"
	To               string // endpoint or address
	Family           int
	SrcMAC           string
	DstMAC           string
	SrcIP            string
	SenderMAC        string // in the ARP body, or the ND link-layer option
	SenderIP         string // in the ARP body
	Target           string // ARP or ND target
	TTL              int
	SourcePort, Port uint16
}

// Replay puts a capture on a port and compares what comes out with a golden
// capture.
type Replay struct {
	At   wire.Port
	File string
	// Rewrite maps addresses of the capture to endpoints by name.
	Rewrite map[string]string
	// Golden is the capture of what must come out, and where.
	Golden string
	// Ignore names fields that are not compared ("outer.sport", …).
	Ignore []string
}

// Change applies and deletes objects while the network runs.
type Change struct {
	// Objects is the whole set after the change.
	Objects object.Set
	// Applied and Deleted name the objects, "Kind/name", for people.
	Applied, Deleted []string
}

// Assert compares what has happened since the last assert, or the start.
type Assert struct {
	// Drops by host and reason; a missing pair must be 0 when Only is set.
	Drops map[string]map[string]uint64
	Only  bool
	// UnderlayFrames is the number of frames on the underlay.
	UnderlayFrames *int
}
