// SPDX-License-Identifier: Apache-2.0

// Package wire says what a simulated network can be asked, whatever it is
// made of: programs run packet by packet in memory (testrun), or namespaces,
// veth pairs and real sockets (veth). A scenario runs on either, and the
// answers must be equal.
package wire

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/topology"
)

// Wire is a network of hosts that hold states.
type Wire interface {
	// Name is "testrun" or "veth".
	Name() string
	// Apply makes every host hold its state, and builds or removes the
	// ports that states name for the first or last time.
	Apply(ctx context.Context, hosts []state.Host) error
	// Probe sends a flow's packets from one endpoint and answers as the
	// stack of the other would.
	Probe(ctx context.Context, p Probe) (Outcome, error)
	// Inject puts frames on a port, in order, and returns all frames that
	// then came out anywhere: on the underlay, and at endpoints.
	Inject(ctx context.Context, at Port, frames [][]byte) ([]Emission, error)
	// Drops returns the packets each host has dropped, by reason.
	Drops(ctx context.Context) (Drops, error)
	// Forget removes what hosts have learned (the direct-path caches) of some
	// places, or of all when none is named.
	Forget(ctx context.Context, places ...state.Place) error
	// Advance steps the virtual clock; on veth it waits.
	Advance(ctx context.Context, d time.Duration) error
	// Close takes everything down.
	Close() error
}

// Meter is a wire that counts what its underlay carries. Both wires are one.
type Meter interface {
	// UnderlayFrames returns how many frames each host has put on the
	// underlay since the wire was opened, whatever they were.
	UnderlayFrames(ctx context.Context) (map[string]uint64, error)
}

// Reporter is a wire that can tell how its devices are set, as lines of a
// table, for people who want to know what a figure was measured on.
type Reporter interface {
	Report(ctx context.Context) (string, error)
}

// Grounder is a wire whose hosts can be on several segments, with routers
// between them. Both wires are one.
type Grounder interface {
	// Ground is the underlay from the next Apply on. Without it, all hosts are
	// on one segment.
	Ground(u topology.Underlay)
}

// Weigher is a wire that can tell what its maps cost. Both wires are one.
type Weigher interface {
	// Memory returns the bytes that the kernel charges for the maps of each
	// host, by map.
	Memory(ctx context.Context) (map[string]map[string]uint64, error)
}

// Moder is a wire with devices: it can tell where their programs sit.
type Moder interface {
	// Modes returns how the program of each uplink and of each endpoint's port
	// sits, as the kernel tells it; the zero Seat where there is none.
	Modes(ctx context.Context) (map[Port]Seat, error)
}

// Seat is how a program sits at its device: the mode is of the form xdp alone.
type Seat struct {
	Form state.Form
	Mode state.XDP
}

// String is the mode, or the form where that has none.
func (s Seat) String() string {
	if s.Mode != "" {
		return string(s.Mode)
	}
	return string(s.Form)
}

// Drops counts packets by host name and drop reason (its name in the enum, in
// lower case without the prefix: "guard_address").
type Drops map[string]map[string]uint64

// Port is where frames enter or leave. Exactly one field is set.
type Port struct {
	// Endpoint is the name of an endpoint: frames enter as it sends them,
	// and leave as it receives them.
	Endpoint string
	// Uplink is the name of a host: frames enter from the underlay.
	Uplink string
	// Stack is the name of a host whose own stack gets a frame that arrived
	// from the underlay: frames only leave there.
	Stack string
}

// Emission is a frame that came out.
type Emission struct {
	// At is the endpoint that received the frame, the host that put it on the
	// underlay, or the host whose stack it was passed to.
	At Port
	// To is the host that the underlay carried the frame to; empty when
	// the frame reached an endpoint, a stack, or nobody.
	To    string
	Frame []byte
	// Input is the index of the injected frame that caused it; -1 when the
	// wire cannot tell.
	Input int
}

// Proto is what a probe speaks.
type Proto string

// The protocols of a probe.
const (
	ICMP Proto = "icmp"
	TCP  Proto = "tcp"
	UDP  Proto = "udp"
)

// Probe is one conversation: request, and reply when the request arrives.
// icmp is an echo; udp a datagram that is echoed; tcp a handshake, one
// payload echoed, and a close.
type Probe struct {
	Proto Proto
	// From is the name of the sending endpoint, or of who is outside ([Visit]).
	From string
	// Visit is set where the sender is no endpoint.
	Visit Visit
	// To is the address that the packets go to.
	To netip.Addr
	// Outsider is the name of who is outside of all VPCs and has that address, if he is
	// meant: he answers as endpoints do. His answers' hops are those from the host on that
	// he has seen the requests come from.
	Outsider string
	// Ports of tcp and udp; a source port of 0 is chosen by the wire. The
	// receiving endpoint listens on Port.
	Port, SourcePort uint16
	// Count is how many requests follow one another in one conversation
	// (echoes, datagrams); 0 means 1. tcp has one.
	Count int
	// Size of the payload in bytes; 0 means 32. A stack cuts what is larger than
	// its MTU: tcp into segments, the others into fragments.
	Size int
	// TOS is the DSCP and ECN byte of the requests.
	TOS uint8
	// TTL or hop limit of the requests; 0 means 64.
	TTL uint8
	// DontFragment makes the sender's stack refuse what is larger than its MTU
	// ([StackMTU]) and forbids others to cut it; else the stack sends fragments.
	DontFragment bool
	// Timeout for a reply on a wire with real time; 0 means 1.5 s.
	Timeout time.Duration
	// Backends are what stands behind To and Port, if that is a frontend: each of them
	// listens there, and whoever gets a request answers it.
	Backends []Backend
}

// Visit is how somebody outside comes to the overlay. The first host on the way of his
// packets is Via, and their hops are those from there on; replies reach him from the
// backend's host, without a hop between hosts, and come out at his name.
type Visit struct {
	// Address is his own.
	Address netip.Addr
	// Via is the host that he comes to.
	Via string
}

// IsSet says that there is a visit.
func (v Visit) IsSet() bool { return v.Via != "" }

// Backend is an address and port of an endpoint, by its name, behind a frontend.
type Backend struct {
	Endpoint string
	At       netip.AddrPort
}

// Behind returns the backend that an endpoint is to the probe's frontend; false: it is
// none.
func (p Probe) Behind(endpoint string) (Backend, bool) {
	i := slices.IndexFunc(p.Backends, func(b Backend) bool { return b.Endpoint == endpoint })
	if i < 0 {
		return Backend{}, false
	}
	return p.Backends[i], true
}

// Outcome is what became of a probe.
type Outcome struct {
	// Requests has one entry for each request: its first packet (for tcp,
	// the SYN).
	Requests []Packet
	// Replies has one entry for each reply (for tcp, the SYN-ACK).
	Replies []Packet
}

// Packet is what became of one packet; of the first fragment, or the first that
// got lost, where the sender's stack cut it.
type Packet struct {
	// Delivered says that it came out at the endpoint To, or at who is outside.
	Delivered bool
	To        string
	// Hosts are the hosts on its way in order, the sender's first.
	Hosts []string
	// Hops is how many frames it was on the underlay: len(Hosts)-1.
	Hops int
	// Reason is the drop reason, Dropper the host, when it was dropped or
	// refused. A refused packet's way leads back to the sender's host.
	Reason  string
	Dropper string
	// Rules are those that may be named for what became of the packet, where policy
	// said so: "default/web ingress[0]" (the oracle alone; a wire's are in Steps).
	Rules []string
	// Aged says that policy refuses it for who its destination was learned to be:
	// at once, or only where the destination is, if that was learned a while ago.
	// Where time is real, it may take either way (the oracle alone).
	Aged bool
	// Outdated says that its destination was learned to be somebody who does not have
	// the address any more, or has said so himself. What his identity says of labels
	// that no policy looked at in his time, the oracle does not know: the packet may ask
	// at once who the destination is, or only after it was not there (the oracle alone).
	Outdated bool
	// Vain says that policy means nobody who lives for who he is, but somebody who is
	// no more. Whether hosts remember what policy looks at now of him, the oracle does
	// not know: they may refuse the packet at once, or ask for its destination first
	// (the oracle alone).
	Vain bool
	// Doubtful says that it is let through for who its destination has said he was, and
	// would be refused for who he is by now. Whether the former identity says what policy
	// looks at now, the oracle does not know: it may be either (the oracle alone).
	Doubtful bool
	// At is the address and port of the backend that it came out at, where it was sent to
	// a frontend from inside (the oracle, and testrun).
	At netip.AddrPort
	// Answered says that the sender's own port answered it, as the gateway
	// answers an echo. There is no reply of an endpoint then.
	Answered bool
	// Refused is the ICMP error that came out at the sender's port, nil: none.
	// A wire decodes it, and fails when a checksum is wrong, when it is not as
	// the overlay says errors (TTL 64, from the gateway), or when it quotes
	// another packet than was sent.
	Refused *Refusal
	// Steps is the way through each program (testrun only).
	Steps []Step
	// Settled is the way of the first segment with data in the same direction, for
	// tcp, whose Steps are those of the handshake (testrun only).
	Settled []Step
	// Frames are the packet's frames on the underlay, Ethernet header and
	// all, one for each hop in order.
	Frames [][]byte
	// Parts are what became of its fragments, as far as a wire can tell, in the order
	// in which they were sent; nil: it was not cut.
	Parts []Packet
}

// Refusal is an ICMP or ICMPv6 error.
type Refusal struct {
	// From is who says so: the gateway of the sender's subnet.
	From netip.Addr
	// Type and Code are those of the sender's family.
	Type, Code uint8
	// MTU is the largest packet that would fit, where the error tells one.
	MTU int
}

// String is the error in words: "icmp 3/4 mtu 1414 from 10.0.0.1".
func (r Refusal) String() string {
	family := "icmp"
	if r.From.Is6() {
		family = "icmpv6"
	}
	s := fmt.Sprintf("%s %d/%d", family, r.Type, r.Code)
	if r.MTU != 0 {
		s += fmt.Sprintf(" mtu %d", r.MTU)
	}
	return s + " from " + r.From.String()
}

// StackMTU is the reason why a packet never leaves its endpoint: it may not be
// cut and is larger than the endpoint's own MTU.
const StackMTU = "stack_mtu"

// OtherMAC is the reason why a stack takes no notice of a packet that comes out
// at its endpoint: it is for another MAC address, that of an earlier endpoint.
const OtherMAC = "other_mac"

// Step is one run of one program over one packet.
type Step struct {
	Host    string
	Program string // "uplink" or "endpoint"
	// Port is the endpoint's name for "endpoint".
	Port    string
	Verdict string // name of the verdict, lower case: "send", "relay", …
	Reason  string // drop reason when Verdict is "drop" or "refuse"
	// Judged says what policy said of the packet, or had said of its flow.
	Judged []Judged
	// Action is what the program returned to the kernel: "redirect", "transmit".
	Action string
	// Stages that the packet went through, in order, with the map rows met.
	Stages []Stage
	// HashLookups counts lookups in hash, LRU and LPM maps, ArrayLookups
	// those in arrays, Updates writes to rows.
	HashLookups, ArrayLookups, Updates int
	In, Out                            []byte
	// To is the host or endpoint that the frame goes to.
	To string
	// Names say what the numbers in rows stand for; nil where rows are not
	// read.
	Names *Names
}

// Judged is what policy said in one direction.
type Judged struct {
	// Direction is "ingress" or "egress".
	Direction string
	// Verdict is "accept", "deny" or "audit"; "" where an earlier packet of the
	// flow was judged.
	Verdict string
	// Rule is the name of who says so; "" where names are not read.
	Rule string
	// Number is the rule's on the host.
	Number uint32
}

// Stage is one thing a program did.
type Stage struct {
	Name string // "parse", "guard", "local", "path", …
	Map  string // the map met, "" when none
	// Access is what was done with the row: "hit", "miss" or "update".
	Access string
	Key    []byte
	Hit    bool
	// Row is what stood in the row, for an update what was written; Before
	// is what stood there before an update. Nil: no such row, or rows are
	// not read.
	Row, Before []byte
}
