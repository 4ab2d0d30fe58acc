// SPDX-License-Identifier: Apache-2.0

package frame

import (
	"hash/fnv"
	"net/netip"
)

// Key is the identity of an inner packet: equal for one packet wherever it is
// seen, whatever happens to MACs, TTL, DSCP and checksums on its way. It is
// comparable.
type Key struct {
	// VNI is 0 for a plain frame; see [Key.In].
	VNI                uint32
	EtherType          uint16
	Src, Dst           netip.Addr
	Proto              uint8
	SrcPort, DstPort   uint16
	ICMPType, ICMPCode uint8
	ICMPID, ICMPSeq    uint16
	IPID               uint32
	Offset             int
	TCPFlags           TCPFlags
	Seq, Ack           uint32
	// Payload is a hash of the payload.
	Payload uint64
}

// In is the key of the same packet inside a VPC: what a plain frame, seen at an
// endpoint of the VPC, will have in the tunnel.
func (k Key) In(vni uint32) Key {
	k.VNI = vni
	return k
}

// Key is the identity of the inner packet.
func (p Packet) Key() Key {
	y := p.Inner
	h := fnv.New64a()
	h.Write(y.Payload)
	return Key{
		VNI: p.VNI, EtherType: y.EtherType, Src: y.Src, Dst: y.Dst, Proto: y.Proto,
		SrcPort: y.SrcPort, DstPort: y.DstPort,
		ICMPType: y.ICMPType, ICMPCode: y.ICMPCode, ICMPID: y.ICMPID, ICMPSeq: y.ICMPSeq,
		IPID: y.IPID, Offset: y.Offset, TCPFlags: y.TCPFlags, Seq: y.Seq, Ack: y.Ack,
		Payload: h.Sum64(),
	}
}
