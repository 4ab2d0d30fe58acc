// SPDX-License-Identifier: Apache-2.0

package frame

import (
	"fmt"
	"net"
	"strings"

	"github.com/mizar-net/mizar/dataplane/state"
)

// String is the packet in one line:
//
//	192.0.2.1 → 192.0.2.2 geneve vni 100 [identity 0] 10.0.0.2 → 10.0.0.3 icmp echo id 7 seq 1
func (p Packet) String() string {
	var b strings.Builder
	if p.VLAN != 0 {
		fmt.Fprintf(&b, "vlan %d ", p.VLAN)
	}
	if p.Tunnel {
		fmt.Fprintf(&b, "%s → %s geneve vni %d [%s] ", p.OuterSrc, p.OuterDst, p.VNI, p.Options)
	}
	b.WriteString(p.Inner.String())
	if p.Malformed != "" {
		fmt.Fprintf(&b, " (%s)", p.Malformed)
	}
	return b.String()
}

// String names the options with their fields, in their order on the wire.
func (o Options) String() string {
	var parts []string
	if i := o.Identity; i != nil {
		s := fmt.Sprintf("identity %d", i.Identity)
		if i.Generation != 0 {
			s += fmt.Sprintf(" generation %d", i.Generation)
		}
		parts = append(parts, s)
	}
	if r := o.Return; r != nil {
		s := fmt.Sprintf("return-to-sender h=%s limit %d", r.Host, r.Limit)
		if r.Flags&ReturnAnswer != 0 {
			s += " answer"
		}
		if r.Flags&ReturnSendBack != 0 {
			s += " send-back"
		}
		if r.Flags&ReturnJudge != 0 {
			s += " judge"
		}
		parts = append(parts, s)
	}
	if r := o.SendBack; r != nil {
		parts = append(parts, fmt.Sprintf("send-back h=%s identity %d", r.Host, r.Identity))
	}
	if o.NotHere != nil {
		parts = append(parts, "not-here")
	}
	if r := o.Refusal; r != nil {
		parts = append(parts, fmt.Sprintf("refusal reason %d mtu %d", r.Reason, r.MTU))
	}
	if v := o.Service; v != nil {
		parts = append(parts, fmt.Sprintf("service %s port %d protocol %d", v.Frontend, v.Port, v.Proto))
	}
	for _, other := range o.Other {
		parts = append(parts, fmt.Sprintf("option %#04x/%d", other.Class, other.Type))
	}
	return strings.Join(parts, " ")
}

// String is the layer in one line, without the Ethernet header where there are
// addresses.
func (y Layer) String() string {
	if y.ARP != nil {
		return y.ARP.String()
	}
	if !y.Src.IsValid() {
		return fmt.Sprintf("%s → %s type %#04x, %d bytes", hardware(y.SrcMAC), hardware(y.DstMAC), y.EtherType, len(y.Payload))
	}
	s := fmt.Sprintf("%s → %s ", y.Src, y.Dst)
	if y.Fragment {
		s += fmt.Sprintf("fragment id %d offset %d ", y.IPID, y.Offset)
		if y.More {
			s += "more "
		}
	}
	if y.Offset != 0 {
		return s + fmt.Sprintf("protocol %d, %d bytes", y.Proto, len(y.Payload))
	}
	return s + y.transportString()
}

func (y Layer) transportString() string {
	switch y.Proto {
	case ProtoTCP:
		return fmt.Sprintf("tcp %d → %d %s seq %d ack %d, %d bytes", y.SrcPort, y.DstPort, y.TCPFlags, y.Seq, y.Ack, len(y.Payload))
	case ProtoUDP:
		return fmt.Sprintf("udp %d → %d, %d bytes", y.SrcPort, y.DstPort, len(y.Payload))
	case ProtoSCTP:
		return fmt.Sprintf("sctp %d → %d, %d bytes", y.SrcPort, y.DstPort, len(y.Payload))
	case ProtoICMP:
		return "icmp " + y.icmpString(map[uint8]string{0: "reply", 3: "unreachable", 8: "echo", 11: "time-exceeded"})
	case ProtoICMPv6:
		return "icmpv6 " + y.icmpString(map[uint8]string{
			1: "unreachable", 2: "too-big", 3: "time-exceeded", 128: "echo", 129: "reply", 133: "rs", 134: "ra", 135: "ns", 136: "na",
		})
	}
	return fmt.Sprintf("protocol %d, %d bytes", y.Proto, len(y.Payload))
}

func (y Layer) icmpString(names map[uint8]string) string {
	name, ok := names[y.ICMPType]
	switch {
	case !ok:
		return fmt.Sprintf("type %d code %d", y.ICMPType, y.ICMPCode)
	case name == "echo" || name == "reply":
		return fmt.Sprintf("%s id %d seq %d", name, y.ICMPID, y.ICMPSeq)
	case y.ND != nil && y.ND.Target.IsValid():
		s := fmt.Sprintf("%s target %s", name, y.ND.Target)
		if y.ND.HasLinkLayer {
			s += " is " + hardware(y.ND.LinkLayer)
		}
		return s
	}
	s := fmt.Sprintf("%s code %d", name, y.ICMPCode)
	if y.Error != nil {
		s += " " + y.Error.String()
	}
	return s
}

// String is the ARP body in one line.
func (a ARP) String() string {
	switch a.Op {
	case 1:
		return fmt.Sprintf("arp request %s (%s) asks for %s", a.SenderIP, hardware(a.SenderMAC), a.TargetIP)
	case 2:
		return fmt.Sprintf("arp reply %s is %s to %s", a.SenderIP, hardware(a.SenderMAC), a.TargetIP)
	}
	return fmt.Sprintf("arp op %d from %s (%s) for %s", a.Op, a.SenderIP, hardware(a.SenderMAC), a.TargetIP)
}

func hardware(m state.MAC) string { return net.HardwareAddr(m[:]).String() }
