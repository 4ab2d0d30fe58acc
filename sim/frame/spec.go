// SPDX-License-Identifier: Apache-2.0

package frame

import (
	"net/netip"

	"github.com/mizar-net/mizar/dataplane/state"
)

// Kind is what sort of frame [Build] makes.
type Kind string

// The kinds of frames.
const (
	UDP       Kind = "udp"
	TCP       Kind = "tcp"
	SCTP      Kind = "sctp"
	Echo      Kind = "icmp-echo" // ICMP or ICMPv6, by the family of Src
	EchoReply Kind = "icmp-reply"

	// ErrorMessage is an ICMP or ICMPv6 error of Type and Code, with MTU where it has one; Payload
	// is what it quotes.
	ErrorMessage Kind = "icmp-error"

	ARPRequest  Kind = "arp-request"
	ARPReply    Kind = "arp-reply"
	ARPAnnounce Kind = "arp-announce" // sender and target address are Src
	ARPProbe    Kind = "arp-probe"    // sender address 0.0.0.0, target Src

	NS  Kind = "ns"  // neighbour solicitation
	NA  Kind = "na"  // neighbour advertisement
	RS  Kind = "rs"  // router solicitation
	DAD Kind = "dad" // neighbour solicitation from :: for Src

	// RawIP is an IP packet of protocol Proto with Payload behind the IP
	// header, Raw an Ethernet frame of EtherType with Payload.
	RawIP Kind = "raw-ip"
	Raw   Kind = "raw"
)

// Spec says what a frame is made of. Zero fields get honest defaults; checksums
// and lengths are always right.
type Spec struct {
	Kind Kind
	// SrcMAC and DstMAC of the Ethernet header. A zero DstMAC is the
	// broadcast address for ARP other than replies, and follows Dst when
	// that is multicast.
	SrcMAC, DstMAC state.MAC
	// VLAN is an 802.1Q tag on the frame (on the outer one with Tunnel);
	// 0: none.
	VLAN uint16
	// EtherType of Raw.
	EtherType uint16

	// Src and Dst must be of one family.
	Src, Dst netip.Addr
	// TTL or hop limit; 0 means 64, for neighbour discovery 255.
	TTL uint8
	// TOS is the DSCP and ECN byte.
	TOS uint8
	// FlowLabel is IPv6's.
	FlowLabel uint32
	// IPID is the identification of an IPv4 packet or a fragment.
	IPID uint32
	// DF forbids fragments (IPv4).
	DF bool
	// IPOptions of IPv4; they are padded with zeros to four bytes.
	IPOptions []byte
	// Extensions of IPv6 stand in front of the transport, in order.
	Extensions []Extension
	// Fragment makes the frame one fragment of the whole packet.
	Fragment *Fragment
	// Proto is the protocol of RawIP.
	Proto uint8

	SrcPort, DstPort uint16
	// NoChecksum leaves UDP's checksum zero.
	NoChecksum bool
	TCPFlags   TCPFlags
	Seq, Ack   uint32
	// Window of TCP; 0 means 65535.
	Window uint16
	// MSS option of TCP; 0: none.
	MSS uint16
	// Type, Code and MTU of an ICMP error.
	Type, Code uint8
	MTU        int
	// ID and ICMPSeq of an echo.
	ID, ICMPSeq uint16
	// Tag is the verification tag of SCTP.
	Tag uint32

	// SenderMAC is in the ARP body, or the ND link-layer option; default
	// SrcMAC.
	SenderMAC state.MAC
	// SenderIP is in the ARP body; default Src (none for a probe).
	SenderIP netip.Addr
	// TargetMAC is in the body of an ARP reply; default DstMAC.
	TargetMAC state.MAC
	// Target is what ARP or ND is about; default Dst for ARP requests,
	// replies and NS, Src for the others.
	Target netip.Addr
	// NoLinkLayer leaves the link-layer option out of ND.
	NoLinkLayer bool

	// Payload behind the last header.
	Payload []byte

	// Tunnel, when set, carries the frame in Geneve.
	Tunnel *Tunnel
}

// Extension is an IPv6 extension header: its type and the bytes behind its
// first two (next header, length); zeros are added up to a multiple of eight.
type Extension struct {
	Type uint8
	Data []byte
}

// Fragment is a part of an IP packet's payload, in bytes. Offset is a multiple
// of eight; Size 0 means up to the end.
type Fragment struct {
	Offset, Size int
}

// Tunnel is the outer side of a tunnelled frame.
type Tunnel struct {
	SrcMAC, DstMAC state.MAC
	Src, Dst       netip.Addr
	// SrcPort 0 means the entropy of the inner packet, DstPort 0 means 6081.
	SrcPort, DstPort uint16
	// TTL 0 means 64.
	TTL, TOS uint8
	VNI      uint32
	Options  Options
	// OAM sets the bit of the Geneve header. The critical bit follows the
	// options.
	OAM bool
	// Checksum fills in a right outer UDP checksum, where Mizar wants none.
	Checksum bool
}
