// SPDX-License-Identifier: Apache-2.0

// Package scenario has the scenario file: a topology, objects and steps, its
// strict decoding and its validation.
//
//	title: Two endpoints on two hosts
//	topology:
//	  hosts:     {h1: {addresses: [192.0.2.1]}, h2: {addresses: [192.0.2.2]}}
//	  vpcs:      {red: {vni: 100}}
//	  subnets:   {red-a: {vpc: red, cidrs: [10.0.0.0/24]}}
//	  endpoints: {red-1: {subnet: red-a, host: h1, addresses: [10.0.0.2]}, …}
//	  # and, where policies are at work, labels and ports of endpoints, and
//	  namespaces: {blue: {labels: {team: a}}}
//	  policies:   {blue/deny: {podSelector: {}}}
//	  # and who is on the underlay alone, outside/ext in probes
//	  outside:   {ext: {addresses: [198.51.100.7]}}
//	  # and services; Service/blue/web is then somebody to talk to
//	  services:   {blue/web: {selector: {app: web}, clusterIP: 10.96.0.1, ports: [{port: 80}]}}
//	  slices:     {blue/web-1: {service: web, addressType: IPv4, endpoints: […], ports: […]}}
//	steps:
//	- name: the first packet goes through the bouncer, the second directly
//	  rows: [B1]
//	  probe: {proto: icmp, from: red-1, to: red-2, count: 2}
//	  expect: {verdict: deliver, hops: [2, 1]}
//
// # Steps
//
// Each step has one of these keys, beside name, rows and expect.
//
//	probe, table     conversations, and what becomes of them
//	trace            one packet's way, and the rows that it met
//	send, replay     frames on a port
//	assert           counters, modes, down: who is believed to be dead by whom, and
//	                 written: rows that states wrote since the last assert, by map
//
//	change           apply: and delete: objects
//	move             {endpoint: red-1, to: h3}: all but the host stays, sockets too
//	recreate         {endpoint: red-1, mac: …, host: h3}: nothing but the addresses stays
//	relabel          {endpoint: red-1, labels: {app: web}}, {namespace: blue, labels: {}}
//	roles            {subnet: red-a, count: 2}, {vpc: red, hosts: [h1]}: bouncers, dividers
//	forget           all that hosts have learned
//
//	wait, advance    500ms: time passes; on testrun it is virtual
//	at               2s: wait until so much has been waited for since the start
//	clock            {host: h1, step: 5s}: one host's clock, at once (testrun only)
//	link             {host: h2, state: down, loss: 20, delay: 5ms, rate: 1000, mtu: 1400, direction: in}
//	host             {name: h2, state: dead}
//	agent            {host: h1, state: paused}: changes do not reach h1 until it is running;
//	                 killed: nor does it send heartbeats
//	traffic          {name: t, proto: tcp, from: red-1, to: red-2, every: 10ms}: goes on
//	                 while the next steps are done
//	stop             {traffic: t, survived: true, lost: {most: 20}, gap: {most: 1s}}
//
// What a link step does not name stays; state: repaired makes all of it perfect
// again. Loss is in percent and chosen by the scenario's seed, a number at its
// top; rate in kilobits a second. Probes, which are compared packet by packet, are
// refused while a link loses at random; send and replay while traffic runs.
package scenario

import (
	"io/fs"
	"net/netip"
	"strings"
	"time"

	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/golden"
	"github.com/mizar-net/mizar/sim/wire"
	"github.com/mizar-net/mizar/topology"
)

// Scenario is one file, checked and with its defaults filled in.
type Scenario struct {
	// Name is the file's name without its ending; Title one line of prose.
	Name  string
	Title string
	// Wires it runs on; default: testrun and veth.
	Wires []string
	// Families are the underlays that the steps are run over, one after
	// the other, each with hosts that have addresses of that family alone;
	// empty: one run, with all addresses.
	Families []int
	// Forms of the endpoint program that the steps are run in, one after the
	// other, each over all Families; empty: one run, with what the objects
	// say.
	Forms []state.Form
	// Modes of XDP that the steps are run in, one after the other, each over
	// all Families; empty: one run, with what the objects say.
	Modes []Modes
	// Underlay is what is between the hosts; the zero value is one segment.
	Underlay topology.Underlay
	// Objects are the topology and the objects, together and valid.
	Objects object.Set
	Steps   []Step
	// Seed chooses what lossy links lose.
	Seed int
	// File is where it was read from, in Files.
	File  string
	Files fs.FS
}

// Step is one thing done or asserted. Exactly one of the pointers is set, or
// Forget, or Advance.
type Step struct {
	// Key is the one that the step is written with: what it does.
	Key string
	// Name is a sentence that says what is shown.
	Name string
	// Rows of ACCEPTANCE that the step is evidence for.
	Rows []string
	At   object.Position

	Probe   *Probe
	Table   *Table
	Trace   *Trace
	Send    *Send
	Replay  *Replay
	Change  *Change
	Rebuild *Rebuild
	Forget  bool
	Advance time.Duration
	Assert  *Assert
	Fault   *Fault
	Clock   *Clock
	Traffic *Traffic
	Stop    *Stop
	Scan    *Scan
}

// Kind is the key that the step is written with.
func (s Step) Kind() string { return s.Key }

// Probe has one conversation for each protocol and family, and compares what
// became of its packets.
type Probe struct {
	Protos []wire.Proto
	// From is the full name of an endpoint, or of somebody outside; Via is then the host
	// that he comes to.
	From, Via string
	// To is whom the packets are meant for.
	To Target
	// Family is 4 or 6; 0: each that both ends have.
	Family int
	Port   uint16
	// Source is the source port; 0: the wire's choice.
	Source uint16
	Count  int
	Size   int
	TOS    uint8
	TTL    uint8
	// Whole forbids fragments: what is larger than the endpoint's MTU is then
	// dropped by its own stack.
	Whole bool
	// Flows is how many conversations there are, of successive source
	// ports; 0 means 1.
	Flows int
	// Fresh makes all hosts forget the two addresses before each conversation.
	Fresh  bool
	Expect Expect
}

// Verdict is what becomes of a packet, as people say it.
type Verdict string

// The verdicts that can be expected.
const (
	Deliver Verdict = "deliver"
	Drop    Verdict = "drop"
	// Answer is a frame that the port answers by itself.
	Answer Verdict = "answer"
	// Refuse is a packet that goes nowhere and whose sender is told by an ICMP
	// error.
	Refuse Verdict = "refuse"
	// Pass is a frame that the host's own stack gets, byte for byte.
	Pass Verdict = "pass"
)

// Expect is what should become of packets. Whatever is left out is as the
// oracle says.
type Expect struct {
	Verdict Verdict
	// Reason of a drop or refusal; empty: any.
	Reason string
	// Rule that must be named for what becomes of each request, such as
	// "default/web isolate ingress": the whole name, or that of all rules of a policy in
	// a direction, "default/web ingress"; empty: any or none.
	Rule string
	// MTU that the ICMP error of a refusal tells, by the family of the underlay;
	// none: any.
	MTU map[int]int
	// Hops of the successive requests; the last number holds for all that
	// follow.
	Hops []int
	// ReplyHops likewise.
	ReplyHops []int
	// Lookups are the most that any program may need for the last request
	// and for the last reply (testrun only).
	Lookups *Lookups
	// Overhead is what the tunnel adds to the last request in bytes, by
	// family of the underlay: outer frame without its Ethernet header and
	// tag, less the inner IP packet.
	Overhead map[int]int
	// Entropy is the least number of different outer source ports over all
	// flows; each must also be the one that the inner fields give.
	Entropy int
	// Paths is how many pairs of an outer source port and an outer destination the
	// frames of a send step leave under, or how many ways over hosts, with their outer
	// source ports, the fragments of each packet of a probe take; 0: any.
	Paths int
	// Backends, when set, is how many endpoints the flows to a service reach in all.
	Backends int
	// TOS says that the outer packet must carry the DSCP and ECN of the
	// inner one.
	TOS bool
}

// Lookups bounds what a program may ask of maps.
type Lookups struct {
	Hash    int `json:"hash"`
	Array   int `json:"array"`
	Updates int `json:"updates"`
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
	// Answers, when set, is the number of frames that must come back at
	// the sending port in all (answers to ARP and ND).
	Answers *int
}

// FrameSpec is a frame by its fields; an empty field is honest.
type FrameSpec struct {
	// Kind is one of Kinds.
	Kind string
	// To is the full name of an endpoint, or "" when ToAddr is set.
	To     string
	ToAddr netip.Addr
	Family int
	// From, at an uplink, is the endpoint that the inner frame is of.
	From string
	// SrcMAC and DstMAC are of the Ethernet header.
	SrcMAC, DstMAC state.MAC
	SrcIP          netip.Addr
	// SenderMAC stands in the ARP body, or the ND link-layer option;
	// SenderIP in the ARP body.
	SenderMAC state.MAC
	SenderIP  netip.Addr
	// Target of ARP or ND.
	Target           netip.Addr
	TTL              uint8
	SourcePort, Port uint16
	// OuterSrc and VNI are of the tunnel that a "geneve" frame comes in;
	// VNI 0: the sender's own. On an underlay of the other family than
	// OuterSrc's the frame is left out.
	OuterSrc netip.Addr
	VNI      uint32
	// Option is what the tunnel says beside the identity: one of Options,
	// with the token 1, in the name of OuterSrc; "" for nothing.
	Option string
	// VLAN is of what others say to a host; Proto the protocol of "host-ip", or
	// 6 for TCP inside of "geneve".
	VLAN  uint16
	Proto uint8
	// Fragment makes the (inner) frame that part of a packet with a payload of
	// FragmentPayload bytes; nil: it is whole.
	Fragment *Fragment
	// Extensions are the IPv6 extension headers in front of the transport, by
	// type, six bytes of zeros in each. Options, of IPv4, are as many bytes that
	// mean nothing.
	Extensions []uint8
	Options    int
	// Mapped makes the IPv6 address of "from" or "to" the IPv4 one that the
	// endpoint has, in the form of IPv6; "": neither.
	Mapped string
	At     object.Position
}

// Fragment is a part of what stands behind an IP header, in bytes. Size 0 means up
// to the end.
type Fragment struct{ Offset, Size int }

// FragmentPayload is the payload of packets that frames are fragments of.
const FragmentPayload = 104

// Kinds of frames that a send step can make.
var Kinds = []string{
	"udp", "tcp-syn", "tcp-syn-ack", "tcp-ack", "tcp-fin", "tcp-rst", "sctp", "icmp",
	"arp-request", "arp-reply", "arp-announce", "arp-probe",
	"ns", "na", "dad", "rs", "geneve",
	"host-udp", "host-tcp", "host-icmp", "host-ip", "host-fragment", "host-arp", "host-ns", "host-ra", "host-lldp", "host-stp",
}

// Options are what a forger may say in a tunnel.
var Options = []string{"question", "send-back", "not-here", "refusal"}

// Outside says that frames of a kind are what others on the underlay say to a
// host, and none of Mizar's.
func Outside(kind string) bool { return strings.HasPrefix(kind, "host-") }

// Replay puts a capture on a port and compares what comes out with a golden
// capture.
type Replay struct {
	At wire.Port
	// File and Golden are names in the scenario's Files. Over has the
	// golden captures by family of the underlay, where they differ; Golden
	// is then set in [Scenario.Variants].
	File   string
	Golden string
	Over   map[int]string
	// Rewrite maps addresses of the capture to full names of endpoints.
	Rewrite map[netip.Addr]string
	// Ignore, Mask, Relations and Unordered say how the comparison is less
	// strict than equality; see [golden.Rules].
	Ignore    []string
	Mask      map[string]string
	Relations map[string]string
	Unordered []golden.Group
	// Whole puts every packet of the capture on the port, whoever sent it;
	// otherwise an endpoint sends only its own.
	Whole bool
	// Fresh makes all hosts forget before.
	Fresh bool
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
	Drops map[string]map[string]Bounds[int]
	Only  bool
	// UnderlayFrames is the number of frames that hosts put on the
	// underlay.
	UnderlayFrames *int
	// XDP says that every device must have its program in the mode that was
	// asked for (veth only).
	XDP bool
	// Down are the hosts that each host must believe to be dead, by its name; nil:
	// whatever they believe.
	Down map[string][]string
	// Learned is how many rows hosts may have learned, by host and VPC.
	Learned map[string]map[string]*Bounds[int]
	// Written is how many rows states may have written and deleted since the last
	// assert, by host and map; "policy" are all maps of policy together.
	Written map[string]map[string]Bounds[int]
}
