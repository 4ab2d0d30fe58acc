// SPDX-License-Identifier: Apache-2.0

package testrun

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"

	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/frame"
	"github.com/mizar-net/mizar/sim/wire"
	"github.com/mizar-net/mizar/topology"
)

var _ wire.Grounder = (*Wire)(nil)

// Ground is the underlay from the next Apply on.
func (w *Wire) Ground(u topology.Underlay) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ground = u
}

// reach are the MACs by which a host reaches underlay addresses: those of their
// owners, or of routers.
func (w *Wire) reach(h *host, owners map[netip.Addr]state.MAC) map[netip.Addr]state.MAC {
	if !w.ground.Routed() {
		return owners
	}
	all := map[netip.Addr]state.MAC{}
	for a := range owners {
		hop, ok := w.ground.NextHop(h.segment, a)
		if !ok {
			continue
		}
		if mac, ok := w.ground.MACOf(hop); ok {
			all[a] = mac
		} else if mac, ok := owners[hop]; ok {
			all[a] = mac
		}
	}
	return all
}

// carried is where a frame on the underlay ends.
type carried struct {
	// to is the host that takes it; nil: nobody.
	to    *host
	frame []byte
	// notice says that the frame is not the one that was sent, but what a
	// router had to say of it.
	notice bool
}

// most is how many routers a frame may pass: more than its TTL lets happen.
const most = 64

// route takes a frame from a segment to whoever has its destination MAC, over
// routers.
func (w *Wire) route(segment string, b []byte) (carried, error) {
	c := carried{frame: b}
	for range most {
		mac := state.MAC(c.frame[:6])
		if to := w.byMAC[mac]; to != nil && to.segment == segment {
			c.to = to
			return c, nil
		}
		router, port, ok := w.ground.PortOf(mac)
		if !ok || port.Segment != segment {
			return c, nil
		}
		out, err := w.pass(router, port, &c)
		if err != nil {
			return c, fmt.Errorf("router %s: %w", router.Name, err)
		}
		if out == "" {
			return c, nil
		}
		segment = out
	}
	return c, fmt.Errorf("routers send a frame in circles: it passed %d", most)
}

// pass lets a router forward a frame, or turns it into what the router says of
// it. It returns the segment that the router puts it on; "" when it is lost.
func (w *Wire) pass(r topology.Router, in topology.RouterPort, c *carried) (string, error) {
	p, ok := outerIP(c.frame)
	if !ok {
		return "", nil // no IP, and a router forwards nothing else
	}
	out, hop, ok := w.ground.Forward(r, p.dst)
	var refused *refusal
	switch {
	case p.ttl <= 1:
		refused = &timeExceeded
	case !ok:
		refused = &noRoute
	case p.length > out.MTU:
		refused = tooBig(out.MTU)
	}
	if refused != nil {
		return w.refuse(r, in, p, *refused, c)
	}
	mac, ok := w.owner(hop)
	if !ok {
		return "", nil
	}
	c.frame = p.forwarded(c.frame, out.MAC, mac)
	return out.Segment, nil
}

// owner is the MAC of who has an underlay address.
func (w *Wire) owner(a netip.Addr) (state.MAC, bool) {
	if mac, ok := w.ground.MACOf(a); ok {
		return mac, true
	}
	for _, h := range w.hosts {
		if slices.Contains(h.state.Addresses, a) {
			return h.mac, true
		}
	}
	return state.MAC{}, false
}

// packet is what a router reads of a frame.
type packet struct {
	src, dst netip.Addr
	ttl      byte
	// length of the IP packet; icmp says that it is no data.
	length int
	icmp   bool
}

const ethernet = 14

// outerIP reads an untagged IP frame.
func outerIP(b []byte) (packet, bool) {
	p, err := frame.Decode(b)
	if err != nil || p.VLAN != 0 {
		return packet{}, false
	}
	read := packet{src: p.Inner.Src, dst: p.Inner.Dst}
	if p.Tunnel {
		read.src, read.dst = p.OuterSrc, p.OuterDst
	}
	ip := b[ethernet:]
	switch binary.BigEndian.Uint16(b[12:]) {
	case frame.TypeIPv4:
		read.ttl, read.length = ip[8], int(binary.BigEndian.Uint16(ip[2:]))
		read.icmp = ip[9] == frame.ProtoICMP
	case frame.TypeIPv6:
		read.ttl, read.length = ip[7], 40+int(binary.BigEndian.Uint16(ip[4:]))
		read.icmp = ip[6] == frame.ProtoICMPv6
	default:
		return packet{}, false
	}
	return read, true
}

// forwarded is the frame on the next segment: other MACs, and a TTL less.
func (p packet) forwarded(b []byte, from, to state.MAC) []byte {
	b = slices.Clone(b)
	copy(b[0:], to[:])
	copy(b[6:], from[:])
	ip := b[ethernet:]
	if p.dst.Is6() {
		ip[7]--
		return b
	}
	ip[8]--
	binary.BigEndian.PutUint16(ip[10:], 0)
	binary.BigEndian.PutUint16(ip[10:], checksum(ip[:int(ip[0]&0x0f)*4]))
	return b
}

// refusal is an ICMP and ICMPv6 error: type and code, and the second word of the
// header.
type refusal struct {
	type4, code4, type6, code6 byte
	word                       uint32
}

var (
	timeExceeded = refusal{type4: 11, type6: 3}
	noRoute      = refusal{type4: 3, type6: 1}
)

// tooBig is RFC 1191's and RFC 4443's. Our tunnel packets may not be taken
// apart on the way, so a router never tries.
func tooBig(mtu int) *refusal { return &refusal{type4: 3, code4: 4, type6: 2, word: uint32(mtu)} }

// refuse turns a frame into the error that goes back to its source.
func (w *Wire) refuse(r topology.Router, in topology.RouterPort, p packet, why refusal, c *carried) (string, error) {
	source, speaks := in.Address(p.src)
	out, hop, ok := w.ground.Forward(r, p.src)
	mac, known := w.owner(hop)
	if p.icmp || c.notice || !speaks || !ok || !known {
		return "", nil // no error about errors (RFC 1812, 4.3.2.7), and none to nobody
	}
	b, err := frame.Build(frame.Spec{
		Kind: frame.RawIP, SrcMAC: out.MAC, DstMAC: mac, Src: source, Dst: p.src,
		Proto: why.proto(p.src), Payload: why.message(source, p.src, c.frame[ethernet:ethernet+p.length]),
	})
	if err != nil {
		return "", fmt.Errorf("answer %s: %w", p.src, err)
	}
	c.frame, c.notice = b, true
	return out.Segment, nil
}

func (r refusal) proto(to netip.Addr) uint8 {
	if to.Is4() {
		return frame.ProtoICMP
	}
	return frame.ProtoICMPv6
}

// message is the error with as much of the packet as fits into 576 bytes (RFC
// 1812, 4.3.2.3) or 1280 (RFC 4443, 2.4).
func (r refusal) message(from, to netip.Addr, quoted []byte) []byte {
	m := []byte{r.type4, r.code4, 0, 0}
	limit := 576 - 20 - 8
	if to.Is6() {
		m[0], m[1], limit = r.type6, r.code6, 1280-40-8
	}
	m = binary.BigEndian.AppendUint32(m, r.word)
	m = append(m, quoted[:min(len(quoted), limit)]...)
	covered := m
	if to.Is6() {
		covered = slices.Concat(from.AsSlice(), to.AsSlice(), binary.BigEndian.AppendUint32(nil, uint32(len(m))),
			[]byte{0, 0, 0, frame.ProtoICMPv6}, m)
	}
	binary.BigEndian.PutUint16(m[2:], checksum(covered))
	return m
}

// checksum is that of RFC 1071.
func checksum(b []byte) uint16 {
	var sum uint32
	for i := 0; i+1 < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	if len(b)%2 == 1 {
		sum += uint32(b[len(b)-1]) << 8
	}
	for sum>>16 != 0 {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
