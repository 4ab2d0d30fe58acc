// SPDX-License-Identifier: Apache-2.0

package state

import "net/netip"

// Policy is what a host must hold to judge the flows of its endpoints.
//
// An endpoint names one [PolicySet] a direction, or none: then it is not isolated
// in that direction. A flow is judged where it opens, by egress at the source's
// host and by ingress at the destination's. A peer is judged twice, by its identity
// and by its address; each names a [PortClass], in which protocol and port find at
// most one [PortRange]. Of the two the one with the lower rank decides; if there is
// none, the set's default does.
//
// Slices are sorted by name (or as their types say) and hold no duplicates.
type Policy struct {
	Sets    []PolicySet
	Classes []PortClass
}

// Direction is always the endpoint's.
type Direction uint8

// The directions.
const (
	Ingress Direction = iota + 1
	Egress
)

// String is "ingress" or "egress".
func (d Direction) String() string {
	if d == Egress {
		return "egress"
	}
	return "ingress"
}

// PolicySet is what all policies that select an endpoint in one direction say
// together. Endpoints that the same policies select share it.
type PolicySet struct {
	// Name tells sets apart, within a host and between hosts: direction and the
	// policies, and, where they matter, the subject's named ports.
	Name      string
	Direction Direction
	// Revision is another one whenever anything but the universe of identities
	// changed: the set is then swapped as a whole. With an equal revision rows of
	// peers may come and go one by one.
	Revision string
	// Peers are judged by identity, in order of identities.
	Peers []PolicyPeer
	// Prefixes are judged by address, of each the longest alone: a longer prefix
	// says again what the shorter ones of the set grant. In order of addresses,
	// then of bits.
	Prefixes []PolicyPrefix
	// Default judges what nothing else does.
	Default Judgement
}

// PolicyPeer is an identity as a peer of a set.
type PolicyPeer struct {
	Identity uint32
	// Class is the name of a [PortClass].
	Class string
}

// PolicyPrefix is a range of addresses as peers of a set. The address of an
// endpoint is in it as any other is.
type PolicyPrefix struct {
	Prefix netip.Prefix
	// Class is the name of a [PortClass].
	Class string
}

// PortClass says what becomes of protocols and ports. Its name is made of what is
// in it, so that equal classes are one.
type PortClass struct {
	Name string
	// Ranges are in order of protocols, then of ports, and do not overlap within
	// a protocol; a range of protocol 0 counts only for what no other one has.
	Ranges []PortRange
}

// PortRange judges some ports of a protocol.
type PortRange struct {
	// Protocol is IP's number: 6 TCP, 17 UDP, 132 SCTP; 0: any, ICMP and unknown
	// ones included, and then First is 0 and Last 65535.
	Protocol uint8
	// First and Last are destination ports, inclusive.
	First, Last uint16
	Judgement
}

// Judgement is a verdict, by whom, and before which others it goes.
type Judgement struct {
	Verdict Verdict
	// Rank is lower for what goes before: of two judgements that meet a packet
	// the lower one decides. All of NetworkPolicy has one rank.
	Rank uint32
	// Rule names who says so, as people are told: "default/web ingress[0]".
	Rule string
}

// Verdict is what a policy says of a flow. Pass is compiled away.
type Verdict uint8

// The verdicts.
const (
	Accept Verdict = iota + 1
	Deny
	// Audit accepts, and counts what would have been denied.
	Audit
)

// String is "accept", "deny" or "audit".
func (v Verdict) String() string {
	switch v {
	case Accept:
		return "accept"
	case Audit:
		return "audit"
	}
	return "deny"
}
