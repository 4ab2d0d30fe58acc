// SPDX-License-Identifier: Apache-2.0

// Package frame builds Ethernet frames from fields and reads them back, plain
// ones and those in Mizar's Geneve tunnel (layout: bpf/include/geneve.h).
//
// It is the simulator's own view of a packet and shares no code with the
// programs under test. Nothing in it panics on foreign bytes.
package frame

import (
	"net/netip"

	"github.com/mizar-net/mizar/dataplane/state"
)

// Ethernet types that the package knows.
const (
	TypeIPv4 uint16 = 0x0800
	TypeARP  uint16 = 0x0806
	TypeVLAN uint16 = 0x8100
	TypeQinQ uint16 = 0x88a8
	TypeIPv6 uint16 = 0x86dd
)

// Protocol numbers (IANA) that the package knows.
const (
	ProtoICMP   uint8 = 1
	ProtoTCP    uint8 = 6
	ProtoUDP    uint8 = 17
	ProtoICMPv6 uint8 = 58
	ProtoSCTP   uint8 = 132
)

// GenevePort is the UDP port of the tunnel.
const GenevePort uint16 = 6081

// Packet is a decoded frame. For a plain frame Tunnel is false, the Outer
// fields, VNI and Options are zero, and Inner is the frame itself.
type Packet struct {
	// VLAN is the 802.1Q tag of the frame as it is on the wire; 0: none.
	VLAN uint16

	// Tunnel says that the frame is Geneve with an Ethernet frame in it.
	Tunnel                   bool
	OuterSrcMAC, OuterDstMAC state.MAC
	OuterSrc, OuterDst       netip.Addr
	OuterTOS, OuterTTL       uint8
	OuterID                  uint16
	// OuterDF says that the outer IPv4 header forbids fragments.
	OuterDF bool
	// OuterSport carries the entropy of the inner packet: [OuterPort].
	OuterSport uint16
	// OuterChecksum is that of the outer UDP header; it must be zero.
	OuterChecksum uint16
	VNI           uint32
	// OAM and Critical are the bits of the Geneve header.
	OAM, Critical bool
	Options       Options

	// Inner is the tunnelled frame, or the frame itself.
	Inner Layer

	// Malformed says why a datagram to the Geneve port could not be read
	// as a tunnel and is shown as plain UDP; "" otherwise.
	Malformed string
}

// Layer is an Ethernet frame and what it carries.
type Layer struct {
	SrcMAC, DstMAC state.MAC
	// VLAN is the tag of this Ethernet header; 0: none.
	VLAN uint16
	// EtherType is the type behind all VLAN tags.
	EtherType uint16

	// Src, Dst and the fields down to Fragment are set for IPv4 and IPv6.
	Src, Dst netip.Addr
	TTL, TOS uint8
	// FlowLabel is IPv6's.
	FlowLabel uint32
	// Proto is the transport's, behind all IPv6 extension headers.
	Proto uint8
	// IPID is the IPv4 identification, or that of an IPv6 fragment header.
	IPID uint32
	// DF says that an IPv4 header forbids fragments.
	DF bool
	// IPOptions are the IPv4 options as they stand, padding included.
	IPOptions []byte
	// Extensions are the types of the IPv6 extension headers, in order.
	Extensions []uint8
	// Fragment says that the packet is one (not an atomic one of IPv6, RFC
	// 6946, which is whole); Offset (bytes) and More say
	// which. Behind the first fragment, transport fields are zero and
	// Payload is all that follows the IP headers.
	Fragment bool
	Offset   int
	More     bool

	SrcPort, DstPort uint16
	// TCP's fields.
	TCPFlags   TCPFlags
	Seq, Ack   uint32
	Window     uint16
	Urgent     uint16
	TCPOptions []byte
	// ICMP's and ICMPv6's fields; ID and Seq of echoes only.
	ICMPType, ICMPCode uint8
	ICMPID, ICMPSeq    uint16
	// Error is set for ICMP and ICMPv6 errors.
	Error *ICMPError
	// Checksum of the transport header (TCP, UDP, ICMP, ICMPv6).
	Checksum uint16

	// ARP is set for ARP, ND for neighbour and router solicitations and
	// advertisements.
	ARP *ARP
	ND  *ND

	// Payload is what follows the last header that was understood.
	Payload []byte
	// Trailer is what follows the IP packet or ARP body (Ethernet padding).
	Trailer []byte
}

// ARP is the body of an ARP packet for IPv4 over Ethernet.
type ARP struct {
	// Op is 1 for a request, 2 for a reply.
	Op                   uint16
	SenderMAC, TargetMAC state.MAC
	SenderIP, TargetIP   netip.Addr
}

// ND is the body of an ICMPv6 neighbour-discovery message.
type ND struct {
	// Target is the address asked for or advertised; invalid in router
	// messages.
	Target netip.Addr
	// Router, Solicited and Override are the flags of an advertisement.
	Router, Solicited, Override bool
	// LinkLayer is the address of the link-layer option, HasLinkLayer says
	// that there is one.
	LinkLayer    state.MAC
	HasLinkLayer bool
}

// TCPFlags are the flag bits of a TCP header.
type TCPFlags uint8

// The TCP flags.
const (
	FIN TCPFlags = 1 << iota
	SYN
	RST
	PSH
	ACK
	URG
	ECE
	CWR
)

// String names the flags: "SYN|ACK"; "none" for none.
func (f TCPFlags) String() string {
	names := [...]string{"FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"}
	s := ""
	for i, name := range names {
		if f&(1<<i) == 0 {
			continue
		}
		if s != "" {
			s += "|"
		}
		s += name
	}
	if s == "" {
		return "none"
	}
	return s
}
