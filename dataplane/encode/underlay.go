// SPDX-License-Identifier: Apache-2.0

package encode

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"net/netip"

	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/dataplane/state"
)

// hosts fills in hosts, peers and uplinks: all that is of the underlay.
func (e *encoder) hosts() error {
	if err := e.self(); err != nil {
		return err
	}
	for _, p := range e.host.Peers {
		row, reached, err := e.peer(p)
		if err != nil {
			return fmt.Errorf("peer %s: %w", p.Name, err)
		}
		number := e.index.Hosts[p.Name]
		if reached {
			e.rows.Hosts[number] = row
		}
		for _, a := range p.Addresses {
			if _, ok := e.rows.Peers[Underlay(a)]; ok {
				return fmt.Errorf("peer %s: address %s is another peer's already", p.Name, a)
			}
			e.rows.Peers[Underlay(a)] = bpf.RowPeer{Host: number}
			e.fillSlot(a, number)
		}
	}
	return nil
}

// fillSlot gives an address its slot, unless another was there first: then the
// program falls back to peers.
func (e *encoder) fillSlot(a netip.Addr, number uint32) {
	slot := peerSlot(a)
	if _, taken := e.rows.PeerSlots[slot]; !taken {
		e.rows.PeerSlots[slot] = bpf.RowPeerSlot{Addr: a.As16(), Host: number}
	}
}

// peerSlot is where a program looks for an underlay address first.
func peerSlot(a netip.Addr) uint32 {
	var h uint32
	b := a.As16()
	for i := 0; i < len(b); i += 4 {
		h ^= binary.BigEndian.Uint32(b[i:])
	}
	return (h ^ h>>12) % bpf.PeerSlots()
}

func (e *encoder) self() error {
	if len(e.host.Addresses) == 0 {
		return fmt.Errorf("the host has no underlay address")
	}
	if e.local.UplinkIndex == 0 {
		return fmt.Errorf("the uplink's interface index is not known")
	}
	if e.host.MTU < 1280 || e.host.MTU > 65535 {
		return fmt.Errorf("underlay MTU %d is not in 1280..65535", e.host.MTU)
	}
	row := e.hostRow(e.host.Name, e.host.Addresses[0], e.host.Addresses[0])
	row.NextHop.Octet = e.local.UplinkMAC
	e.rows.Hosts[0] = row

	uplink := bpf.RowUplink{Vlan: e.host.VLAN}
	for _, a := range e.host.Addresses {
		if a.Is4() {
			uplink.V4 = a.As16()
		} else {
			uplink.V6 = a.As16()
		}
	}
	for _, p := range e.host.Endpoints {
		if mtu := uint16(p.MTU); mtu != 0 && (uplink.Mtu == 0 || mtu < uplink.Mtu) {
			uplink.Mtu = mtu
		}
	}
	e.rows.Uplinks[0] = uplink
	return nil
}

// peer is the row of another host; not reached, as long as its next hop is not
// known: packets to it die as no_host then, and those that can ask another host
// ask that.
func (e *encoder) peer(p state.Peer) (row bpf.RowHost, reached bool, err error) {
	source, target, ok := pair(e.host.Addresses, p.Addresses)
	if !ok {
		return row, false, fmt.Errorf("no address of a family that this host has (ours %v, its %v)",
			e.host.Addresses, p.Addresses)
	}
	mac, ok := e.local.NextHops[target]
	if !ok {
		return row, false, nil
	}
	row = e.hostRow(p.Name, source, target)
	row.NextHop.Octet = mac
	row.Down = flag(p.Down)
	e.along(&row, target)
	return row, true, nil
}

// along says in a row what the route to its address says.
func (e *encoder) along(row *bpf.RowHost, target netip.Addr) {
	way := e.local.Ways[target]
	if way.Device != 0 {
		row.Ifindex, row.Uplink.Octet = way.Device, way.DeviceMAC
	}
	if way.MTU > 0 {
		row.Mtu = min(row.Mtu, uint16(min(way.MTU, 65535)))
	}
}

// Targets are the underlay addresses that a host sends to: of each peer one, in
// the order of peers, and where it serves the outside the unspecified ones, which
// stand for that. These need next hops.
func Targets(s state.Host) []netip.Addr {
	var all []netip.Addr
	for _, p := range s.Peers {
		if _, target, ok := pair(s.Addresses, p.Addresses); ok {
			all = append(all, target)
		}
	}
	if s.MeetsOutside() {
		all = append(all, unspecified[:]...)
	}
	return all
}

// pair returns the first of our addresses whose family the peer has, and the
// peer's address of that family.
func pair(ours, its []netip.Addr) (source, target netip.Addr, ok bool) {
	for _, source := range ours {
		for _, target := range its {
			if source.Is4() == target.Is4() {
				return source, target, true
			}
		}
	}
	return netip.Addr{}, netip.Addr{}, false
}

func (e *encoder) hostRow(name string, source, target netip.Addr) bpf.RowHost {
	row := bpf.RowHost{
		Addr:     target.As16(),
		Source:   source.As16(),
		Ifindex:  e.local.UplinkIndex,
		Seed:     Seed(name),
		Mtu:      uint16(e.host.MTU),
		LinkMtu:  uint16(e.host.MTU),
		Vlan:     e.host.VLAN,
		Checksum: headerSum(source, target),
		Family:   family(target),
	}
	row.Uplink.Octet = e.local.UplinkMAC
	return row
}

func family(a netip.Addr) uint8 {
	if a.Is4() {
		return 4
	}
	return 6
}

// Seed is what rendezvous hashing knows a host by: FNV-1a of its name.
func Seed(name string) uint32 {
	h := fnv.New32a()
	h.Write([]byte(name)) // never fails
	return h.Sum32()
}

// headerSum is the sum (RFC 1071, folded, not inverted) of an outer IPv4 header
// without TOS and total length: version and header length, DF, TTL 64, UDP and
// the addresses. Words are taken as they lie in memory on a little-endian
// machine, as the program adds them. IPv6 has no header checksum: 0.
func headerSum(source, target netip.Addr) uint16 {
	if !target.Is4() {
		return 0
	}
	header := [20]byte{0: 0x45, 6: 0x40, 8: 64, 9: 17}
	s, t := source.As4(), target.As4()
	copy(header[12:], s[:])
	copy(header[16:], t[:])
	var sum uint32
	for i := 0; i < len(header); i += 2 {
		sum += uint32(binary.LittleEndian.Uint16(header[i:]))
	}
	sum = sum&0xffff + sum>>16
	return uint16(sum + sum>>16)
}
