// SPDX-License-Identifier: Apache-2.0

package golden

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/frame"
)

// agree holds our reading of a frame against gopacket's, layer by layer.
func agree(b []byte) error {
	p, err := frame.Decode(b)
	if err != nil {
		return err
	}
	outer := b
	if p.Tunnel {
		inner, err := agreeTunnel(b, p)
		if err != nil {
			return fmt.Errorf("gopacket disagrees: %w", err)
		}
		outer = inner
	}
	if err := agreeLayer(outer, p.Inner); err != nil {
		return fmt.Errorf("gopacket disagrees: inner %w", err)
	}
	return nil
}

// differs is an error when two readings of a field are not equal.
func differs[T comparable](field string, ours, theirs T) error {
	if ours == theirs {
		return nil
	}
	return fmt.Errorf("%s: we read %v, it reads %v", field, ours, theirs)
}

func firstError(list ...error) error {
	for _, err := range list {
		if err != nil {
			return err
		}
	}
	return nil
}

// agreeTunnel compares the outer side and returns the inner frame as gopacket
// finds it.
func agreeTunnel(b []byte, p frame.Packet) ([]byte, error) {
	g := gopacket.NewPacket(b, layers.LayerTypeEthernet, gopacket.Default)
	eth, _ := g.Layer(layers.LayerTypeEthernet).(*layers.Ethernet)
	udp, _ := g.Layer(layers.LayerTypeUDP).(*layers.UDP)
	geneve, _ := g.Layer(layers.LayerTypeGeneve).(*layers.Geneve)
	if eth == nil || udp == nil || geneve == nil || g.NetworkLayer() == nil {
		return nil, fmt.Errorf("outer headers: it finds no Ethernet, IP, UDP and Geneve header but %v", g)
	}
	src, dst, tos, ttl := network(g.NetworkLayer())
	var options []byte
	for _, o := range geneve.Options {
		options = binary.BigEndian.AppendUint16(options, o.Class)
		options = append(append(options, o.Type, uint8(len(o.Data)/4)), o.Data...)
	}
	err := firstError(
		differs("outer.eth.src", p.OuterSrcMAC, state.MAC(eth.SrcMAC)),
		differs("outer.eth.dst", p.OuterDstMAC, state.MAC(eth.DstMAC)),
		differs("outer.src", p.OuterSrc, src),
		differs("outer.dst", p.OuterDst, dst),
		differs("outer.tos", p.OuterTOS, tos),
		differs("outer.ttl", p.OuterTTL, ttl),
		differs("outer.sport", p.OuterSport, uint16(udp.SrcPort)),
		differs("outer.dport", frame.GenevePort, uint16(udp.DstPort)),
		differs("outer.checksum", p.OuterChecksum, udp.Checksum),
		differs("geneve.vni", p.VNI, geneve.VNI),
		differs("geneve.oam", p.OAM, geneve.OAMPacket),
		differs("geneve.critical", p.Critical, geneve.CriticalOption),
		differs("geneve.protocol", uint16(0x6558), uint16(geneve.Protocol)),
		agreeOptions(p.Options, options),
	)
	return geneve.Payload, err
}

// agreeOptions writes our options again and compares with the bytes that
// gopacket found.
func agreeOptions(o frame.Options, theirs []byte) error {
	ours, err := o.Encode()
	if err != nil {
		return err
	}
	return differs("geneve.options", fmt.Sprintf("%x", ours), fmt.Sprintf("%x", theirs))
}

// network reads an IP header that gopacket decoded.
func network(n gopacket.NetworkLayer) (src, dst netip.Addr, tos, ttl uint8) {
	a, b := n.NetworkFlow().Endpoints()
	src, _ = netip.AddrFromSlice(a.Raw())
	dst, _ = netip.AddrFromSlice(b.Raw())
	switch h := n.(type) {
	case *layers.IPv4:
		tos, ttl = h.TOS, h.TTL
	case *layers.IPv6:
		tos, ttl = h.TrafficClass, h.HopLimit
	}
	return src, dst, tos, ttl
}

// agreeLayer compares one Ethernet frame and what it carries.
func agreeLayer(b []byte, y frame.Layer) error {
	g := gopacket.NewPacket(b, layers.LayerTypeEthernet, gopacket.Default)
	eth, _ := g.Layer(layers.LayerTypeEthernet).(*layers.Ethernet)
	if eth == nil {
		return fmt.Errorf("ethernet header: it finds none")
	}
	err := firstError(
		differs("eth.src", y.SrcMAC, state.MAC(eth.SrcMAC)),
		differs("eth.dst", y.DstMAC, state.MAC(eth.DstMAC)),
	)
	if arp, ok := g.Layer(layers.LayerTypeARP).(*layers.ARP); ok && y.ARP != nil {
		return firstError(err, agreeARP(*y.ARP, arp))
	}
	if n := g.NetworkLayer(); n != nil && y.Src.IsValid() {
		src, dst, tos, ttl := network(n)
		err = firstError(err,
			differs("ip.src", y.Src, src),
			differs("ip.dst", y.Dst, dst),
			differs("ip.tos", y.TOS, tos),
			differs("ip.ttl", y.TTL, ttl),
		)
	} else if n != nil || y.Src.IsValid() {
		return fmt.Errorf("ip header: we read %v → %v, it reads %v", y.Src, y.Dst, n)
	}
	if y.Fragment {
		return err
	}
	return firstError(err, agreeTransport(g, y))
}

func agreeARP(ours frame.ARP, theirs *layers.ARP) error {
	return firstError(
		differs("arp.op", ours.Op, theirs.Operation),
		differs("arp.sender.mac", ours.SenderMAC, state.MAC(theirs.SourceHwAddress)),
		differs("arp.target.mac", ours.TargetMAC, state.MAC(theirs.DstHwAddress)),
		differs("arp.sender.ip", ours.SenderIP, netip.AddrFrom4([4]byte(theirs.SourceProtAddress))),
		differs("arp.target.ip", ours.TargetIP, netip.AddrFrom4([4]byte(theirs.DstProtAddress))),
	)
}

func agreeTransport(g gopacket.Packet, y frame.Layer) error {
	switch y.Proto {
	case frame.ProtoTCP:
		tcp, ok := g.Layer(layers.LayerTypeTCP).(*layers.TCP)
		if !ok {
			return fmt.Errorf("tcp header: it finds none")
		}
		return firstError(
			differs("tcp.sport", y.SrcPort, uint16(tcp.SrcPort)), differs("tcp.dport", y.DstPort, uint16(tcp.DstPort)),
			differs("tcp.seq", y.Seq, tcp.Seq), differs("tcp.ack", y.Ack, tcp.Ack),
			differs("tcp.flags", y.TCPFlags, frame.TCPFlags(tcp.Contents[13])), samePayload(y, tcp.Payload),
		)
	case frame.ProtoUDP:
		udp, ok := g.Layer(layers.LayerTypeUDP).(*layers.UDP)
		if !ok {
			return fmt.Errorf("udp header: it finds none")
		}
		return firstError(
			differs("udp.sport", y.SrcPort, uint16(udp.SrcPort)), differs("udp.dport", y.DstPort, uint16(udp.DstPort)),
			differs("udp.checksum", y.Checksum, udp.Checksum), samePayload(y, udp.Payload),
		)
	case frame.ProtoICMP:
		icmp, ok := g.Layer(layers.LayerTypeICMPv4).(*layers.ICMPv4)
		if !ok {
			return fmt.Errorf("icmp header: it finds none")
		}
		return firstError(
			differs("icmp.type", y.ICMPType, icmp.TypeCode.Type()), differs("icmp.code", y.ICMPCode, icmp.TypeCode.Code()),
			differs("icmp.checksum", y.Checksum, icmp.Checksum),
		)
	case frame.ProtoICMPv6:
		icmp, ok := g.Layer(layers.LayerTypeICMPv6).(*layers.ICMPv6)
		if !ok {
			return fmt.Errorf("icmpv6 header: it finds none")
		}
		return firstError(
			differs("icmpv6.type", y.ICMPType, icmp.TypeCode.Type()), differs("icmpv6.code", y.ICMPCode, icmp.TypeCode.Code()),
			differs("icmpv6.checksum", y.Checksum, icmp.Checksum),
		)
	}
	return nil
}

func samePayload(y frame.Layer, theirs []byte) error {
	if bytes.Equal(y.Payload, theirs) {
		return nil
	}
	return fmt.Errorf("payload: we read %d bytes, it reads %d", len(y.Payload), len(theirs))
}
