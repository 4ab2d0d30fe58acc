// SPDX-License-Identifier: Apache-2.0

// Package encode turns what one host must hold into the rows of its maps.
//
// It is pure: [Encode] depends on the state, the facts of the machine and the
// numbers given before, and on nothing else. The layout of rows is that of
// bpf/include/types.h; here is what stands in them.
package encode

import (
	"bytes"
	"cmp"
	"net/netip"

	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/dataplane/state"
)

// Rows are all rows of one host, by map.
type Rows struct {
	Hosts     map[uint32]bpf.RowHost
	Subnets   map[uint32]bpf.RowSubnet
	VPCs      map[uint32]bpf.RowVpc
	Endpoints map[uint32]bpf.RowEndpoint
	Uplinks   map[uint32]bpf.RowUplink
	Peers     map[bpf.RowUnderlayKey]bpf.RowPeer
	PeerSlots map[uint32]bpf.RowPeerSlot
	Locals    map[bpf.RowAddrKey]bpf.RowLocal
	Ports     map[uint32]bpf.RowPort
	Directory map[bpf.RowAddrKey]bpf.RowLocation
	Routes    map[bpf.RowPrefixKey]bpf.RowRoute
}

// newRows has no rows yet, and room for those that there are many of.
func newRows(s state.Host) Rows {
	return Rows{
		Hosts:     map[uint32]bpf.RowHost{},
		Subnets:   map[uint32]bpf.RowSubnet{},
		VPCs:      map[uint32]bpf.RowVpc{},
		Endpoints: map[uint32]bpf.RowEndpoint{},
		Uplinks:   map[uint32]bpf.RowUplink{},
		Peers:     map[bpf.RowUnderlayKey]bpf.RowPeer{},
		PeerSlots: map[uint32]bpf.RowPeerSlot{},
		Locals:    make(map[bpf.RowAddrKey]bpf.RowLocal, 2*len(s.Endpoints)),
		Ports:     map[uint32]bpf.RowPort{},
		Directory: make(map[bpf.RowAddrKey]bpf.RowLocation, len(s.Directory)),
		Routes:    map[bpf.RowPrefixKey]bpf.RowRoute{},
	}
}

// CompareAddr orders keys by VNI, then address.
func CompareAddr(a, b bpf.RowAddrKey) int {
	return cmp.Or(cmp.Compare(a.Vni, b.Vni), bytes.Compare(a.Addr[:], b.Addr[:]))
}

// CompareUnderlay orders keys by address.
func CompareUnderlay(a, b bpf.RowUnderlayKey) int {
	return bytes.Compare(a.Addr[:], b.Addr[:])
}

// ComparePrefix orders keys by VNI, address and length.
func ComparePrefix(a, b bpf.RowPrefixKey) int {
	return cmp.Or(cmp.Compare(a.Vni, b.Vni), bytes.Compare(a.Addr[:], b.Addr[:]),
		cmp.Compare(a.Prefixlen, b.Prefixlen))
}

// Addr is the key of an address inside a VPC; IPv4 stands as ::ffff:a.b.c.d.
func Addr(vni uint32, addr netip.Addr) bpf.RowAddrKey {
	return bpf.RowAddrKey{Vni: vni, Addr: addr.As16()}
}

// Underlay is the key of an address of the underlay.
func Underlay(addr netip.Addr) bpf.RowUnderlayKey {
	return bpf.RowUnderlayKey{Addr: addr.As16()}
}
